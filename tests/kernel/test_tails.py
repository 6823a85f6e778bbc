"""Vectors of rows: numbers of rows and of features that fill none, or not the last."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import logsumexp

from bayesgmm.kernel import Stats, e_step

here = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("mixtures.py"))))
LENGTHS = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33)
# Relative to the largest number that is added up; forward substitution through some features loses a digit or two.
SLACK = {np.float64: 1e-12, np.float32: 1e-4}


@pytest.mark.parametrize("precision", SLACK)
@pytest.mark.parametrize("alias", ["full", "tied", "diag"])
@pytest.mark.parametrize("d", [1, 2, 3, 4, 5, 6, 7, 21, 22])
def test_any_number_of_rows_and_features(d, alias, precision):
    mixture, slack = here.mixture_of(alias, d=d, spread=1.0), SLACK[precision]
    for n in LENGTHS:
        x = here.rows(n, d).astype(precision)
        joint = here.log_joint(x.astype(float), *here.parameters(alias, d=d, spread=1.0))
        log_prob, stats, r = e_step(x, mixture, responsibilities=True)
        np.testing.assert_allclose(log_prob, logsumexp(joint, axis=1), rtol=slack, atol=slack)
        np.testing.assert_allclose(r, np.exp(joint - logsumexp(joint, axis=1)[:, None]), atol=20 * slack)
        brute, size = Stats.of(x.astype(float), r), np.abs(x).max()
        np.testing.assert_allclose(stats.counts, brute.counts, rtol=slack, atol=slack)
        np.testing.assert_allclose(stats.counts[:, None] * stats.means, brute.counts[:, None] * brute.means,
                                   atol=slack * n * size)  # fmt: skip
        found = stats.scatters_about(mixture.means)
        expected = brute.scatters_about(mixture.means)
        if alias == "diag":
            expected = expected * np.eye(d)
            found = found * np.eye(d)
        np.testing.assert_allclose(found, expected, atol=10 * slack * n * size**2)


@pytest.mark.parametrize("alias", ["full", "tied", "diag"])
@pytest.mark.parametrize("d", [2, 5, 26])
def test_what_stands_behind_the_last_row_is_not_read(d, alias):
    mixture, x = here.mixture_of(alias, d=d), here.rows(100, d)
    for n in LENGTHS:
        spoilt = x.copy()
        spoilt[n:] = np.nan
        for found, expected in zip(e_step(spoilt[:n], mixture), e_step(x[:n].copy(), mixture), strict=True):
            if isinstance(found, Stats):
                np.testing.assert_array_equal(found.scatters, expected.scatters)
            else:
                np.testing.assert_array_equal(found, expected)
