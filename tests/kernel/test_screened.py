"""Many features: components that are out of the question for a row are not evaluated, and nothing may tell."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import logsumexp

from bayesgmm import Mixture
from bayesgmm.kernel import Stats, Whitening, e_step, plan

here = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("mixtures.py"))))
# How far apart the means are, in units in which a component has a variance of about D in each direction.
SPREADS = {"overlapping": 0.2, "near": 3.0, "apart": 20.0, "far apart": 1e4}


def problem(spread, k=5, d=26, n=1500, seed=0):
    """A mixture and a sample of it, in the order of nothing."""
    mixture = here.mixture_of("full", k=k, d=d, seed=seed, spread=spread)
    assert plan.is_screened(k, d) == (k > 1)
    return mixture, mixture.sample(n, seed=seed)[0]


def joint_of(x, mixture):
    return here.log_joint(x, mixture.weights, mixture.means, mixture.covariances)


@pytest.mark.parametrize("d", [23, 24, 40])
@pytest.mark.parametrize("spread", SPREADS.values(), ids=SPREADS)
def test_log_densities_and_responsibilities_are_scipys(spread, d):
    # Whitening loses D eps √cond, the square root of a condition number of some thousands here, of |log p|; scipy's
    # eigenvalues lose no less. Responsibilities lose that in absolute terms.
    mixture = here.mixture_of("full", k=5, d=d, spread=spread)
    x = np.vstack([mixture.sample(500, seed=1)[0], 3 * spread * here.rows(100, d)])
    joint = joint_of(x, mixture)
    exact = logsumexp(joint, axis=1)
    log_prob, stats, r = e_step(x, mixture, responsibilities=True)
    slack = 2.2e-16 * d * max(np.linalg.cond(f) for f in mixture.scale_trils) ** 2
    assert slack < 1e-9
    size = np.maximum(1, np.abs(exact))
    assert (np.abs(log_prob - exact) / size).max() <= slack
    assert (np.abs(r - np.exp(joint - exact[:, None])) / size[:, None]).max() <= slack
    assert np.abs(r.sum(axis=1) - 1).max() <= 1e-14


@pytest.mark.parametrize("spread", SPREADS.values(), ids=SPREADS)
@pytest.mark.parametrize("assign", ["soft", "hard", "draw"])
def test_statistics_are_those_of_the_rows_whose_order_is_not_theirs(spread, assign):
    mixture, x = problem(spread)
    w = np.random.default_rng(3).uniform(0, 2, len(x))
    for weights in (None, w):
        log_prob, stats, r = e_step(x, mixture, weights, assign=assign, seed=2, responsibilities=True)
        brute = Stats.of(x, r if weights is None else w[:, None] * r)
        # Sums of n terms differ by n eps of the largest; √cond of some tens, as L z is x − μ to that.
        size = np.abs(x - mixture.means[:, None]).max()
        np.testing.assert_allclose(stats.counts, brute.counts, rtol=len(x) * 2.3e-16)
        np.testing.assert_allclose(stats.means, brute.means, atol=1e-13 * size)
        np.testing.assert_allclose(stats.scatters, brute.scatters, atol=1e-13 * size**2 * len(x))


@pytest.mark.parametrize("k", [1, 2, 3, 4, 9])
@pytest.mark.parametrize("spread", [0.2, 20.0])
def test_a_row_is_the_same_alone_and_in_company(k, spread):
    mixture, x = problem(spread, k=k, n=700)
    whole, _, r = e_step(x, mixture, responsibilities=True)
    # Alone, a row stands in another place of a vector register: an operation may be fused there and not here.
    for i in (0, 1, 350, 699):
        alone, _, own = e_step(x[i : i + 1], mixture, responsibilities=True)
        np.testing.assert_allclose(alone, whole[i : i + 1], rtol=1e-13)
        np.testing.assert_allclose(own[0], r[i], rtol=1e-10, atol=1e-25)
    backwards, _, reversed_r = e_step(x[::-1], mixture, responsibilities=True)
    np.testing.assert_allclose(backwards[::-1], whole, rtol=1e-13)
    np.testing.assert_allclose(reversed_r[::-1], r, rtol=1e-10, atol=1e-25)


@pytest.mark.parametrize("spread", [0.2, 3.0, 20.0])
def test_one_component_among_others_is_the_same_as_by_itself(spread):
    mixture, x = problem(spread)
    joint = np.column_stack([
        np.log(w) + e_step(x, Mixture.from_scale_trils([1.0], m[None], f[None]))[0]
        for w, m, f in zip(mixture.weights, mixture.means, mixture.scale_trils, strict=True)
    ])  # fmt: skip
    log_prob, _, r = e_step(x, mixture, responsibilities=True)
    np.testing.assert_allclose(log_prob, logsumexp(joint, axis=1), rtol=1e-12)
    np.testing.assert_allclose(r, np.exp(joint - logsumexp(joint, axis=1)[:, None]), rtol=1e-10, atol=1e-29)


def test_means_that_coincide_leave_nothing_to_screen_by():
    _, _, covariances = here.parameters("full", k=4, d=26)
    mixture = Mixture(np.full(4, 0.25), np.zeros((4, 26)), covariances * np.array([1, 1, 50, 1e-4])[:, None, None])
    x = np.vstack([mixture.sample(300, seed=0)[0], np.zeros((1, 26))])
    joint = joint_of(x, mixture)
    log_prob, _, r = e_step(x, mixture, responsibilities=True)
    np.testing.assert_allclose(log_prob, logsumexp(joint, axis=1), rtol=1e-11)
    np.testing.assert_allclose(r, np.exp(joint - logsumexp(joint, axis=1)[:, None]), rtol=1e-8, atol=1e-10)


def test_a_narrow_component_in_a_wide_one_is_found():
    # The narrow one's rows look likely under both, and the wide one's far rows are out of the narrow one's question.
    factors = np.array([np.eye(30), 1e-6 * np.eye(30), 1e6 * np.eye(30)])
    mixture = Mixture.from_scale_trils([0.4, 0.3, 0.3], np.zeros((3, 30)), factors)
    x, z = mixture.sample(900, seed=1)
    np.testing.assert_array_equal(mixture.predict(x), z)
    np.testing.assert_array_equal(e_step(x, mixture, assign="hard")[1].counts, np.bincount(z))


def test_rows_far_from_the_origin_are_screened_right():
    mixture, x = problem(20.0)
    moved = Mixture.from_scale_trils(mixture.weights, mixture.means + 2.0**30, mixture.scale_trils)
    # Means and rows are rounded to 2⁻²³ there, which whitening multiplies by |L⁻¹|, and z by √q: some D in all.
    slack = 2.0**-22 * 26 * max(np.linalg.norm(np.linalg.inv(f), 2) for f in mixture.scale_trils)
    log_prob, _, r = e_step(x, mixture, responsibilities=True)
    moved_log_prob, _, moved_r = e_step(x + 2.0**30, moved, responsibilities=True)
    np.testing.assert_allclose(moved_log_prob, log_prob, rtol=1e-9, atol=slack)
    np.testing.assert_allclose(moved_r, r, atol=slack)


@pytest.mark.filterwarnings("ignore:(overflow|invalid)")  # the scatter of such rows is beyond the largest double
@pytest.mark.parametrize("distance", [1e10, 1e155, 1e290])
def test_rows_far_from_everything_stay_finite(distance):
    mixture, x = problem(20.0, n=100)
    far = distance * np.random.default_rng(0).choice([-1.0, 1.0], size=(30, 26))
    log_prob, _, r = e_step(np.vstack([x, far]), mixture, responsibilities=True)
    assert np.isfinite(log_prob).all() and np.isfinite(r).all()
    assert np.abs(r.sum(axis=1) - 1).max() <= 1e-14
    np.testing.assert_allclose(log_prob[:100], e_step(x, mixture)[0], rtol=1e-13)


def test_components_of_weight_zero_are_screened_away():
    mixture, x = problem(0.2)
    weights = np.array([0.0, 0.5, 0.0, 0.5, 0.0])
    log_prob, stats, r = e_step(x, Mixture.from_whitening(weights, mixture.means, mixture.whitening),
                                responsibilities=True)  # fmt: skip
    two = Mixture.from_whitening(weights[[1, 3]], mixture.means[[1, 3]], Whitening(mixture.scale_trils[[1, 3]]))
    expected, _, expected_r = e_step(x, two, responsibilities=True)
    np.testing.assert_allclose(log_prob, expected, rtol=1e-13)
    np.testing.assert_allclose(r[:, [1, 3]], expected_r, rtol=1e-10, atol=1e-25)
    assert (r[:, [0, 2, 4]] == 0).all() and (stats.counts[[0, 2, 4]] == 0).all()
