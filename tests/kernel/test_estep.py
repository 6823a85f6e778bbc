"""`e_step` against independent computations."""

import os
import warnings

import numpy as np
import pytest
from mpmath import mp
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from bayesgmm import Mixture
from bayesgmm.families import FAMILIES
from bayesgmm.kernel import Stats, e_step, native, set_threads

CODES = [f.alias for f in FAMILIES]


def parameters(alias, k=3, d=3, seed=4):
    """(π, μ, Σ) of the given structure, with the structure made by hand."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(k, d, d))
    covariances = root @ root.swapaxes(1, 2) + 0.5 * np.eye(d)
    if alias == "tied":
        covariances = np.repeat(covariances[:1], k, axis=0)
    if alias == "diag":
        covariances = covariances * np.eye(d)
    if alias == "spherical":
        covariances = covariances[:, :1, :1] * np.eye(d)
    return rng.dirichlet(np.full(k, 4.0)), 2 * rng.normal(size=(k, d)), covariances


def mixture_of(alias, **kwargs):
    """The mixture as its family makes it, with the family's own whitening."""
    weights, means, covariances = parameters(alias, **kwargs)
    (family,) = (f for f in FAMILIES if f.alias == alias)
    return Mixture.from_whitening(weights, means, family.whitening(covariances))


def rows(n=200, d=3, seed=5):
    return 3 * np.random.default_rng(seed).normal(size=(n, d))


def log_joint(x, weights, means, covariances):
    parts = zip(weights, means, covariances, strict=True)
    return np.column_stack([np.log(w) + multivariate_normal(m, c).logpdf(x) for w, m, c in parts])


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


def test_log_density_holds_against_fifty_digits():
    weights, means, covariances = parameters("full", k=2, d=2)
    x = rows(6, 2)
    with mp.workdps(50):
        for row, got in zip(x, e_step(x, Mixture(weights, means, covariances))[0], strict=True):
            total = mp.mpf(0)
            for w, m, c in zip(weights, means, covariances, strict=True):
                c, gap = mp.matrix(c.tolist()), mp.matrix((row[:, None]).tolist()) - mp.matrix(m[:, None].tolist())
                distance = (gap.T * mp.inverse(c) * gap)[0]
                total += mp.mpf(w) * mp.exp(-distance / 2) / (2 * mp.pi * mp.sqrt(mp.det(c)))
            assert abs(float(mp.log(total) - mp.mpf(got))) < 1e-12 * max(1, abs(got))


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


def test_any_number_of_threads_gives_the_same_bits():
    x, mixture = rows(150_000), mixture_of("full")
    assert native.n_ranges(len(x), 3, 3) > 3
    before = set_threads(1)
    try:
        one = e_step(x, mixture, responsibilities=True)
        for n in (2, 3):
            set_threads(n)
            other = e_step(x, mixture, responsibilities=True)
            assert (one[0] == other[0]).all() and (one[2] == other[2]).all()
            for name in ("counts", "means", "scatters"):
                assert (getattr(one[1], name) == getattr(other[1], name)).all()
    finally:
        set_threads(before)
    assert np.abs(one[2].sum(axis=1) - 1).max() <= 1e-14
    np.testing.assert_allclose(one[1].total, len(x), rtol=1e-13)


@pytest.mark.parametrize("n", [1, 255, 256, 257, 513])
def test_rows_that_do_not_fill_a_block_are_all_counted(n):
    x, joint = rows(n), log_joint(rows(n), *parameters("full"))
    log_prob, stats = e_step(x, mixture_of("full"))
    np.testing.assert_allclose(log_prob, logsumexp(joint, axis=1), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(stats.total, n, rtol=1e-13)


def test_no_rows_give_empty_statistics():
    log_prob, stats = e_step(np.empty((0, 3)), mixture_of("full"))
    assert log_prob.shape == (0,) and stats.total == 0


def test_any_layout_of_the_rows_is_read_right():
    x, mixture = rows(), mixture_of("full")
    expected = e_step(x, mixture)[0]
    wide = np.zeros((400, 6))
    wide[::2, ::2] = x
    for same in (np.asfortranarray(x), wide[::2, ::2], x[::-1][::-1], x.tolist()):
        np.testing.assert_array_equal(e_step(same, mixture)[0], expected)
    single = x.astype(np.float32)
    np.testing.assert_array_equal(e_step(single, mixture)[0], e_step(single.astype(float), mixture)[0])


def test_wrong_shapes_are_refused_before_the_compiled_loops():
    mixture = mixture_of("full")
    for x in (np.zeros((4, 2)), np.zeros(3), np.zeros((2, 2, 3))):
        with pytest.raises(ValueError, match="column a feature"):
            e_step(x, mixture)
    for w in (np.ones(3), np.ones((4, 1)), np.empty(0)):
        with pytest.raises(ValueError, match="one weight a row"):
            e_step(np.zeros((4, 3)), mixture, case_weights=w)


def test_threads_are_at_least_one():
    with pytest.raises(ValueError, match="at least 1"):
        set_threads(0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_forked_child_can_use_threads():
    x, mixture = rows(60_000), mixture_of("full")
    before = set_threads(2)
    try:
        expected = e_step(x, mixture)[0]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            import signal

            signal.alarm(20)
            os._exit(0 if (e_step(x, mixture)[0] == expected).all() else 1)
        assert os.waitpid(child, 0)[1] == 0
    finally:
        set_threads(before)
