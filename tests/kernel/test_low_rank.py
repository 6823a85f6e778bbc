"""Covariances of low rank: the pass that never writes them out, against the pass over what they are."""

import numpy as np
import pytest
from mpmath import matrix, mp
from scipy.stats import multivariate_normal

from bayesgmm import Mixture
from bayesgmm.kernel import Incomplete, LowRank, e_step, set_threads, threads

SHAPES = [(1, 1, 1), (2, 3, 1), (3, 7, 2), (2, 10, 5), (4, 31, 9), (2, 64, 12)]


def made(k, d, q, seed=0, length=1.0):
    """A mixture of low rank, and the same with its covariances written out."""
    rng = np.random.default_rng(seed)
    low_rank = LowRank(length * rng.normal(size=(k, d, q)), rng.uniform(0.2, 2.0, (k, d)))
    weights, means = rng.dirichlet(np.full(k, 3.0)), 2 * rng.normal(size=(k, d))
    return Mixture.from_whitening(weights, means, low_rank), Mixture(weights, means, low_rank.covariances)


def rows_for(mixture, n=700, seed=1):
    return mixture.sample(n, seed)[0], np.random.default_rng(seed).uniform(0, 3, n)


@pytest.mark.parametrize("shape", SHAPES)
def test_log_densities_and_statistics_are_those_of_the_dense_mixture(shape):
    low, dense = made(*shape)
    x, weights = rows_for(dense)
    log_prob, stats, r = e_step(x, low, weights, responsibilities=True)
    told, whole, shares = e_step(x, dense, weights, responsibilities=True)
    np.testing.assert_allclose(log_prob, told, rtol=1e-12, atol=1e-10)
    np.testing.assert_allclose(r, shares, atol=1e-12)
    np.testing.assert_allclose(stats.counts, whole.counts, rtol=1e-12)
    np.testing.assert_allclose(stats.means, whole.means, rtol=1e-10, atol=1e-10)
    size = np.diagonal(whole.scatters, axis1=1, axis2=2).max()
    np.testing.assert_allclose(stats.crossed, whole.scatters @ low.whitening.regressions.mT, atol=1e-12 * size)
    np.testing.assert_allclose(stats.spreads, np.diagonal(whole.scatters, axis1=1, axis2=2), atol=1e-12 * size)


def test_log_density_is_scipys():
    low, _ = made(2, 5, 2)
    x = rows_for(low, 50)[0]
    parts = [np.log(w) + multivariate_normal(m, s @ s.T + np.diag(p)).logpdf(x)
             for w, m, s, p in zip(low.weights, low.means, low.whitening.loadings, low.whitening.noise)]  # fmt: skip
    np.testing.assert_allclose(low.log_prob(x), np.logaddexp.reduce(parts), rtol=1e-12)


def test_no_digits_are_lost_where_factors_explain_nearly_all():
    """Loadings 10⁵ noise: of squares subtracted, ten digits would cancel. Rows lie in the span of two factors."""
    low, _ = made(1, 6, 2, length=1e5)
    rng = np.random.default_rng(3)
    factors, noise = rng.normal(size=(40, 2)), rng.normal(size=(40, 6)) * np.sqrt(low.whitening.noise[0])
    x = factors @ low.whitening.loadings[0].T + noise + low.means[0]
    with mp.workdps(40):
        covariance = matrix(low.whitening.loadings[0].tolist())
        covariance = covariance * covariance.T
        for j in range(6):
            covariance[j, j] += mp.mpf(float(low.whitening.noise[0, j]))
        determinant = mp.log(mp.det(covariance))
        for row, found in zip(x, low.log_prob(x)):
            gap = matrix([mp.mpf(float(a)) - mp.mpf(float(b)) for a, b in zip(row, low.means[0])])
            exact = -(6 * mp.log(2 * mp.pi) + determinant + (gap.T * mp.lu_solve(covariance, gap))[0]) / 2
            # In units of the noise rows are 10⁵ long: rounding leaves eps 10⁵ of a residual of one, a few times over.
            assert abs(found - float(exact)) < 1e-8


@pytest.mark.parametrize("assign", ["soft", "hard", "draw"])
def test_any_number_of_threads_gives_the_same_bits(assign):
    low, _ = made(3, 20, 6)
    x = rows_for(low, 20_000)[0]
    before = threads()
    try:
        found = []
        for n in (1, 2, 3):
            set_threads(n)
            found.append(e_step(x, low, assign=assign, seed=4, responsibilities=True))
    finally:
        set_threads(before)
    for other in found[1:]:
        np.testing.assert_array_equal(found[0][0], other[0])
        np.testing.assert_array_equal(found[0][2], other[2])
        for name in ("counts", "means", "crossed", "spreads"):
            np.testing.assert_array_equal(getattr(found[0][1], name), getattr(other[1], name))


def test_rows_of_any_layout_and_precision():
    low, _ = made(3, 9, 2)
    x = rows_for(low, 300)[0]
    wide = np.zeros((600, 18))
    wide[::2, ::2] = x
    for rows in (np.asfortranarray(x), wide[::2, ::2]):
        np.testing.assert_allclose(e_step(rows, low)[0], low.log_prob(x), rtol=1e-13)
    single = x.astype(np.float32)
    np.testing.assert_array_equal(e_step(single, low)[0], low.log_prob(single.astype(float)))


def test_missing_cells_are_summed_out_as_from_the_dense_mixture():
    low, dense = made(2, 4, 1)
    x = rows_for(low, 60)[0]
    x[::3, 1] = np.nan
    rows = Incomplete.of(x)
    np.testing.assert_allclose(e_step(rows, low)[0], e_step(rows, dense)[0], rtol=1e-10)


def test_an_empty_component_says_nothing():
    low, _ = made(2, 5, 2)
    far = Mixture.from_whitening(low.weights, low.means + np.array([[0.0], [1e4]]), low.whitening)
    stats = e_step(rows_for(low, 100)[0], far)[1]
    assert stats.counts[1] == 0 and not stats.crossed[1].any() and not stats.spreads[1].any()
    np.testing.assert_array_equal(stats.means[1], far.means[1])


def test_values_follow_from_loadings_and_noise():
    low = made(3, 8, 3)[0].whitening
    np.testing.assert_allclose(low.scale_trils @ low.scale_trils.mT, low.covariances, atol=1e-12)
    np.testing.assert_allclose(low.log_determinants, np.linalg.slogdet(low.covariances)[1], rtol=1e-12)
    np.testing.assert_allclose(low.regressions, low.loadings.mT @ np.linalg.inv(low.covariances), atol=1e-12)
    known = np.eye(3) - low.regressions @ low.loadings
    np.testing.assert_allclose(low.factor_covariances, known, atol=1e-12)
    order = np.array([2, 0, 1])
    np.testing.assert_array_equal(low.permute(order).covariances, low.covariances[order])


def test_shapes_that_do_not_fit_are_refused():
    low, _ = made(2, 5, 2)
    with pytest.raises(ValueError, match="do not fit"):
        e_step(np.zeros((3, 5)), Mixture.from_whitening(low.weights, low.means, made(2, 4, 2)[0].whitening))
    wide = LowRank(np.ones((2, 5, 6)), np.ones((2, 5)))
    with pytest.raises(ValueError, match="at most one for each feature"):
        e_step(np.zeros((3, 5)), Mixture.from_whitening(low.weights, low.means, wide))
