"""Rows with missing cells against the marginal mixtures and conditional moments, computed one row at a time."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from bayesgmm import Mixture, family
from bayesgmm.kernel import Incomplete, e_step, set_threads
from bayesgmm.kernel.conditional import regression

CASES = [("full", 2, 3), ("full", 1, 5), ("full", 3, 1), ("tied", 3, 4), ("diag", 2, 3), ("spherical", 2, 2)]


def case(alias, k, d, n=80):
    rng = np.random.default_rng(k + 10 * d)
    a = rng.normal(size=(k, d, d))
    covariances = a @ a.mT + 0.3 * np.eye(d)
    covariances = family(alias).m_step(covariances, np.ones(k))
    mixture = Mixture.from_whitening(
        rng.dirichlet(np.ones(k)), rng.normal(size=(k, d)), family(alias).whitening(covariances)
    )
    x = rng.normal(size=(n, d)) * 2
    x[rng.random((n, d)) < 0.35] = np.nan
    return x, mixture, rng.uniform(0.2, 3, size=n)


def one_row(x, mixture):
    """log p, responsibilities, and E[x], E[x xᵀ] of each component, of one row."""
    have, k = ~np.isnan(x), mixture.n_components
    joint, first, second = np.log(mixture.weights), [], []
    for c in range(k):
        mean, covariance = mixture.means[c], mixture.covariances[c]
        if have.any():
            seen = covariance[np.ix_(have, have)]
            joint[c] += multivariate_normal.logpdf(x[have], mean[have], seen)
            slope = covariance[:, have] @ np.linalg.inv(seen)
            mean, covariance = mean + slope @ (x[have] - mean[have]), covariance - slope @ covariance[have]
        first.append(mean)
        second.append(np.outer(mean, mean) + covariance)
    log_prob = np.logaddexp.reduce(joint)
    return log_prob, np.exp(joint - log_prob), np.array(first), np.array(second)


@pytest.mark.parametrize(("alias", "k", "d"), CASES)
def test_densities_and_expected_statistics_are_those_of_one_row_at_a_time(alias, k, d):
    x, mixture, weights = case(alias, k, d)
    log_prob, stats, r = e_step(Incomplete.of(x), mixture, weights, responsibilities=True)
    rows = [one_row(row, mixture) for row in x]
    np.testing.assert_allclose(log_prob, [row[0] for row in rows], rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(r, [row[1] for row in rows], atol=1e-10)
    shares = weights[:, None] * r
    counts = shares.sum(axis=0)
    means = np.einsum("nk,nkd->kd", shares, np.array([row[2] for row in rows])) / counts[:, None]
    scatters = np.einsum("nk,nkij->kij", shares, np.array([row[3] for row in rows]))
    scatters -= counts[:, None, None] * means[:, :, None] * means[:, None, :]
    if alias in ("diag", "spherical"):
        scatters = scatters * np.eye(d)
    np.testing.assert_allclose(stats.counts, counts, rtol=1e-10)
    np.testing.assert_allclose(stats.means, means, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(stats.scatters, scatters, rtol=1e-10, atol=1e-9)


def test_the_sum_of_log_densities_is_weighted():
    x, mixture, weights = case("full", 2, 3)
    total, _ = e_step(Incomplete.of(x), mixture, weights, pointwise=False)
    assert total == pytest.approx(weights @ e_step(Incomplete.of(x), mixture)[0], rel=1e-12)


def test_rows_are_grouped_and_come_back():
    x, _, _ = case("full", 2, 3)
    rows = Incomplete.of(x)
    np.testing.assert_array_equal(rows.to_array(), x)
    assert rows.shape == x.shape and sorted(rows.order) == list(range(len(x)))


def test_results_are_the_same_to_the_last_bit_for_any_number_of_threads():
    x, mixture, weights = case("full", 3, 6, n=30_000)
    results, before = [], set_threads(1)
    try:
        for threads in (1, 2, 3):
            set_threads(threads)
            log_prob, stats = e_step(Incomplete.of(x), mixture, weights)
            results.append((log_prob, stats.counts, stats.means, stats.scatters))
    finally:
        set_threads(before)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_the_likeliest_component_answers_alone():
    x, mixture, _ = case("full", 3, 4)
    _, stats, r = e_step(Incomplete.of(x), mixture, assign="hard", responsibilities=True)
    _, _, soft = e_step(Incomplete.of(x), mixture, responsibilities=True)
    np.testing.assert_array_equal(r, np.eye(3)[soft.argmax(axis=1)])
    np.testing.assert_allclose(stats.counts, r.sum(axis=0))


def test_drawn_assignments_need_complete_rows():
    x, mixture, _ = case("full", 2, 3)
    with pytest.raises(ValueError, match="complete rows"):
        e_step(Incomplete.of(x), mixture, assign="draw", seed=1)


def test_nearly_singular_components_keep_their_digits():
    """Conditioning goes through the factors: a correlation of 1 − 1e-12 loses nothing (closed form for D = 2)."""
    s = np.sqrt(2e-12)
    factor = np.array([[[1.0, 0.0], [1.0, s]]])  # x₂ = x₁ + s ε
    mixture = Mixture.from_scale_trils([1.0], [[0.0, 0.0]], factor)
    _, stats = e_step(Incomplete.of(np.array([[np.nan, 1.5]])), mixture)
    assert stats.means[0, 0] == pytest.approx(1.5 / (1 + s * s), rel=1e-14)
    slopes, roots = regression(factor, np.array([False, True]))
    assert (roots @ roots.mT)[0, 0, 0] == pytest.approx(s * s / (1 + s * s), rel=1e-6)
