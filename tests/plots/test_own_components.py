"""Figures of draws whose components are a story's own."""

import numpy as np
import pytest
from matplotlib import pyplot as plt

import bayesgmm as bg
from tests.own.draws import by_rows, gaussian_draws


@pytest.fixture(scope="module")
def draws():
    return by_rows(bg.relabel(gaussian_draws()))


def test_a_forest_has_a_panel_for_each_number_of_a_component(draws):
    axes = bg.plot_forest(draws)
    assert [ax.get_xlabel() for ax in axes] == ["weight", "mean of x0", "mean of x1", "volumes"]
    medians = next(c for c in axes[3].collections if c.get_gid() == "posterior").get_offsets()[:, 0]
    np.testing.assert_allclose(medians, draws["posterior"]["volumes"].median(("chain", "draw")), rtol=1e-9)
    plt.close(axes[0].figure)


def test_memberships_are_those_of_the_rows(draws):
    ax, found = bg.plot_membership(draws, component=1), bg.membership(draws).isel(component=1)
    shown = ((found["upper"] >= 0.005) & (found["lower"] <= 0.995)).values
    drawn = next(line for line in ax.lines if line.get_marker() == "o").get_ydata()
    wanted = found["probability"].values[shown if shown.any() else slice(None)]
    np.testing.assert_allclose(drawn, np.sort(wanted))
    plt.close(ax.figure)
    with pytest.raises(ValueError, match="scatter=True shows the points of Gaussians"):
        bg.plot_membership(draws, scatter=True)


@pytest.mark.parametrize("plot", [bg.plot_trace, bg.plot_ranks, bg.plot_ess], ids=lambda f: f.__name__)
def test_how_chains_ran_shows_every_variable(draws, plot):
    figure = plot(draws).viz["figure"].item()
    titles = [ax.get_title() for ax in figure.axes]
    assert len(titles) == 12 and "volumes, component 2" in titles and "mean of x0, component 1" in titles
    plt.close(figure)


@pytest.mark.mpl_image_compare(style="default", savefig_kwargs={"dpi": 45, "metadata": {"Software": None}})
def test_forest_of_own_components(draws):
    return bg.plot_forest(draws)[0].figure
