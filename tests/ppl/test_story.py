"""The story as people read it, its density, and what it declares."""

import numpy as np
import pymc as pm
import pytensor
import pytest
from pytensor.compile.mode import Mode

import bayesgmm as bg
from bayesgmm.models import finite_mixture
from bayesgmm.ppl import declaration
from bayesgmm.ppl.observed import StoryError
from bayesgmm.ppl.surface import Surface

FAMILIES = ["full", "tied", "diag", "spherical"]
PYTHON = Mode(linker="py", optimizer="fast_compile")


@pytest.fixture(scope="module")
def x():
    return bg.load_dataset("faithful").to_numpy(float)[::4]


@pytest.fixture(scope="module", params=FAMILIES)
def surface(request, x):
    model = finite_mixture(x, 2, covariance_type=request.param)
    return model, Surface(model), request.param


def somewhere(surface, x, seed=0):
    """A point that no chain would call unlikely: near the data, not at a mode."""
    from bayesgmm.fit.mode import ascend
    from bayesgmm.fit.starts import start_statistics

    rng = np.random.default_rng(seed)
    u = ascend(surface, next(start_statistics(x, 2, 1, rng)), jacobian=True).point
    return u + 0.1 * rng.normal(size=u.shape)


def test_log_density_and_gradient_equal_the_models_and_central_differences(surface, x):
    model, ours, _ = surface
    u = somewhere(ours, x)
    values = [model.rvs_to_values[v] for v in model.free_RVs]
    outputs, joined = pm.pytensorf.join_nonshared_inputs(model.initial_point(), [model.logp()], values)
    logp = pytensor.function([joined], outputs, mode=PYTHON)
    gradient = pytensor.function([joined], pytensor.grad(outputs[0], joined), mode=PYTHON)(u)
    value, fisher, _ = ours.log_posterior(u, jacobian=True)
    assert value == pytest.approx(float(logp(u)[0]), rel=1e-12)
    np.testing.assert_allclose(fisher, gradient, rtol=1e-10, atol=1e-10 * np.abs(gradient).max())
    steps = 1e-5 * np.maximum(1, np.abs(u))
    ahead = [(logp(u + h * e)[0] - logp(u - h * e)[0]) / (2 * h) for h, e in zip(steps, np.eye(len(u)), strict=True)]
    assert np.abs(fisher - ahead).max() <= 1e-6 * max(1.0, np.abs(fisher).max())


def test_log_posterior_of_a_closed_form_fit_equals_the_models(surface, x):
    model, ours, covariance_type = surface
    known = declaration(model)
    u = somewhere(ours, x, seed=1)
    mixture, family = ours.mixture(u), bg.family(covariance_type)
    expected = ours.log_posterior(u, jacobian=False)[0]
    assert mixture.log_prob(x).sum() + known.prior.log_density(mixture, family) == pytest.approx(expected, rel=1e-12)


def test_story_has_the_contracts_names_and_dims(surface, x):
    model, _, _ = surface
    assert model.named_vars_to_dims["x"] == ("obs", "feature")
    assert {"component", "feature", "feature_other", "obs"} <= set(model.coords)
    assert {"weights", "means", "covariances"} <= set(model.named_vars)
    shapes = {v.name: v.shape.eval() for v in (model["weights"], model["means"], model["covariances"])}
    assert {n: tuple(s) for n, s in shapes.items()} == {"weights": (2,), "means": (2, 2), "covariances": (2, 2, 2)}


def test_story_reads_as_text():
    text = finite_mixture(bg.load_dataset("faithful"), 2).str_repr()
    for line in ("weights ~ Dirichlet", "covariances ~ InverseWishart", "means ~ Mul", "x ~ MarginalGaussianMixture"):
        assert line in text


def test_story_draws_as_a_graph_of_its_plates():
    source = finite_mixture(bg.load_dataset("faithful"), 2).to_graphviz().source
    for words in ("MarginalGaussianMixture", "InverseWishart", "component (2)", "obs (272)", "means -> x"):
        assert words in source


def test_an_edited_story_is_not_taken_at_its_word(x):
    model = finite_mixture(x, 2)
    assert declaration(model) is not None
    with model:
        pm.Potential("extra", model["weights"][0])
    assert declaration(model) is None
    assert declaration(pm.do(finite_mixture(x, 2), {"weights": np.array([0.5, 0.5])})) is None
    assert declaration(pm.Model()) is None


def test_a_model_without_a_mixture_is_refused_with_a_sentence():
    with pm.Model() as model:
        pm.Normal("y", observed=np.zeros(3))
    with pytest.raises(StoryError, match="0 observed MarginalGaussianMixture variables"):
        bg.fit_map(model)


@pytest.mark.slow
def test_prior_and_posterior_predictive_and_pointwise_log_likelihood(x):
    model = finite_mixture(x, 2)
    machine_code = {"compile_kwargs": {"mode": "NUMBA"}}  # as PyMC does it outside of tests
    prior = pm.sample_prior_predictive(50, model=model, random_seed=1, **machine_code)
    assert prior["prior_predictive"]["x"].shape == (1, 50, *x.shape)
    draws = prior.copy()
    draws["posterior"] = prior["prior"]
    with model:
        likelihood = pm.compute_log_likelihood(draws, extend_inferencedata=False, progressbar=False)
    mixture = bg.Mixture(*(prior["prior"][n].values[0, 3] for n in ("weights", "means", "covariances")))
    np.testing.assert_allclose(likelihood["x"].values[0, 3], mixture.log_prob(x), rtol=1e-9)
    predictive = pm.sample_posterior_predictive(draws, model=model, progressbar=False, random_seed=2)
    assert predictive["posterior_predictive"]["x"].shape == (1, 50, *x.shape)
