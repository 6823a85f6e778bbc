"""Edited stories, sampled: every draw's log density is that of the edited model, by PyMC's own account."""

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from pymc.distributions import transforms
from pytensor.compile.mode import Mode
from pytensor.graph.traversal import ancestors

import bayesgmm as bg
from bayesgmm.models import finite_mixture

pytestmark = pytest.mark.slow
PYTHON = Mode(linker="py", optimizer="fast_compile")


def a_potential(model):
    with model:
        pm.Potential("extra", -30.0 * model["weights"][0] ** 2)


def another_constant(model):
    centre = _centre(model)
    centre.data.setflags(write=True)
    centre.data[...] = 40.0


def a_constant_replaced(model):
    centre = _centre(model)
    for v in ancestors([model["means"]]):
        if v.owner is not None and centre in v.owner.inputs:
            v.owner.inputs[v.owner.inputs.index(centre)] = pt.constant(np.array([30.0, 1.0]))


def another_transform(_):
    model = finite_mixture(bg.load_dataset("faithful").to_numpy(float)[:80], 2, covariance_type="diag")
    model.rvs_to_transforms[model["variances"]] = transforms.Interval(1e-3, 1e3)
    return model


def no_transform(model):
    model.rvs_to_transforms[model["weights"]] = None


def one_more_variable(model):
    with model:
        pm.Normal("more", 2.0, 3.0)


def something_else_observed(model):
    with model:
        pm.Normal("y", model["means"][0, 0], 1.0, observed=np.array([3.0]))


def other_rows(model):
    data = model.rvs_to_values[model["x"]].data
    data.setflags(write=True)
    data += 5.0


def weights_done(model):
    return pm.do(model, {"weights": np.array([0.5, 0.5])})


def weights_observed(model):
    return pm.observe(model, {"weights": np.array([0.4, 0.6])})


def another_deterministic(model):
    with model:
        pm.Deterministic("gap", model["means"][1] - model["means"][0])


def a_second_mixture(model):
    with model:
        bg.MarginalGaussianMixture("z", model["weights"], model["means"], pt.linalg.cholesky(model["covariances"]),
                                   observed=np.zeros((3, 2)))  # fmt: skip


SAMPLED = [a_potential, another_constant, a_constant_replaced, another_transform, one_more_variable,
           something_else_observed, other_rows, weights_done, weights_observed, another_deterministic]  # fmt: skip


def _centre(model):
    found = [v for v in ancestors([model["means"]]) if isinstance(v, pt.TensorConstant) and v.data.shape == (2,)]
    (centre,) = (v for v in found if v.dtype == "float64")
    return centre


def _story():
    return finite_mixture(bg.load_dataset("faithful").to_numpy(float)[:80].copy(), 2)


def _own_log_density(model, posterior):
    """PyMC's log density, Jacobian included, at draws of the free variables (draw, …)."""
    free = list(model.free_RVs)
    values = [model.rvs_to_values[v] for v in free]
    density = pytensor.function(values, model.logp(), mode=PYTHON, on_unused_input="ignore")
    moved = [v if (t := model.rvs_to_transforms[v]) is None else t.forward(v, *v.owner.inputs) for v in free]
    known = {v: model.rvs_to_values[v] for v in model.observed_RVs}
    move = pytensor.function(free, moved, givens=known, mode=PYTHON, on_unused_input="ignore")
    return np.array([density(*move(*(posterior[v.name][i] for v in free))) for i in range(len(posterior["means"]))])


@pytest.mark.parametrize("edit", SAMPLED, ids=lambda e: e.__name__)
def test_an_edited_story_is_sampled_as_edited(edit):
    model = _story()
    model = edit(model) or model
    draws = bg.sample(model, draws=60, tune=150, chains=2, seed=1, progress=False)
    assert draws.attrs["density"] == "traced from the PyMC graph"
    posterior = draws["posterior"].isel(chain=1, draw=slice(0, None, 6)).to_dataset()
    arrays = {name: posterior[name].values for name in posterior}
    order = draws["sample_stats"]["permutation"].isel(chain=1, draw=slice(0, None, 6)).values
    for name, values in arrays.items():  # draws have the labels that matching gave them
        if "component" in posterior[name].dims:
            back = np.argsort(order, axis=1)
            arrays[name] = np.stack([v[b] for v, b in zip(values, back, strict=True)])
    found = draws["sample_stats"]["logp"].isel(chain=1, draw=slice(0, None, 6)).values
    np.testing.assert_allclose(_own_log_density(model, arrays), found, rtol=1e-8)


def test_what_cannot_be_sampled_fails_with_a_sentence():
    model = _story()
    a_second_mixture(model)
    with pytest.raises(ValueError, match="2 observed MarginalGaussianMixture"):
        bg.sample(model, progress=False)
    model = _story()
    no_transform(model)
    with pytest.raises(ValueError, match="weights in the shape"):
        bg.sample(model, draws=20, tune=20, chains=1, progress=False)
    with _story() as model:
        pm.Poisson("count", 3.0)
    with pytest.raises(ValueError, match="count: discrete variables have no gradient"):
        bg.sample(model, progress=False)
    with pm.Model(coords=model.coords) as model:
        factors = np.stack([np.eye(2)] * 2)
        bg.MarginalGaussianMixture("x", [0.5, 0.5], factors[0], factors, observed=np.ones((9, 2)), total_size=90)
    with pytest.raises(ValueError, match="leave out total_size="):
        bg.sample(model, progress=False)
    with _story() as model:
        pm.Potential("nowhere", pt.switch(pt.eq(model["means"][0, 0], 0.0), 0.0, -np.inf))
    with pytest.raises(ValueError, match="no start reached|zero, or not a number, all around"):
        bg.sample(model, draws=20, tune=20, chains=1, progress=False)
