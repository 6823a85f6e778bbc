"""The moments of all rows, without a copy; and a fit whose memory does not grow with the rows."""

import tracemalloc

import numpy as np
import pytest

import bayesgmm as bg
from bayesgmm.fit.moments import moments


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weighted", [False, True])
def test_moments_are_numpys(dtype, weighted):
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(5000, 3)) * [1e-3, 1.0, 1e4] + [1.0, -50.0, 3e5]).astype(dtype)
    counts = rng.integers(0, 4, size=len(x)) if weighted else np.ones(len(x), dtype=int)
    found = moments(x, counts.astype(float) if weighted else None)
    repeated = np.repeat(x.astype(float), counts, axis=0)
    assert found.total == pytest.approx(len(repeated), rel=1e-14)
    np.testing.assert_allclose(found.means[0], repeated.mean(axis=0), rtol=1e-12)
    sds = repeated.std(axis=0)
    relative = (found.scatters[0] / len(repeated) - np.cov(repeated.T, ddof=0)) / np.outer(sds, sds)
    assert np.abs(relative).max() < 1e-11


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_fit_needs_no_memory_of_the_size_of_the_data(dtype):
    def peak(n):
        rng = np.random.default_rng(0)
        x = np.repeat(rng.normal(size=(n // 50, 2)), 50, axis=0) + 5 * rng.integers(2, size=(n, 1))
        x = x.astype(dtype)
        tracemalloc.start()
        try:
            bg.fit_mle(x, 2, starts=1, seed=0, progress=False)
            return tracemalloc.get_traced_memory()[1], x.nbytes
        finally:
            tracemalloc.stop()

    # Both are above the number of rows that is held at once: what is left grows with N.
    (small, little), (large, much) = peak(1_200_000), peak(2_400_000)
    assert large - small < 0.1 * (much - little)
