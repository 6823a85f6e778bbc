import pytest
from matplotlib import pyplot as plt

from bayesgmm.plots import plot_ranks, plot_trace
from bayesgmm.plots.diagnostics import MOST_PANELS


def overlaps(figure):
    """Pairs of titles and tick labels of different Axes that cover each other."""
    figure.canvas.draw()
    titles = [ax.title.get_window_extent() for ax in figure.axes if ax.get_title()]
    ticks = [t.get_window_extent() for ax in figure.axes for t in ax.get_xticklabels() if t.get_text()]
    pairs = [(a, b) for i, a in enumerate(titles) for b in [*titles[i + 1 :], *ticks]]
    return sum(a.overlaps(b) for a, b in pairs)


@pytest.mark.parametrize("plot", [plot_ranks, plot_trace])
@pytest.mark.parametrize("k, d", [(1, 1), (1, 5), (2, 1), (2, 2), (5, 1), (5, 2), (5, 5)])
def test_draws_every_size_without_overlaps(make, plot, k, d):
    mixture, _, draws = make(k, d)
    collection = plot(draws)
    assert type(collection).__name__ == "PlotCollection" and len(plt.get_fignums()) == 1
    figure = collection.viz["figure"].item()
    titles = " ".join(ax.get_title() for ax in figure.axes)
    assert all(f"mean of {name}" in titles for name in mixture.features)
    assert ("weight" in titles) == (k > 1)
    assert overlaps(figure) == 0


def test_titles_stand_over_their_own_panel(plane):
    collection = plot_ranks(plane[2])
    ax = collection.get_target("means", {"component": 1, "feature": "width"})
    assert ax.get_title().replace("\n", " ") == "mean of width, component 1"


@pytest.mark.parametrize("plot", [plot_ranks, plot_trace])
def test_elements_of_covariances_appear_once_and_only_if_they_vary(make, plot):
    draws = make(2, 2)[2]
    titles = [ax.get_title().replace("\n", " ") for ax in plot(draws, "covariances").viz["figure"].item().axes]
    assert len(titles) == 6 and titles.count("covariance of length, width, component 1") == 1
    values = draws.posterior["covariances"].values
    values[..., 0, 1] = values[..., 1, 0] = 0.0
    assert len(plot(draws, "covariances").viz["figure"].item().axes) == 4


def test_no_more_panels_than_a_page_holds(make):
    collection = plot_ranks(make(5, 5)[2], ("means", "covariances"))
    assert 0 < len(collection.viz["figure"].item().axes) <= MOST_PANELS


def test_errors_say_what_to_do(make):
    draws = make(1, 1)[2]
    with pytest.raises(ValueError, match="no variable 'mu'"):
        plot_ranks(draws, "mu")
    with pytest.raises(ValueError, match="nothing to plot"):
        plot_trace(draws, "weights")
    with pytest.raises(ValueError, match="only one"):
        plot_ranks(make(2, 1)[2].isel(chain=[0]))
