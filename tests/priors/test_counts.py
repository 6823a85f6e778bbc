"""Distributions of K, of a discount, and Fisher's F, against SciPy's and against what was recorded elsewhere."""

import numpy as np
import pytest
from scipy import stats

from bayesgmm import priors

# A test at a fixed seed fails by chance this rarely.
UNLIKELY = 1e-4
K = np.arange(1, 21)
COUNTS = [
    (priors.Uniform(7), stats.randint(1, 8)),
    (priors.Geometric(0.3), stats.geom(0.3)),
    (priors.Poisson(2.5), stats.poisson(2.5, loc=1)),
    (priors.BetaNegativeBinomial(1, 4, 3), stats.betanbinom(1, 4, 3, loc=1)),
    (priors.BetaNegativeBinomial(3, 2.5, 0.7), stats.betanbinom(3, 2.5, 0.7, loc=1)),
]


@pytest.mark.parametrize(("count", "expected"), COUNTS, ids=lambda v: str(v) if isinstance(v, priors.Count) else "")
def test_counts_have_scipys_probabilities(count, expected):
    np.testing.assert_allclose(np.exp(count.log_prob(K)), expected.pmf(K), rtol=1e-9, atol=1e-300)
    assert np.exp(count.log_prob([0, -2])).tolist() == [0, 0]
    most = count.most(1e-3, 500)
    assert expected.sf(most) <= 1e-3 + 1e-12 and (most == 1 or expected.sf(most - 1) > 1e-3)


@pytest.mark.parametrize(("count", "expected"), COUNTS, ids=lambda v: str(v) if isinstance(v, priors.Count) else "")
def test_counts_are_drawn_from_them(count, expected):
    n = 20_000
    drawn = count.draw(n, np.random.default_rng(3))
    assert drawn.min() >= 1
    often = [k for k in K if n * expected.pmf(k) >= 5]
    observed, p = np.array([(drawn == k).sum() for k in often]), expected.pmf(often)
    if n * (1 - p.sum()) >= 5:  # all others together
        observed, p = np.append(observed, n - observed.sum()), np.append(p, 1 - p.sum())
    if len(p) > 1:
        assert stats.chisquare(observed, observed.sum() * p / p.sum()).pvalue > UNLIKELY / len(COUNTS)
    else:
        assert (drawn == often[0]).all()


def test_bnb_has_the_recorded_probabilities():
    # To eight decimals, as used by Frühwirth-Schnatter, Malsiner-Walli & Grün (2021).
    recorded = [0.57142857, 0.21428571, 0.0952381, 0.04761905, 0.02597403, 0.01515152, 0.00932401, 0.00599401]
    np.testing.assert_allclose(np.exp(priors.BetaNegativeBinomial(1, 4, 3).log_prob(K[:8])), recorded, atol=5e-9)


def test_f_and_beta_are_scipys():
    x = np.array([1e-6, 0.01, 0.4, 1.0, 7.0, 1e4])
    np.testing.assert_allclose(priors.F(6, 3).log_density(x), stats.f(6, 3).logpdf(x), rtol=1e-12)
    u = np.array([1e-9, 0.2, 0.5, 0.99])
    np.testing.assert_allclose(priors.Beta(0.7, 2).log_density(u), stats.beta(0.7, 2).logpdf(u), rtol=1e-12)
    rng = np.random.default_rng(1)
    assert stats.kstest(priors.F(6, 3).draw(5000, rng), stats.f(6, 3).cdf).pvalue > UNLIKELY
    assert stats.kstest(priors.Beta(0.7, 2).draw(5000, rng), stats.beta(0.7, 2).cdf).pvalue > UNLIKELY


@pytest.mark.parametrize(("make", "said"), [
    (lambda: priors.Uniform(2.5), "whole number"), (lambda: priors.Uniform(0), "must be above 0"),
    (lambda: priors.Geometric(1.2), "at most 1"), (lambda: priors.Poisson(-1), "rate of Poisson must be above 0"),
    (lambda: priors.BetaNegativeBinomial(a=0), "a of BetaNegativeBinomial"), (lambda: priors.Beta(0, 1), "a of Beta"),
])  # fmt: skip
def test_constants_out_of_their_range_are_named(make, said):
    with pytest.raises(ValueError, match=said):
        make()
