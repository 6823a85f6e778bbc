"""Predictive checks: each statistic by SciPy, levels in closed form, and what is and is not caught."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

import bayesgmm as bg
from bayesgmm.draws import from_arrays, predictive_check
from bayesgmm.draws.check import _Looker, _with_levels
from bayesgmm.draws.invariants import overall_moments
from bayesgmm.draws.mixtures import read
from bayesgmm.draws.replicate import replicates
from bayesgmm.draws.statistics import of_features, of_levels, of_pairs, valley

synthetic = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("synthetic.py"))))


def one_normal(x, seed=0, n=400):
    """Exact draws from the posterior of one normal distribution under the prior |Σ|^−(D+1)/2."""
    rows, d = x.shape
    scatter = np.cov(x.T, ddof=0).reshape(d, d) * rows
    covariances = stats.invwishart(rows - 1, scatter).rvs(n, random_state=seed).reshape(n, d, d)
    noise = np.random.default_rng(seed).standard_normal((n, d))
    means = x.mean(axis=0) + np.einsum("mij,mj->mi", np.linalg.cholesky(covariances / rows), noise)
    return from_arrays(np.ones((1, n, 1)), means[None, :, None], covariances[None, :, None], x=x)


def p_of(draws, **options):
    table = predictive_check(draws, seed=1, **options).table
    return table.set_index(["statistic", "feature"])["p"]


def test_statistics_are_those_of_scipy():
    x = np.random.default_rng(0).gamma(2.0, size=(3, 40, 2))
    found = of_features(x, ["a", "b"]) | of_pairs(x, ["a", "b"])
    assert np.allclose(found["sd", "b"], x[..., 1].std(axis=1, ddof=1), rtol=1e-12)
    assert np.allclose(found["skewness", "a"], stats.skew(x[..., 0], axis=1), rtol=1e-12)
    assert np.allclose(found["kurtosis", "a"], stats.kurtosis(x[..., 0], axis=1, fisher=False), rtol=1e-12)
    assert np.allclose(found["correlation", "a, b"], [np.corrcoef(part.T)[0, 1] for part in x], rtol=1e-12)
    levels = np.random.default_rng(1).random((2, 30))
    expected = [stats.kstest(u, "uniform").statistic for u in levels]
    assert np.allclose(of_levels(levels)["distance of HDR levels", "all"], expected, rtol=1e-12)


def test_the_valley_is_that_of_a_kernel_density_estimate():
    x = np.concatenate([np.random.default_rng(0).normal(c, 1.0, 60) for c in (0.0, 4.0)])
    width = 0.9 * min(x.std(), stats.iqr(x) / 1.349) * len(x) ** -0.2
    grid = np.linspace(x.min() - 3, x.max() + 3, 2000)
    f = stats.gaussian_kde(x, width / x.std(ddof=1))(grid)
    left, right = np.maximum.accumulate(f), np.maximum.accumulate(f[::-1])[::-1]
    expected = (np.minimum(left, right) - f).max() / f.max()
    assert np.isclose(valley(x[None])[0], expected, atol=0.01) and expected > 0.2


def test_replicated_rows_have_the_moments_of_their_draws():
    mixtures = read(synthetic.posterior(synthetic.truth(3, 2), chains=1, n=5, noise=0.3))
    (x,) = replicates(mixtures, 20_000, np.random.default_rng(0))
    means, covariances = overall_moments(mixtures)
    error = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2) / x.shape[1])
    assert (np.abs(x.mean(axis=1) - means) < 4.5 * error).all()
    assert np.allclose([np.cov(part.T) for part in x], covariances, rtol=0.04, atol=1.0)


def test_levels_of_a_normal_distribution_are_chi_squared_probabilities():
    x = np.random.default_rng(0).standard_normal((300, 2))
    few = read(from_arrays(np.ones((1, 400, 1)), np.zeros((1, 400, 1, 2)), np.tile(np.eye(2), (1, 400, 1, 1, 1)), x=x))
    look = _Looker(few.features, [np.linspace(-4, 4, 9)] * 2, np.arange(300))
    found = _with_levels(look.at([x[None]]), look.at(replicates(few, 300, np.random.default_rng(1))), few)
    # 120 000 replicated rows: the standard error of a level is at most 0.0015.
    assert np.abs(found.observed[0] - stats.chi2(2).cdf((x**2).sum(axis=1))).max() < 0.006


def test_data_from_the_model_are_not_surprising():
    """Of 375 tail probabilities one in a hundred may be below 0.01, so 3.75; sets of them go together."""
    rng, found = np.random.default_rng(3), []
    for seed in range(25):
        found.append(p_of(one_normal(rng.standard_normal((60, 2)) @ [[1.0, 0.8], [0.0, 2.0]], seed, n=200)))
    assert np.size(found) == 375 and (np.array(found) < 0.01).sum() <= 10


def test_a_sampled_mixture_finds_its_own_data_plain():
    x = synthetic.truth(2, 2, apart=4.0).sample(120, seed=5)[0]
    draws = bg.sample(bg.models.finite_mixture(x, 2), engine="gibbs", draws=250, tune=200, seed=1, progress=False)
    found = predictive_check(draws, seed=2)
    assert found.table["p"].min() > 0.01
    again, other = (predictive_check(draws, seed=seed).table for seed in (2, 3))
    assert found.table.equals(again) and not found.table.equals(other)


def test_one_component_for_two_groups_is_caught():
    p = p_of(one_normal(synthetic.truth(2, 2, apart=6.0).sample(100, seed=1)[0]))
    assert p["kurtosis", "x0"] < 0.01 and p["valley", "x0"] < 0.01


def test_heavy_tails_are_caught():
    p = p_of(one_normal(np.random.default_rng(0).standard_t(3, size=(200, 2))))
    assert p["kurtosis"].max() < 0.01 and p["lowest log density", "all"] < 0.01
    assert p["distance of HDR levels", "all"] < 0.01


def test_units_do_not_matter():
    x = np.random.default_rng(1).standard_normal((50, 2))
    draws = one_normal(x, n=100)
    a, b = np.array([1000.0, 0.01]), np.array([5.0, -3.0])
    w, m, c = (draws["posterior"][n].values for n in ("weights", "means", "covariances"))
    scaled = from_arrays(w, m * a + b, c * a[:, None] * a, x=x * a + b)
    assert np.allclose(p_of(draws), p_of(scaled), atol=0.021)  # a rank or two, by rounding


def test_case_weights_count_as_repeated_rows():
    import xarray as xr

    x = np.random.default_rng(1).standard_normal((30, 1))
    counts = np.arange(30) % 3 + 1.0
    draws = one_normal(x, n=50)
    draws["constant_data"] = xr.DataTree(xr.Dataset({"case_weights": ("obs", counts)}))
    repeated = one_normal(x, n=50)
    rows = np.repeat(x, counts.astype(int), axis=0)
    repeated["observed_data"] = xr.DataTree(xr.Dataset({"x": (("obs", "feature"), rows)}))
    assert predictive_check(draws, seed=1).table.equals(predictive_check(repeated, seed=1).table)
    draws["constant_data"]["case_weights"].values[0] = 0.5
    with pytest.raises(ValueError, match="whole numbers"):
        predictive_check(draws)


def test_cells_that_are_missing_at_random_mislead_nobody():
    """The second feature is missing where the first is large, so what is left of it is no sample of it."""
    rng = np.random.default_rng(2)
    first = rng.standard_normal(200)
    full = np.column_stack([first, 0.9 * first + np.sqrt(1 - 0.81) * rng.standard_normal(200)])
    draws, holes = one_normal(full.copy(), n=200), full.copy()
    holes[first > 0.3, 1] = np.nan
    draws["observed_data"]["x"].values[...] = holes
    table = predictive_check(draws, seed=1).table.set_index(["statistic", "feature"])
    assert np.nanstd(holes[:, 1]) < 0.85 * full[:, 1].std()
    assert np.isclose(table.loc[("sd", "x1"), "observed"], full[:, 1].std(), rtol=0.05)
    assert table["p"].min() > 0.01


def test_errors_say_what_is_wrong():
    draws = one_normal(np.random.default_rng(0).standard_normal((20, 1)), n=20)
    with pytest.raises(ValueError, match="ci_prob"):
        predictive_check(draws, ci_prob=1.0)
    with pytest.raises(ValueError, match="hold no rows"):
        predictive_check(draws.drop_nodes("observed_data"))
