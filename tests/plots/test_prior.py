import numpy as np
import pytest
from matplotlib.axes import Axes

import bayesgmm as bg
from bayesgmm.models import finite_mixture
from bayesgmm.plots import plot_prior
from bayesgmm.plots.prior import _of, _predictive

FULL = bg.priors.Independent(mean=[1.0, -2.0], mean_covariance=4 * np.eye(2), dof=8.0, scale=[[5.0, 1.0], [1.0, 9.0]])


@pytest.mark.parametrize("name", ["conjugate", "independent", "hierarchical", "lkj"])
def test_draws_every_prior(name, make):
    for k, d in ((1, 1), (2, 2), (3, 5)):
        _, x, _ = make(k, d)
        ax = plot_prior(name, x, n_components=k)
        ax.figure.canvas.draw()
        assert isinstance(ax, Axes) and ax.get_xlabel() == "x0" and f"K = {k}" in ax.get_title()
        low, high = ax.get_xlim()
        assert low < x[:, 0].min() and high > x[:, 0].max(), "all of the data are in the figure"


def test_a_story_has_its_data_its_prior_and_its_family():
    model = finite_mixture(bg.load_dataset("faithful"), 3, prior="lkj", covariance_type="spherical")
    ax = plot_prior(model)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("eruptions", "waiting") and "LKJ" in ax.get_title()
    assert "K = 3" in ax.get_title()
    one = plot_prior(model, features="waiting")
    assert one.get_xlabel() == "waiting" and one.get_ylabel() == "density (per unit of waiting)"


def test_the_bold_line_is_the_prior_predictive_density():
    """Mean and variance: those of μ, and those of μ plus E Σ = Ψ₀ / (ν₀ − D − 1)."""
    found = _predictive(_of(FULL, None, 2), [0, 1], seed=0)
    values, _ = found.sample(50_000, seed=1)
    error = values.std(axis=0) / np.sqrt(2000)  # of so many components
    assert (np.abs(values.mean(axis=0) - FULL.mean) < 4 * error).all()
    expected = 4.0 + np.diag(FULL.scale) / 5.0
    assert (np.abs(values.var(axis=0) / expected - 1) < 4 * np.sqrt(4 / 2000)).all()


def test_a_prior_without_data_is_drawn_if_it_has_its_constants():
    ax = plot_prior(FULL, features=1)
    assert ax.get_xlabel() == "x1"
    with pytest.raises(ValueError, match="give x, too"):
        plot_prior("conjugate")
    with pytest.raises(ValueError, match="features must name one or two"):
        plot_prior(FULL, features=["a"])


def test_a_model_that_declares_nothing_is_sent_to_pymc():
    import pymc as pm

    model = finite_mixture(bg.load_dataset("faithful"), 2)
    with model:
        pm.Potential("extra", 0.0 * model["weights"][0])
    with pytest.raises(ValueError, match="declares no prior"):
        plot_prior(model)


def test_equal_seeds_draw_equal_figures():
    a, b = (plot_prior(FULL, features=0, seed=3).lines[0].get_ydata() for _ in range(2))
    np.testing.assert_array_equal(a, b)
