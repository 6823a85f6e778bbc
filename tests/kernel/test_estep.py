"""`e_step` against independent computations."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from bayesgmm import Mixture
from bayesgmm.kernel import Stats, Whitening, e_step

here = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("mixtures.py"))))
CODES, parameters, mixture_of, rows, log_joint = here.CODES, here.parameters, here.mixture_of, here.rows, here.log_joint


@pytest.mark.parametrize("alias", CODES)
def test_log_density_and_responsibilities_agree_with_scipy(alias):
    x, joint = rows(), log_joint(rows(), *parameters(alias))
    log_prob, _, r = e_step(x, mixture_of(alias), responsibilities=True)
    np.testing.assert_allclose(log_prob, logsumexp(joint, axis=1), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(r, np.exp(joint - logsumexp(joint, axis=1)[:, None]), rtol=1e-10, atol=1e-14)
    assert np.abs(r.sum(axis=1) - 1).max() <= 1e-14
    assert (r >= 0).all()


@pytest.mark.parametrize("alias", CODES)
def test_agrees_with_scikit_learn_at_equal_parameters(alias):
    from sklearn.mixture import GaussianMixture

    weights, means, covariances = parameters(alias)
    theirs = GaussianMixture(3, covariance_type=alias, reg_covar=0)
    factors = np.linalg.inv(np.linalg.cholesky(covariances)).swapaxes(1, 2)
    shape = {"full": factors, "tied": factors[0], "diag": np.diagonal(factors, axis1=1, axis2=2),
             "spherical": factors[:, 0, 0]}  # fmt: skip
    theirs.weights_, theirs.means_, theirs.precisions_cholesky_ = weights, means, shape[alias]
    theirs.covariances_ = covariances
    log_prob, _, r = e_step(rows(), mixture_of(alias), responsibilities=True)
    np.testing.assert_allclose(log_prob, theirs.score_samples(rows()), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(r, theirs.predict_proba(rows()), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("alias", CODES)
@pytest.mark.parametrize("weighted", [False, True])
def test_statistics_are_those_of_the_responsibilities(alias, weighted):
    x, joint = rows(), log_joint(rows(), *parameters(alias))
    w = np.random.default_rng(1).uniform(0, 3, len(x)) if weighted else np.ones(len(x))
    r = np.exp(joint - logsumexp(joint, axis=1)[:, None])
    brute = Stats.of(x, w[:, None] * r)
    stats = e_step(x, mixture_of(alias), case_weights=w if weighted else None)[1]
    mask = np.eye(3) if alias in ("diag", "spherical") else np.ones((3, 3))
    np.testing.assert_allclose(stats.counts, brute.counts, rtol=1e-11)
    np.testing.assert_allclose(stats.means, brute.means, rtol=1e-10, atol=1e-11)
    np.testing.assert_allclose(stats.scatters * mask, brute.scatters * mask, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(stats.scatters, stats.scatters.swapaxes(1, 2), rtol=1e-12)


def test_points_forty_deviations_away_stay_finite():
    mixture = Mixture([0.4, 0.6], [[0.0, 0.0], [1.0, 1.0]], [np.eye(2), np.eye(2)])
    x = np.array([[40.0, -40.0], [-4000.0, 0.0], [0.0, 0.0]])
    log_prob, stats, r = e_step(x, mixture, responsibilities=True)
    joint = log_joint(x, mixture.weights, mixture.means, mixture.covariances)
    np.testing.assert_allclose(log_prob, logsumexp(joint, axis=1))
    assert np.abs(r.sum(axis=1) - 1).max() <= 1e-14
    assert all(np.isfinite(part).all() for part in (stats.counts, stats.means, stats.scatters))


def test_far_from_the_origin_no_digit_is_lost():
    # Integers, so that the shift itself is exact.
    x = np.random.default_rng(0).integers(-9, 10, size=(100, 2)).astype(float)
    near = Mixture([0.5, 0.5], [[-3.0, 0.0], [4.0, 1.0]], [9 * np.eye(2), 4 * np.eye(2)])
    far = Mixture(near.weights, near.means + 2.0**40, near.covariances)
    (a, stats), (b, moved) = e_step(x, near), e_step(x + 2.0**40, far)
    np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(stats.scatters, moved.scatters)


def test_a_component_without_weight_gets_nothing():
    mixture = Mixture([1.0, 0.0], [[0.0], [5.0]], [[[1.0]], [[2.0]]])
    x = np.array([[0.0], [5.0], [-1.0]])
    log_prob, stats, r = e_step(x, mixture, responsibilities=True)
    np.testing.assert_allclose(log_prob, multivariate_normal(0, 1).logpdf(x[:, 0]))
    assert (r[:, 1] == 0).all() and stats.counts[1] == 0
    assert stats.means[1, 0] == 5.0 and stats.scatters[1, 0, 0] == 0.0


@pytest.mark.parametrize("n", [1, 255, 256, 257, 513])
@pytest.mark.parametrize("alias", CODES)
def test_rows_that_do_not_fill_a_block_are_all_counted(alias, n):
    x, joint = rows(n), log_joint(rows(n), *parameters(alias))
    log_prob, stats = e_step(x, mixture_of(alias))
    np.testing.assert_allclose(log_prob, logsumexp(joint, axis=1), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(stats.total, n, rtol=1e-13)


@pytest.mark.parametrize("assign", ["soft", "hard", "draw"])
@pytest.mark.parametrize("alias", CODES)
def test_no_rows_give_empty_statistics(alias, assign):
    mixture = mixture_of(alias)
    log_prob, stats, r = e_step(np.empty((0, 3)), mixture, assign=assign, seed=1, responsibilities=True)
    assert log_prob.shape == (0,) and r.shape == (0, 3) and stats.total == 0
    np.testing.assert_array_equal(stats.means, mixture.means)
    np.testing.assert_array_equal(stats.scatters, np.zeros((3, 3, 3)))
    assert e_step(np.empty((0, 3)), mixture, pointwise=False)[0] == 0.0


@pytest.mark.parametrize("assign", ["soft", "hard", "draw"])
@pytest.mark.parametrize("alias", CODES)
def test_the_sum_of_log_densities_is_the_sum_of_them(alias, assign):
    # Sums of n terms in two orders differ by n eps Σ |term| at most.
    x, w, options = rows(1000), np.random.default_rng(1).uniform(0, 3, 1000), {"assign": assign, "seed": 3}
    for weights in (None, w, np.zeros(1000)):
        log_prob, stats, r = e_step(x, mixture_of(alias), weights, responsibilities=True, **options)
        total, same, same_r = e_step(x, mixture_of(alias), weights, responsibilities=True, pointwise=False, **options)
        terms = log_prob * (1.0 if weights is None else weights)
        assert isinstance(total, float) and abs(total - terms.sum()) <= 1000 * 2.3e-16 * np.abs(terms).sum()
        here.assert_same_bits((stats, r), (same, same_r))


@pytest.mark.parametrize("alias", CODES)
def test_a_row_of_weight_zero_is_evaluated_but_not_counted(alias):
    x, w = rows(300), np.repeat([1.0, 0.0, 2.5], 100)
    log_prob, stats = e_step(x, mixture_of(alias), w)
    np.testing.assert_array_equal(log_prob, e_step(x, mixture_of(alias))[0])
    moved = np.where(w[:, None] == 0, 50.0, x)
    # A row with weight zero adds exact zeros, wherever it is.
    here.assert_same_bits(e_step(moved, mixture_of(alias), w)[1:], (stats,))


@pytest.mark.parametrize("alias", CODES)
@pytest.mark.parametrize("nothing", [0, 1, 2])
def test_a_component_of_weight_zero_is_as_good_as_absent(alias, nothing):
    _, means, covariances = parameters(alias)
    weights = np.insert([0.3, 0.7], nothing, 0.0)
    mixture = here.made(alias, weights, means, covariances)
    log_prob, stats, r = e_step(rows(), mixture, responsibilities=True)
    joint = log_joint(rows(), weights, means, covariances)
    np.testing.assert_allclose(log_prob, logsumexp(joint, axis=1), rtol=1e-12, atol=1e-12)
    assert (r[:, nothing] == 0).all() and stats.counts[nothing] == 0
    np.testing.assert_array_equal(stats.means[nothing], means[nothing])
    np.testing.assert_array_equal(stats.scatters[nothing], 0.0)


def with_nan(mixture, name, component):
    """Parameters of which one number is NaN."""
    values = {"log_weights": mixture.log_weights, "means": mixture.means, "factors": mixture.whitening.factors}
    values = {key: np.array(value) for key, value in values.items()}
    values[name][(component, *[0] * (values[name].ndim - 1))] = np.nan
    return SimpleNamespace(log_weights=values["log_weights"], means=values["means"],
                           whitening=Whitening(values["factors"]))  # fmt: skip


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("component", [0, 1, 2])
@pytest.mark.parametrize("name", ["log_weights", "means", "factors"])
@pytest.mark.parametrize(("alias", "d"), [*((alias, 3) for alias in CODES), ("full", 25)])
def test_a_parameter_that_is_nan_makes_log_densities_nan(alias, d, name, component, single):
    mixture = mixture_of(alias, d=d, spread=1.0)
    if name == "factors":
        component = min(component, len(mixture.whitening.factors) - 1)
    log_prob = e_step(rows(70, d), with_nan(mixture, name, component), single=single)[0]
    assert np.isnan(log_prob).all()


def test_an_unknown_assignment_is_refused():
    with pytest.raises(ValueError, match="'soft', 'hard' or 'draw'"):
        e_step(rows(), mixture_of("full"), assign="sharp")


def test_wrong_shapes_are_refused_before_the_compiled_loops():
    mixture = mixture_of("full")
    for x in (np.zeros((4, 2)), np.zeros(3), np.zeros((2, 2, 3))):
        with pytest.raises(ValueError, match="column a feature"):
            e_step(x, mixture)
    for w in (np.ones(3), np.ones((4, 1)), np.empty(0)):
        with pytest.raises(ValueError, match="one weight a row"):
            e_step(np.zeros((4, 3)), mixture, case_weights=w)
    for factors in (np.ones((2, 3)), np.ones((3, 2)), np.ones((3, 3, 2)), np.ones(3)):
        odd = SimpleNamespace(log_weights=mixture.log_weights, means=mixture.means, whitening=Whitening(factors))
        with pytest.raises(ValueError, match="do not fit"):
            e_step(np.zeros((4, 3)), odd)
