"""Stories of one's own, sampled: without a compiler where a tape can hold them, and what the draws carry."""

import importlib.util
from pathlib import Path

import arviz as az
import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from scipy.stats import norm

import bayesgmm as bg
from bayesgmm.draws.invariants import quantities
from bayesgmm.draws.mixtures import read
from bayesgmm.models import finite_mixture

pytestmark = pytest.mark.slow
_spec = importlib.util.spec_from_file_location("stories", Path(__file__).parents[1] / "stories.py")
stories = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(stories)
TRACED = "traced from the PyMC graph"


@pytest.mark.parametrize("story", stories.ALL, ids=lambda s: s.__name__)
def test_every_story_is_sampled_without_a_compiler(story, monkeypatch):
    import nutpie

    monkeypatch.setattr(nutpie, "compile_pymc_model", None)
    model = story(stories.rows())
    draws = bg.sample(model, draws=300, tune=400, seed=1, progress=False)
    assert draws.attrs["density"] == TRACED and not draws["sample_stats"]["diverging"].any()
    posterior = draws["posterior"]
    assert {v.name for v in (*model.free_RVs, *model.deterministics)} <= set(posterior)
    assert posterior["weights"].dims == ("chain", "draw", "component")
    assert posterior["covariances"].dims == ("chain", "draw", "component", "feature", "feature_other")
    np.testing.assert_allclose(posterior["weights"].sum("component"), 1.0)
    found = quantities(draws, read(draws)).values()
    assert max(float(az.rhat(v.reshape(4, -1), method="rank")) for v in found) < 1.03


def test_the_general_way_and_the_native_density_have_one_posterior():
    x = bg.load_dataset("faithful")
    declared, edited = finite_mixture(x, 2), finite_mixture(x, 2)
    with edited:
        pm.Potential("nothing", 0.0 * edited["weights"][0])
    one, other = (bg.sample(model, seed=3, progress=False) for model in (declared, edited))
    assert (one.attrs["density"], other.attrs["density"]) == ("native", TRACED)
    a, b = quantities(one, read(one)), quantities(other, read(other))
    z = norm.ppf(1 - 1e-4 / (2 * len(a)))
    for name in a:
        chains = [v[name].reshape(4, -1) for v in (a, b)]
        error = np.hypot(*(float(az.mcse(c)) for c in chains))
        assert abs(chains[0].mean() - chains[1].mean()) < z * error, name


def test_draws_serve_pymc_with_the_model():
    model = stories.three_lines_changed(stories.rows())
    draws = bg.sample(model, draws=50, tune=200, chains=2, seed=1, progress=False)
    with model:
        predicted = pm.sample_posterior_predictive(draws, random_seed=1, progressbar=False)
        scored = pm.compute_log_likelihood(draws, extend_inferencedata=False, progressbar=False)
    assert predicted["posterior_predictive"]["x"].shape == (2, 50, 120, 2)
    np.testing.assert_allclose(scored["x"], draws["log_likelihood"]["x"], rtol=1e-8)


def test_other_data_give_another_posterior():
    model, other = stories.of_pm_data(stories.rows()), stories.rows(90, seed=4) + 3.0
    bg.sample(model, draws=50, tune=100, chains=2, seed=1, progress=False)
    with model:
        pm.set_data({"rows": other}, coords={"obs": range(90)})
    again = bg.sample(model, seed=1, progress=False)
    fresh = bg.sample(stories.of_pm_data(other), seed=2, progress=False)
    assert again["observed_data"]["x"].shape == (90, 2)
    a, b = ({k: v.reshape(4, -1) for k, v in quantities(d, read(d)).items()} for d in (again, fresh))
    z = norm.ppf(1 - 1e-4 / (2 * len(a)))
    for name in a:
        error = np.hypot(float(az.mcse(a[name])), float(az.mcse(b[name])))
        assert abs(a[name].mean() - b[name].mean()) < z * error, name


def test_what_a_tape_cannot_hold_is_compiled():
    x = stories.rows(60)[:, :1]
    with pm.Model(coords=bg.coords(bg.as_table(x, fitting=True), 2)) as model:
        theta = pm.Beta("theta", 5, 5)
        mu = pm.Normal("mu", 0, 4, shape=2)
        pm.Potential("gap", -0.1 * pt.sort(mu)[0] ** 2)  # there is no instruction that sorts
        factors = np.ones((2, 1, 1))
        bg.MarginalGaussianMixture("x", pt.stack([theta, 1 - theta]), mu[:, None], factors, observed=x,
                                   dims=("obs", "feature"))  # fmt: skip
    draws = bg.sample(model, draws=200, tune=300, chains=2, seed=1, progress=False)
    assert draws.attrs["density"] == "compiled from the PyMC graph"
    posterior = draws["posterior"]
    assert {"theta", "mu", "weights", "means", "covariances"} <= set(posterior)
    np.testing.assert_allclose(posterior["covariances"], 1.0)
    assert np.sort(posterior["means"].mean(("chain", "draw")).values.ravel()) == pytest.approx([0.0, 5.0], abs=1.0)
