"""The density of stories that declare nothing, traced from their graphs, against PyMC's own."""

import importlib.util
from pathlib import Path

import numpy as np
import pymc as pm
import pytensor
import pytest
from pytensor.compile.mode import Mode

from bayesgmm.ppl.surface import Surface

PYTHON = Mode(linker="py", optimizer="fast_compile")
_spec = importlib.util.spec_from_file_location("stories", Path(__file__).parents[1] / "stories.py")
stories = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(stories)


def own(model, jacobian=True):
    """PyMC's log density and its gradient, as a function of u, by PyTensor's Python code."""
    values, point = [model.rvs_to_values[v] for v in model.free_RVs], Surface(model)
    shaped = model.initial_point()
    outputs, u = pm.pytensorf.join_nonshared_inputs(shaped, [model.logp(jacobian=jacobian)], values)
    return pytensor.function([u], [outputs[0], pytensor.grad(outputs[0], u)], mode=PYTHON), point.start


def assert_equal(model, *, jacobian=True, points=4):
    density, (function, start) = Surface(model).density(jacobian=jacobian), own(model, jacobian)
    rng = np.random.default_rng(0)
    for _ in range(points):
        u = start + rng.normal(size=start.shape) * 0.5
        (value, gradient), (wanted, slope) = density(u), function(u)
        assert np.isfinite(wanted) and abs(value - wanted) <= 1e-10 * max(1.0, abs(wanted))
        assert np.abs(gradient - slope).max() <= 1e-9 * max(1.0, np.abs(slope).max())


@pytest.mark.parametrize("story", stories.ALL, ids=lambda s: s.__name__)
def test_value_and_gradient_are_pymcs(story):
    assert_equal(story(stories.rows()))


def test_without_jacobian_too():
    assert_equal(stories.hierarchical(stories.rows()), jacobian=False)


def test_with_case_weights_and_missing_cells():
    x, rng = stories.rows(), np.random.default_rng(1)
    weights = rng.integers(1, 4, size=len(x)) + 0.5
    whole = stories.three_lines_changed(x, case_weights=weights)
    assert_equal(whole)
    x[rng.random(x.shape) < 0.2] = np.nan
    with pm.Model(coords={"component": range(2), "feature": ["a", "b"], "obs": range(len(x))}) as model:
        part = pm.Dirichlet("weights", np.full(2, 2.0), dims="component")
        means = pm.Normal("means", 1.0, 5.0, dims=("component", "feature"))
        sd = pm.Gamma("sd", 2.0, 1.0, dims="component")
        stories._observe(part, means, sd[:, None, None] * np.eye(2), x, missing="marginalise", case_weights=weights)
    assert_equal(model)


def test_other_data_need_no_other_graph():
    model, other = stories.of_pm_data(stories.rows()), stories.rows(80, seed=3)
    first = Surface(model)
    with model:
        pm.set_data({"rows": other}, coords={"obs": range(80)})
    second = Surface(model)
    assert second._graphs is first._graphs and second.rows.shape == (80, 2)
    u = second.start + 0.1
    fresh = stories.of_pm_data(other)
    assert second.density()(u)[0] == pytest.approx(own(fresh)[0](u)[0], rel=1e-10)
    assert second.log_posterior(u, jacobian=True)[0] == pytest.approx(second.density()(u)[0], rel=1e-10)


def test_a_changed_story_needs_another():
    model = stories.three_lines_changed(stories.rows())
    first = Surface(model)
    with model:
        pm.Potential("more", model["weights"][0] ** 2)
    second = Surface(model)
    assert second._graphs is not first._graphs
    assert_equal(model)


def test_variables_carry_pymcs_names_and_values():
    model = stories.hierarchical(stories.rows())
    surface = Surface(model)
    u = surface.start + np.random.default_rng(2).normal(size=(2, 3, len(surface.start))) * 0.3
    found = surface.variables(u)
    names = ["weights", "tau", "sd", "means", "covariances"]
    outputs = model.replace_rvs_by_values([model[n] for n in names])
    outputs, joined = pm.pytensorf.join_nonshared_inputs(
        model.initial_point(), outputs, [model.rvs_to_values[v] for v in model.free_RVs]
    )
    function = pytensor.function([joined], outputs, mode=PYTHON)
    for i, j in np.ndindex(2, 3):
        for name, wanted in zip(names, function(u[i, j]), strict=True):
            np.testing.assert_allclose(found[name][i, j], wanted, rtol=1e-12)
