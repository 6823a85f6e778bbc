"""Native log densities against the PyMC models that they stand in for."""

import numpy as np
import pytest
from pytensor.compile.mode import Mode

import bayesgmm as bg
from bayesgmm.engines.density import density_of
from bayesgmm.models import finite_mixture
from bayesgmm.ppl.surface import Surface

PYTHON = Mode(linker="py", optimizer="fast_compile")
FAMILIES = ("full", "tied", "diag", "spherical")
# D and K from 1 to 6, each of them in some family.
SHAPES = {
    "full": [(1, 1), (6, 2), (3, 6)],
    "tied": [(1, 4), (5, 3)],
    "diag": [(2, 1), (4, 5)],
    "spherical": [(1, 1), (3, 6)],
}
CASES = [(alias, k, d) for alias in FAMILIES for k, d in SHAPES[alias]]


def story(alias, k, d, *, weighted, missing, concentration=1.0):
    rng = np.random.default_rng(k + 10 * d)
    x = rng.normal(size=(60, d)) * rng.uniform(0.5, 20, size=d) + rng.normal(size=d) * 10
    if missing:
        x[rng.random(x.shape) < 0.25] = np.nan
    weights = rng.integers(1, 4, size=60) + 0.5 if weighted else None
    prior = bg.Conjugate(concentration=concentration)
    return finite_mixture(
        x, k, covariance_type=alias, prior=prior, case_weights=weights, missing="marginalise" if missing else "raise"
    )


def assert_equal(model, seed, points=3):
    """Value, with no constant between them, and gradient."""
    native, graph, rng = density_of(model), Surface(model), np.random.default_rng(seed)
    assert native.size == len(graph.start)
    for _ in range(points):
        u = graph.start + rng.normal(size=native.size) * 0.5
        value, gradient = native(u)
        expected, slope, _ = graph.log_posterior(u, jacobian=True)
        assert abs(value - expected) <= 1e-10 * max(1.0, abs(expected))
        assert np.abs(gradient - slope).max(initial=0) <= 1e-10 * max(1.0, np.abs(slope).max(initial=0))


@pytest.mark.parametrize(("alias", "k", "d"), CASES)
def test_value_and_gradient_are_the_models(alias, k, d):
    assert_equal(story(alias, k, d, weighted=False, missing=False, concentration=1.0), seed=1)


@pytest.mark.parametrize("alias", FAMILIES)
def test_with_case_weights_and_missing_cells_too(alias):
    assert_equal(story(alias, 3, 3, weighted=True, missing=True, concentration=0.7), seed=2)


@pytest.mark.parametrize("alias", FAMILIES)
def test_the_models_own_compiled_density_agrees(alias):
    """`Surface` has our E-step inside; PyMC's own logp of the same model is one step further from us."""
    model = story(alias, 2, 2, weighted=True, missing=True)
    native, point = density_of(model), model.initial_point()
    u = np.concatenate([np.ravel(point[model.rvs_to_values[v].name]) for v in model.free_RVs])
    assert native(u)[0] == pytest.approx(float(model.compile_logp(mode=PYTHON)(point)), rel=1e-10)


@pytest.mark.parametrize("alias", FAMILIES)
def test_points_go_to_mixtures_and_back(alias):
    model = story(alias, 3, 2, weighted=False, missing=False)
    native, rng = density_of(model), np.random.default_rng(0)
    u = rng.normal(size=(5, native.size))
    found = native.variables(u)
    for i in range(5):
        mixture = bg.Mixture(found["weights"][i], found["means"][i], found["covariances"][i])
        np.testing.assert_allclose(native.place(mixture), u[i], rtol=1e-7, atol=1e-7)
        free = Surface(model).free_variables(u[i])
        for name, value in free.items():
            np.testing.assert_allclose(found[name][i], value, rtol=1e-9)


def test_a_point_that_overflows_has_no_density():
    native = density_of(story("full", 2, 2, weighted=False, missing=False))
    value, gradient = native(np.full(native.size, 1e4))
    assert value == -np.inf and not gradient.any()
