import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from scipy.stats import chi2

from bayesgmm.mixture import Mixture
from bayesgmm.plots import component_colors, plot_components
from bayesgmm.plots.plane import MOST_MARKERS, ellipse
from bayesgmm.plots.reading import best_features, thinned


def by_gid(ax, prefix):
    return {a.get_gid(): a for a in ax.get_children() if str(a.get_gid()).startswith(prefix)}


def radius(vertices, mean, covariance):
    shift = np.asarray(vertices) - mean
    return np.sqrt((shift * np.linalg.solve(covariance, shift.T).T).sum(axis=1))


def test_draws_every_size(case):
    mixture, x, draws = case
    ax = plot_components(draws, mle=mixture)
    assert isinstance(ax, Axes) and len(plt.get_fignums()) == 1
    ax.figure.canvas.draw()
    shown = best_features(mixture, 2)
    assert ax.get_xlabel() == mixture.features[shown[0]]
    assert mixture.features[shown[-1]] in ax.get_ylabel()
    if mixture.n_features > 2:
        assert all(mixture.features[j] in ax.get_title() for j in shown)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
def test_ellipses_have_the_radius_of_their_probability(plane, level):
    mixture, _, draws = plane
    ax = plot_components(draws, mle=mixture, level=level)
    lines = by_gid(ax, "mle-")
    assert len(lines) == 2
    for k in range(2):
        r = radius(lines[f"mle-{k}"].get_xydata(), mixture.means[k], mixture.covariances[k])
        np.testing.assert_allclose(r, np.sqrt(chi2.ppf(level, 2)), rtol=1e-12)


def test_an_ellipse_holds_its_share_of_the_component(plane):
    mixture = plane[0]
    rows = np.random.default_rng(0).multivariate_normal(mixture.means[0], mixture.covariances[0], 20_000)
    edge = radius(ellipse(mixture.means[0], mixture.covariances[0], 0.8), mixture.means[0], mixture.covariances[0])[0]
    inside = radius(rows, mixture.means[0], mixture.covariances[0]) < edge
    assert abs(inside.mean() - 0.8) < 0.015


def test_bold_ellipses_stand_at_the_posterior_mean_in_the_components_colours(plane):
    _, _, draws = plane
    ax = plot_components(draws)
    means = draws.posterior["means"].mean(("chain", "draw")).values
    covariances = draws.posterior["covariances"].mean(("chain", "draw")).values
    for k, color in enumerate(component_colors(2)):
        line = by_gid(ax, "point-")[f"point-{k}"]
        assert line.get_color() == color
        np.testing.assert_allclose(radius(line.get_xydata(), means[k], covariances[k]), np.sqrt(chi2.ppf(0.9, 2)))


def test_more_draws_than_ellipses_are_thinned_over_all_chains(make):
    from bayesgmm.draws.mixtures import read

    mixtures = read(make(2, 2)[2])
    few = thinned(mixtures, 20)
    places = [np.flatnonzero((mixtures.weights == w).all(axis=1))[0] for w in few.weights[:10]]
    assert len(few) == 20 and min(places) < 40 <= max(places)
    assert (thinned(mixtures, 20).weights == few.weights).all()


def test_points_take_the_colour_of_their_most_probable_component(plane):
    from matplotlib.colors import to_rgb

    mixture, x, _ = plane
    scatter = plot_components(mixture, x).collections[0]
    drawn = zip(np.round(scatter.get_offsets(), 9), scatter.get_facecolor()[:, :3])
    colors = {tuple(row): tuple(color) for row, color in drawn}
    for row, label in zip(x, mixture.predict(x)):
        assert colors[tuple(np.round(row, 9))] == to_rgb(component_colors(2)[label])


def test_many_points_become_cells(make):
    mixture, x, draws = make(2, 2, MOST_MARKERS + 1)
    ax = plot_components(draws)
    assert len(ax.images) == 1 and max((len(c.get_offsets()) for c in ax.collections), default=0) < 100


def test_chosen_features(make):
    mixture, _, draws = make(2, 5)
    ax = plot_components(draws, mle=mixture, features=("age", "width"))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("age", "width")
    line, keep = by_gid(ax, "mle-")["mle-1"], np.ix_([4, 1], [4, 1])
    r = radius(line.get_xydata(), mixture.means[1][[4, 1]], mixture.covariances[1][keep])
    np.testing.assert_allclose(r, np.sqrt(chi2.ppf(0.9, 2)))
    assert "density" in plot_components(draws, features="mass").get_ylabel()


def test_the_pair_that_separates_best_is_found():
    means = np.zeros((2, 4))
    means[1, [1, 3]] = 3.0
    assert best_features(Mixture([0.5, 0.5], means, np.stack([np.eye(4)] * 2)), 2) == [1, 3]


def test_the_band_of_one_feature_holds_the_posterior_mean(make):
    _, _, draws = make(2, 1)
    ax = plot_components(draws)
    band = ax.collections[-1].get_paths()[0].vertices
    assert band[:, 1].max() > max(line.get_ydata().max() for line in ax.lines)


def test_takes_axes_and_leaves_other_figures_alone(plane):
    mixture, x, draws = plane
    figure, ax = plt.subplots()
    assert plot_components(draws, x, mle=mixture, ax=ax) is ax
    assert plt.get_fignums() == [figure.number]


def test_without_rows_only_the_components_are_drawn(plane):
    assert not plot_components(plane[0]).images


@pytest.mark.parametrize("options, words", [
    (dict(level=90), "strictly between"), (dict(features=("length", "girth")), "girth"),
    (dict(features=("length", "length")), "one or two"),
])  # fmt: skip
def test_errors_say_what_to_do(plane, options, words):
    with pytest.raises(ValueError, match=words):
        plot_components(plane[2], **options)
    assert plt.get_fignums() == []


def test_other_things_cannot_be_drawn():
    with pytest.raises(TypeError, match="Fit"):
        plot_components(np.zeros((3, 2)))
