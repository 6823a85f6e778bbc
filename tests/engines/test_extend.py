"""Groups added afterwards, and ArviZ's functions of them: closed forms for K = 1, PyMC's own draws, Old Faithful."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats
from scipy.special import multigammaln

import bayesgmm as bg
from bayesgmm.draws.invariants import overall_moments
from bayesgmm.draws.mixtures import read
from bayesgmm.models import finite_mixture

stories = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "stories.py")))
X = bg.load_dataset("faithful").iloc[::4]
EVERY = ("log_likelihood", "posterior_predictive", "log_prior", "prior", "prior_predictive")
QUICK = dict(engine="gibbs", draws=400, tune=200, chains=2, seed=1, progress=False)


@pytest.fixture(scope="module")
def model():
    return finite_mixture(X, 2)


@pytest.fixture(scope="module")
def draws(model):
    return bg.sample(model, **QUICK)


@pytest.fixture(scope="module")
def extended(draws, model):
    return bg.extend(draws.drop_nodes(["log_likelihood", "log_prior", "prior"]), model, EVERY, n_prior=300, seed=2)


def test_what_sample_adds_is_added_again(draws, extended):
    for group in ("log_likelihood", "log_prior"):
        for name, values in draws[group].data_vars.items():
            assert extended[group][name].identical(values)


def test_predictions_have_the_moments_of_the_mixture_they_come_from(extended):
    x, features = extended["posterior_predictive"]["x"], list(X.columns)
    assert x.dims == ("chain", "draw", "obs", "feature") and x["feature"].values.tolist() == features
    means, covariances = overall_moments(read(extended))
    rows = x.values.reshape(len(means), -1, 2)
    apart = (rows - means[:, None]).reshape(-1, 2)
    variances = np.diagonal(covariances, axis1=1, axis2=2)
    assert (np.abs(apart.mean(axis=0)) < 4.5 * np.sqrt(variances.mean(axis=0) / len(apart))).all()
    assert np.allclose(apart.T @ apart / len(apart), covariances.mean(axis=0), rtol=0.03)


def test_the_prior_and_its_predictions_agree_with_its_constants(model, extended):
    prior, x = extended["prior"], extended["prior_predictive"]["x"]
    assert dict(prior.sizes) == {"chain": 1, "draw": 300, "component": 2, "feature": 2, "feature_other": 2}
    assert x.shape == (1, 300, len(X), 2)
    assert stats.kstest(prior["weights"].values[0, :, 0], "uniform").pvalue > 1e-3  # Dirichlet(1, 1)
    means = prior["means"].values[0, :, 0]
    centre = extended["constant_data"]["prior_mean"].values
    assert (np.abs(means.mean(axis=0) - centre) < 4.5 * means.std(axis=0) / np.sqrt(300)).all()


def test_seeds_and_what_is_there_already(draws, model, extended):
    again = bg.extend(draws, model, "posterior_predictive", seed=2)
    assert again["posterior_predictive"].identical(extended["posterior_predictive"])
    other = bg.extend(draws, groups="posterior_predictive", seed=3)["posterior_predictive"]
    assert not np.array_equal(other["x"], again["posterior_predictive"]["x"])
    assert bg.extend(again, seed=9)["posterior_predictive"].identical(again["posterior_predictive"])
    assert "posterior_predictive" not in draws.children
    bare = draws.drop_nodes("prior")
    assert bg.extend(bare, model, "prior_predictive", n_prior=5, seed=1)["prior"].sizes["draw"] == 5


def test_errors_say_what_to_do(draws, model):
    for arguments, words in (
        ((draws, model, "predictions"), "no group 'predictions'"),
        ((draws, None, "prior"), "needs the model"),
        ((draws, finite_mixture(X, 3)), "2 components of 2 features, but the model 3 of 2"),
        ((draws.drop_nodes(["observed_data", "log_likelihood"]), None, "log_likelihood"), "needs rows"),
        ((draws.drop_nodes("observed_data"), None, "posterior_predictive"), "give the model"),
    ):
        with pytest.raises(ValueError, match=words):
            bg.extend(*arguments)


def test_every_tool_of_arviz_for_scalar_observations_takes_the_features(extended):
    import arviz as az
    from matplotlib import pyplot as plt

    split = bg.by_feature(extended)
    names = list(X.columns)
    assert list(split["posterior_predictive"].data_vars) == names
    for name in names:
        pit = az.loo_pit(split, var_names=name)[name].values
        assert pit.shape == (len(X),) and stats.kstest(pit, "uniform").pvalue > 0.01
    for draw in (az.plot_loo_pit, az.plot_ppc_pit, az.plot_ppc_interval):
        collection = draw(split, var_names=names, backend="matplotlib")
        assert len(collection.viz["figure"].item().axes) >= 2
        plt.close("all")


def test_loo_prefers_two_components_to_one_and_its_pareto_k_is_low():
    import arviz as az

    rows = bg.load_dataset("faithful")
    fits = {str(k): bg.sample(finite_mixture(rows, k), **QUICK) for k in (1, 2, 3)}
    table = az.compare(fits, round_to="none")
    assert table.index[-1] == "1" and table.loc["1", "elpd_diff"] < -100
    assert abs(table.loc["2", "elpd"] - table.loc["3", "elpd"]) < 10
    loo = az.loo(fits["2"], pointwise=True)
    assert loo.pareto_k.max() < 0.7 and 8 < loo.p < 13  # eleven parameters


@pytest.mark.parametrize("weighted", [False, True], ids=["rows", "case weights"])
def test_loo_of_one_component_is_the_closed_form(weighted):
    import arviz as az

    x = X.to_numpy(float)[:40]
    counts = np.arange(40) % 3 + 1.0 if weighted else np.ones(40)
    how = {"case_weights": counts} if weighted else {}
    draws = bg.sample(finite_mixture(x, 1, **how), **{**QUICK, "draws": 2000})
    found = az.loo(draws, pointwise=True)
    constants = draws["constant_data"]
    prior = [constants[f"prior_{name}"].values for name in ("mean", "shrinkage", "dof", "scale")]
    whole = log_evidence(x, counts, *prior)
    expected = [whole - log_evidence(np.delete(x, n, 0), np.delete(counts, n), *prior) for n in range(40)]
    assert found.pareto_k.max() < 0.7
    assert np.allclose(found.elpd_i.values, expected, atol=0.08)
    assert np.isclose(found.elpd, np.sum(expected), atol=0.3)


def log_evidence(x, counts, mean, shrinkage, dof, scale):
    """log p(x) under a normal distribution with the conjugate prior (Murphy 2007, eq. 266)."""
    n, d = counts.sum(), x.shape[1]
    centre = counts @ x / n
    scatter = (x - centre).T @ ((x - centre) * counts[:, None])
    apart = centre - mean
    after = scale + scatter + shrinkage * n / (shrinkage + n) * np.outer(apart, apart)
    dets = 0.5 * dof * np.linalg.slogdet(scale)[1] - 0.5 * (dof + n) * np.linalg.slogdet(after)[1]
    gammas = multigammaln(0.5 * (dof + n), d) - multigammaln(0.5 * dof, d)
    return float(-0.5 * n * d * np.log(np.pi) + gammas + dets + 0.5 * d * np.log(shrinkage / (shrinkage + n)))


@pytest.mark.slow
def test_a_story_of_ones_own_goes_through_pymc_where_it_has_to():
    import pymc as pm

    model = stories.three_lines_changed(stories.rows(60))
    draws = bg.sample(model, draws=150, tune=150, chains=2, seed=1, progress=False)
    ours = bg.extend(draws, model, "posterior_predictive", seed=1)
    with model:
        pm.Normal("y", model["means"][0, 0], 1.0, observed=0.3)
    theirs = bg.extend(draws, model, ("posterior_predictive", "log_prior", "prior_predictive"), n_prior=100, seed=1)
    assert theirs["posterior_predictive"]["y"].shape == (2, 150)
    assert theirs["prior_predictive"]["x"].shape == (1, 100, 60, 2)
    for j in range(2):  # both draw from the same distribution; every tenth row of a data set, and far apart draws
        a, b = (tree["posterior_predictive"]["x"].values[:, ::5, ::10, j].ravel() for tree in (ours, theirs))
        assert stats.ks_2samp(a, b).pvalue > 1e-3
    covariances = draws["posterior"]["covariances"].values[0, 3]
    expected = [stats.invwishart(6, np.eye(2)).logpdf(c) for c in covariances]
    assert np.allclose(theirs["log_prior"]["covariances"].values[0, 3], expected)
