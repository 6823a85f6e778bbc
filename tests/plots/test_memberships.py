import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from bayesgmm.draws import membership
from bayesgmm.plots import component_colors, plot_membership
from bayesgmm.plots.memberships import MOST_POINTS


def test_draws_every_size(case):
    mixture, _, draws = case
    axes = plot_membership(draws)
    panels = np.atleast_1d(axes)
    panels[0].figure.canvas.draw()
    assert all(isinstance(ax, Axes) for ax in panels) and len(plt.get_fignums()) == 1
    assert len(panels) == (mixture.n_components if mixture.n_components > 2 else 1)
    assert panels[-1].get_ylabel() == f"P(component {mixture.n_components - 1} | x)"


@pytest.mark.parametrize("k, d", [(1, 1), (2, 1), (2, 2), (5, 2)])
def test_scatter_names_the_features(make, k, d):
    mixture, _, draws = make(k, d)
    axes = plot_membership(draws, scatter=True)
    assert axes[-1].get_xlabel() == mixture.features[0]
    assert mixture.n_features == 1 or axes[-1].get_ylabel() == mixture.features[1]


def test_draws_what_membership_says(make):
    _, x, draws = make(5, 1)
    ax = plot_membership(draws, component=1)
    p, upper, lower = (membership(draws)[name].values[:, 1] for name in ("probability", "upper", "lower"))
    uncertain = (upper >= 0.005) & (lower <= 0.995)
    line = next(line for line in ax.lines if line.get_color() == component_colors(5)[1] and len(line.get_ydata()) > 2)
    np.testing.assert_allclose(line.get_ydata(), np.sort(p[uncertain]))


def test_new_points_are_weighed_as_new_points(make):
    _, x, draws = make(5, 1)
    ax = plot_membership(draws, x[:30], component=1)
    p = np.sort(membership(draws, x[:30])["probability"].values[:, 1])
    drawn = np.concatenate([line.get_ydata() for line in ax.lines if line.get_marker() == "o"])
    assert np.abs(drawn[:, None] - p).min(axis=1).max() < 1e-12


def test_many_points_stay_light(make):
    _, _, draws = make(2, 2, 3 * MOST_POINTS)
    axes = plot_membership(draws, scatter=True)
    assert len(axes[1].collections[0].get_offsets()) == MOST_POINTS
    assert "of 6" in axes[0].get_title()


def test_uncertain_points_are_larger(make):
    _, _, draws = make(5, 2)
    scatter = plot_membership(draws, scatter=True)[-1].collections[-1]
    entropy = np.sort(membership(draws)["entropy"].values)
    np.testing.assert_allclose(np.argsort(scatter.get_sizes(), kind="stable"), np.arange(len(entropy)))


def test_takes_axes(make):
    _, _, draws = make(5, 2)
    figure, ax = plt.subplots()
    assert plot_membership(draws, ax=ax) is ax and plt.get_fignums() == [figure.number]
    assert ax.get_ylabel() == "P(component 4 | x)"


def test_errors_say_what_to_do(make):
    _, _, draws = make(2, 5)
    for options, words in ((dict(component=2), "0 … 1"), (dict(scatter=True), "one or two features")):
        with pytest.raises(ValueError, match=words):
            plot_membership(draws, **options)
    with pytest.raises(ValueError, match="figure of its own"):
        plot_membership(make(2, 2)[2], scatter=True, ax=plt.figure().subplots())
    del draws["observed_data"]
    with pytest.raises(ValueError, match="no rows"):
        plot_membership(draws)
