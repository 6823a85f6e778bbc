"""The random numbers of compiled code, against SciPy's distributions."""

import numpy as np
import pytest
from numba import njit
from scipy import stats

from bayesgmm.engines.sweeps import variates

pytestmark = pytest.mark.slow  # numba compiles them for this process
N = 20_000
# A test at a fixed seed that holds with this probability if the numbers are right.
UNLIKELY = 1e-4
KEY = np.array([11, 2**63 + 5], dtype=np.uint64)
SHAPES = (0.01, 0.3, 0.5, 1.0, 1.5, 4.0, 60.0, 1e4)


@njit
def uniforms(key, number, n):
    stream, out = np.zeros(3, dtype=np.uint64), np.empty(n)
    variates.begin(stream, key, number)
    for i in range(n):
        out[i] = variates.uniform(stream)
    return out


@njit
def normals(key, n):
    stream, out = np.zeros(3, dtype=np.uint64), np.empty(n)
    variates.begin(stream, key, 0)
    for i in range(n):
        out[i] = variates.normal(stream)
    return out


@njit
def log_gammas(shape, key, n):
    stream, out = np.zeros(3, dtype=np.uint64), np.empty(n)
    variates.begin(stream, key, 0)
    for i in range(n):
        out[i] = variates.log_gamma(shape, stream)
    return out


@njit
def log_dirichlets(alpha, key, n):
    stream, out = np.zeros(3, dtype=np.uint64), np.empty((n, alpha.shape[0]))
    variates.begin(stream, key, 0)
    for i in range(n):
        out[i] = alpha
        variates.log_dirichlet(out[i], stream)
    return out


@njit
def bartletts(dof, d, turned, key, n):
    stream, out = np.zeros(3, dtype=np.uint64), np.empty((n, d, d))
    variates.begin(stream, key, 0)
    for i in range(n):
        variates.bartlett(dof, out[i], turned, stream)
    return out


@njit
def orders(k, key, n):
    stream, out = np.zeros(3, dtype=np.uint64), np.empty((n, k), dtype=np.int64)
    variates.begin(stream, key, 0)
    for i in range(n):
        variates.shuffle(out[i], stream)
    return out


def assert_distributed(values, distribution, comparisons=1):
    assert stats.kstest(values, distribution.cdf).pvalue > UNLIKELY / comparisons


@pytest.mark.parametrize("number", [0, 1, 2**40])
def test_uniforms(number):
    u = uniforms(KEY, number, N)
    assert u.min() >= 0 and u.max() < 1
    assert_distributed(u, stats.uniform(), 6)
    # Neighbours are independent: their pairs fill a table of 10 × 10 alike.
    pairs = np.histogram2d(u[:-1], u[1:], bins=10, range=[[0, 1]] * 2)[0]
    assert stats.chisquare(pairs.ravel()).pvalue > UNLIKELY / 6


def test_streams_of_neighbouring_numbers_and_keys_have_nothing_in_common():
    first = uniforms(KEY, 5, N)
    for other in (uniforms(KEY, 6, N), uniforms(KEY + np.uint64(1), 5, N)):
        assert abs(np.corrcoef(first, other)[0, 1]) < stats.norm.isf(UNLIKELY / 4) / np.sqrt(N)
        assert not np.isin(other, first).any()


def test_normals():
    x = normals(KEY, N)
    assert_distributed(x, stats.norm(), 2)
    # Squares too, which tell the tails apart.
    assert_distributed(x**2, stats.chi2(1), 2)


@pytest.mark.parametrize("shape", SHAPES)
def test_gammas(shape):
    # Where the shape is small variates underflow, so it is their logarithms that are compared.
    assert_distributed(log_gammas(shape, KEY, N), stats.loggamma(shape), len(SHAPES))


def test_weights_are_dirichlet():
    alpha = np.array([0.2, 3.0, 10.0])
    logs = log_dirichlets(alpha, KEY, N)
    np.testing.assert_allclose(logs.sum(axis=1), 0, atol=1e-9)
    w = np.exp(logs - np.logaddexp.reduce(logs, axis=1)[:, None])
    for k in range(3):
        assert_distributed(w[:, k], stats.beta(alpha[k], alpha.sum() - alpha[k]), 4)
    assert_distributed(w[:, 0] / (w[:, 0] + w[:, 1]), stats.beta(alpha[0], alpha[1]), 4)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(("dof", "d"), [(0.3, 1), (2.2, 3), (9.0, 3)])
def test_bartletts_factor_is_that_of_a_wishart(dof, d, turned):
    a = bartletts(dof, d, turned, KEY, N)
    assert (np.triu(a, 1) == 0).all()
    if d == 1:  # where the variate itself may underflow
        assert_distributed(2 * np.log(a[:, 0, 0]) - np.log(2), stats.loggamma(dof / 2), 24)
        return
    whole, inverse = (a.mT @ a if turned else a @ a.mT), np.linalg.inv(a)
    # vᵀ W v / vᵀv ~ χ²(ν) for any v; on the diagonal of W⁻¹ stand 1/χ²(ν − D + 1).
    for v in np.random.default_rng(0).normal(size=(3, d)):
        assert_distributed(np.einsum("nij,i,j->n", whole, v, v) / (v @ v), stats.chi2(dof), 24)
    for j in range(d):
        other = inverse[:, j] if turned else inverse[:, :, j]
        assert_distributed(1 / (other**2).sum(axis=1), stats.chi2(dof - d + 1), 24)


def test_every_order_is_as_likely():
    found = np.unique(orders(4, KEY, N), axis=0, return_counts=True)
    assert found[0].shape == (24, 4) and (np.sort(found[0], axis=1) == np.arange(4)).all()
    assert stats.chisquare(found[1]).pvalue > UNLIKELY
