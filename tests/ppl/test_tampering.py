"""Edits of a story that declares its prior: none may be taken for the unedited story."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from pymc.distributions import transforms
from pytensor.compile.mode import Mode
from pytensor.graph.traversal import ancestors

import bayesgmm as bg
from bayesgmm.engines.density import density_of
from bayesgmm.models import finite_mixture
from bayesgmm.ppl.declaration import declaration
from bayesgmm.ppl.observed import observed_mixture
from bayesgmm.ppl.surface import Surface, parameters

PYTHON = Mode(linker="py", optimizer="fast_compile")


@pytest.fixture
def x():
    return bg.load_dataset("faithful").to_numpy(float)[:40].copy()


@pytest.fixture
def model(x):
    return finite_mixture(x, 2)


def own_density(model, point=None):
    point = model.initial_point() if point is None else point
    return float(model.compile_logp(mode=PYTHON)(point))


def declared_density(model):
    """The native density at the model's initial point."""
    point = model.initial_point()
    return density_of(model)(np.concatenate([np.ravel(point[model.rvs_to_values[v].name]) for v in model.free_RVs]))[0]


def surface_density(model):
    """The density of the general way at the model's initial point."""
    surface = Surface(model)
    return surface.log_posterior(surface.start, jacobian=True)[0]


def assert_goes_the_general_way(model, before):
    """Not vouched for, and rightly so. That the general way then takes the edit: tests/engines/test_tampered.py."""
    assert declaration(model) is None and density_of(model) is None
    assert abs(own_density(model) - before) > 1e-6


def test_unedited_it_is_vouched_for_and_stays_so(model):
    native = density_of(model)
    assert native is not None and density_of(model) is not None
    pm.sample_prior_predictive(2, model=model, random_seed=1)  # moves the generators, not the density
    assert declaration(model) is not None


def test_a_potential_is_added(model):
    before = declared_density(model)
    with model:
        pm.Potential("extra", -3.0 * model["weights"][0])
    assert_goes_the_general_way(model, before)


def centre_of_the_means(model):
    """m₀ (D,), the constant in the graph."""
    found = [v for v in ancestors([model["means"]]) if isinstance(v, pt.TensorConstant) and v.data.shape == (2,)]
    (centre,) = (v for v in found if v.dtype == "float64")
    return centre


def test_a_constant_in_the_graph_is_changed_in_place(model):
    before, centre = declared_density(model), centre_of_the_means(model)
    centre.data.setflags(write=True)
    centre.data[...] = 40.0
    assert_goes_the_general_way(model, before)


def test_a_constant_in_the_graph_is_replaced(model):
    before, centre = declared_density(model), centre_of_the_means(model)
    for variable in ancestors([model["means"]]):
        if variable.owner is not None and centre in variable.owner.inputs:
            variable.owner.inputs[variable.owner.inputs.index(centre)] = pt.constant(np.array([30.0, 1.0]))
    assert_goes_the_general_way(model, before)


def test_the_priors_own_array_is_changed_behind_its_back(x):
    prior = bg.scale_prior("conjugate", x, 2)
    model = finite_mixture(x, 2, prior=prior)
    prior.scale[...] = 7 * np.eye(2)
    native = density_of(model)
    u = Surface(model).start
    if native is not None:  # the graph has a copy of its own: then so has the declaration
        assert native(u)[0] == pytest.approx(surface_density(model), rel=1e-10)
    assert surface_density(model) == pytest.approx(own_density(model), rel=1e-10)


def test_a_transform_is_replaced(model):
    model.rvs_to_transforms[model["means"]] = transforms.log
    assert declaration(model) is None


def test_a_transform_is_removed(model):
    model.rvs_to_transforms[model["weights"]] = None
    assert declaration(model) is None


def test_a_variable_is_added(model):
    before = declared_density(model)
    with model:
        pm.Normal("more", 2.0, 3.0)
    assert_goes_the_general_way(model, before)


def test_something_else_is_observed_too(model):
    before = declared_density(model)
    with model:
        pm.Normal("y", model["means"][0, 0], 1.0, observed=np.array([3.0]))
    assert_goes_the_general_way(model, before)


def test_a_second_mixture_is_observed(model, x):
    with model:
        bg.MarginalGaussianMixture("z", model["weights"], model["means"], pt.linalg.cholesky(model["covariances"]),
                                   observed=x)  # fmt: skip
    assert declaration(model) is None
    with pytest.raises(ValueError, match="2 observed MarginalGaussianMixture"):
        observed_mixture(model)


def test_the_observed_rows_are_changed_in_place(model):
    before = declared_density(model)
    data = model.rvs_to_values[model["x"]].data
    data.setflags(write=True)
    data += 5.0
    assert_goes_the_general_way(model, before)


def test_pm_do_gives_a_model_of_its_own(model):
    done = pm.do(model, {"weights": np.array([0.5, 0.5])})
    assert declaration(done) is None and declaration(model) is not None
    assert surface_density(done) == pytest.approx(own_density(done), rel=1e-10)


def test_pm_observe_gives_a_model_of_its_own(model):
    seen = pm.observe(model, {"weights": np.array([0.4, 0.6])})
    assert declaration(seen) is None and declaration(model) is not None
    assert surface_density(seen) == pytest.approx(own_density(seen), rel=1e-10)


@pytest.mark.parametrize("edit", [pm.do, pm.observe])
def test_parameters_that_are_no_free_variables_any_more_can_still_be_told(model, edit):
    edited = edit(model, {"weights": np.array([0.4, 0.6])})
    function, names = parameters(edited)
    free = {"means": np.ones((2, 2)), "covariances": np.stack([np.eye(2), 4 * np.eye(2)])}
    assert sorted(names) == sorted(free)
    weights, means, factors = function(*(free[name] for name in names))
    np.testing.assert_allclose(weights, [0.4, 0.6])
    np.testing.assert_allclose(factors[1], 2 * np.eye(2))


def test_a_deterministic_is_replaced(x):
    model = finite_mixture(x, 2, covariance_type="diag")
    with model:
        pm.Deterministic("spread", model["variances"].sum())
    assert declaration(model) is None
