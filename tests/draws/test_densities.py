"""Predictive densities, quantiles and regions of highest density, against SciPy, quadrature and simulation."""

import numpy as np
import pytest
from scipy import stats

import bayesgmm as bg
from bayesgmm.calibration import simulate
from bayesgmm.draws import from_arrays
from bayesgmm.draws.densities import predictive_density, predictive_quantile
from bayesgmm.draws.mixtures import read
from bayesgmm.draws.regions import density_levels, highest_density
from bayesgmm.priors import Conjugate
from benchmarks.calibration import sweeps

FEATURES = ["a", "b"]


def some_draws(seed=0, n_draws=40, d=2, k=3):
    """A posterior of a kind: mixtures scattered around one."""
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.full(k, 20.0), size=(2, n_draws))
    means = 3.0 * rng.normal(size=(k, d)) + 0.3 * rng.normal(size=(2, n_draws, k, d))
    factors = rng.normal(size=(2, n_draws, k, d, d)) * 0.3 + np.eye(d)
    return from_arrays(weights, means, factors @ factors.swapaxes(-1, -2), features=FEATURES[:d])


def by_scipy(draws, rows):
    """p (M, N) of each draw."""
    m = read(draws)
    return np.array([
        sum(w * stats.multivariate_normal(mu, c).pdf(rows) for w, mu, c in zip(*one))
        for one in zip(m.weights, m.means, m.covariances)
    ])  # fmt: skip


def test_a_density_is_the_average_of_the_draws_and_its_band_their_quantiles():
    draws, rows = some_draws(), np.random.default_rng(1).normal(size=(7, 2)) * 3
    each = by_scipy(draws, rows)
    for kind, centre, values in (("density", each.mean(axis=0), each),
                                 ("log_density", np.log(each.mean(axis=0)), np.log(each))):  # fmt: skip
        found = predictive_density(draws, rows, kind=kind, ci_prob=0.8)
        np.testing.assert_allclose(found[kind], centre, rtol=1e-10)
        np.testing.assert_allclose([found["lower"], found["upper"]], np.quantile(values, [0.1, 0.9], axis=0), rtol=1e-9)


def test_densities_integrate_to_one():
    draws = some_draws()
    axis = np.linspace(-25, 25, 401)
    plane = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    cell = axis[1] - axis[0]
    fine = np.linspace(-25, 25, 2001)
    m = bg.Mixture(*(v[0] for v in (read(draws).weights, read(draws).means, read(draws).covariances)), features="ab")
    for subject in (draws, m):
        assert float(predictive_density(subject, plane)["density"].sum()) * cell**2 == pytest.approx(1, abs=1e-6)
        for options in ({"features": "a"}, {"features": 1}, {"given": {"a": 0.5}}, {"given": {1: -2.0}}):
            line = predictive_density(subject, fine, **options)["density"]
            assert float(np.trapezoid(line, fine)) == pytest.approx(1, abs=1e-6)


def test_a_conditional_is_the_joint_over_the_marginal():
    draws, b = some_draws(), 1.3
    axis = np.linspace(-4, 4, 9)
    joint = predictive_density(draws, np.column_stack([axis, np.full(9, b)]))["density"]
    marginal = predictive_density(draws, [b], features="b")["density"]
    found = predictive_density(draws, axis, given={"b": b})
    np.testing.assert_allclose(found["density"], joint / marginal.item(), rtol=1e-9)
    each = by_scipy(draws, np.column_stack([axis, np.full(9, b)]))
    m = read(draws)
    each /= np.array([sum(w * stats.norm(mu[1], np.sqrt(c[1, 1])).pdf(b) for w, mu, c in zip(*one))
                      for one in zip(m.weights, m.means, m.covariances)])[:, None]  # fmt: skip
    np.testing.assert_allclose(found["upper"], np.quantile(each, 0.975, axis=0), rtol=1e-8)


def test_quantiles_invert_the_distribution_function():
    draws = some_draws(d=1)
    q = np.array([0.01, 0.3, 0.5, 0.99])
    found = predictive_quantile(draws, q)
    np.testing.assert_allclose(predictive_density(draws, found["value"].values, kind="cdf")["cdf"], q, rtol=1e-12)
    each = [read(draws).mixture(i).quantile(q) for i in range(len(read(draws)))]
    np.testing.assert_allclose(found["lower"], np.quantile(each, 0.025, axis=0), rtol=1e-10)
    one = predictive_quantile(read(draws).mixture(3), q)
    assert list(one) == ["value"]
    np.testing.assert_allclose(one["value"], each[3], rtol=1e-12)


def test_regions_of_one_feature_hold_what_they_say_and_end_at_one_height():
    draws = some_draws(d=1)
    for level, pieces in highest_density(draws, (0.5, 0.95)).groupby("prob"):
        mass = predictive_density(draws, pieces[["lower", "upper"]].to_numpy().ravel(), kind="cdf")["cdf"].values
        assert np.diff(mass.reshape(-1, 2)).sum() == pytest.approx(level, abs=1e-3)
        heights = predictive_density(draws, pieces[["lower", "upper"]].to_numpy().ravel(), kind="log_density")
        np.testing.assert_allclose(heights["log_density"], pieces["log_density"].iloc[0], atol=2e-3)


def test_regions_of_a_gaussian_are_its_ellipses():
    rng = np.random.default_rng(4)
    factor = np.array([[2.0, 0, 0], [0.5, 1, 0], [-1, 0.3, 0.7]])
    gaussian = bg.Mixture([1.0], [[1.0, 2.0, 3.0]], [factor @ factor.T])
    rows = gaussian.sample(200, seed=5)[0]
    radius = ((np.linalg.solve(factor, (rows - [1, 2, 3]).T)) ** 2).sum(axis=0)
    levels = density_levels(gaussian, rows, seed=rng.integers(100))
    # Of the largest of 200 differences of an ECDF of 10 000: Kolmogorov's law, one in 10 000.
    assert np.abs(levels - stats.chi2(3).cdf(radius)).max() < 2.23 / np.sqrt(10_000)
    threshold = highest_density(gaussian, 0.9)["log_density"].item()
    expected = -0.5 * (3 * np.log(2 * np.pi) + stats.chi2(3).ppf(0.9)) - np.log(np.diag(factor)).sum()
    inside = stats.chi2(3).cdf(stats.chi2(3).ppf(0.9) - 2 * (threshold - expected))
    assert inside == pytest.approx(0.9, abs=3.9 * np.sqrt(0.09 / 10_000))


@pytest.mark.slow
def test_bands_cover_the_true_density_at_their_rate():
    """Parameters from the prior, rows from them, the posterior of the rows: a band of 80 % covers in 80 % of cases."""
    prior, n = Conjugate([0.0, 0.0], 1.0, 5.0, [[3.0, 0.5], [0.5, 2.0]]), 150
    data, sampler = simulate(prior, 30, 2, replications=n, seed=6), sweeps(prior, "full")
    anchors, covered = np.array([[0.0, 0.0], [1.5, -1.0]]), np.zeros((n, 2))
    for r in range(n):
        found = predictive_density(sampler(data.x[r], r), anchors, ci_prob=0.8)
        truth = bg.Mixture(data.weights[r], data.means[r], data.covariances[r]).prob(anchors)
        covered[r] = (found["lower"].values <= truth) & (truth <= found["upper"].values)
    for hits in covered.sum(axis=0):
        assert stats.binomtest(int(hits), n, 0.8).pvalue > 1e-4


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"kind": "pdf"}, "kind 'pdf' is not known"),
        ({"kind": "cdf"}, "for one feature; name one of"),
        ({"ci_prob": 1.0}, "ci_prob must be strictly between"),
        ({"features": "c"}, "there is no feature 'c'"),
        ({"features": ["a", "a"]}, "each once"),
        ({"given": {"a": 1.0, "b": 2.0}}, "leave one"),
        ({"given": {"a": 1.0}, "features": "a"}, "there is no feature 'a'"),
    ],
)
def test_what_cannot_be_asked_is_said(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        predictive_density(some_draws(), **options)


def test_only_what_has_a_density_is_taken():
    with pytest.raises(ValueError, match="has a density, not a int"):
        predictive_density(3)
    with pytest.raises(ValueError, match="quantiles are of one feature"):
        predictive_quantile(some_draws(), 0.5)
    with pytest.raises(ValueError, match="q must be strictly between"):
        predictive_quantile(some_draws(d=1), 1.0)
    wide = bg.Mixture([1.0], np.zeros((1, 3)), [np.eye(3)])
    with pytest.raises(ValueError, match="a grid is for one or two features"):
        predictive_density(wide)
