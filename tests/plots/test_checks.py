import numpy as np
import pytest
from matplotlib import pyplot as plt

from bayesgmm.draws import diagnose, from_arrays, predictive_check
from bayesgmm.mixture import Mixture
from bayesgmm.plots import plot_components, plot_membership, plot_predictive_check, plot_ranks, plot_trace


def test_a_panel_a_feature_and_one_of_levels(case):
    mixture, _, draws = case
    axes = plot_predictive_check(draws)
    axes[0].figure.canvas.draw()
    assert [ax.get_xlabel() for ax in axes[:-1]] == list(mixture.features) and len(plt.get_fignums()) == 1
    assert axes[-1].get_xlabel() == "probability of a region of highest density"


def test_of_many_features_six_are_drawn(make):
    x = np.random.default_rng(0).standard_normal((40, 8))
    mixture = Mixture([1.0], np.zeros((1, 8)), [np.eye(8)])
    draws = from_arrays(*(np.tile(a, (1, 30, *[1] * a.ndim)) for a in (mixture.weights, mixture.means,
                                                                      mixture.covariances)), x=x)  # fmt: skip
    assert len(plot_predictive_check(draws)) == 7
    assert [ax.get_xlabel() for ax in plot_predictive_check(draws, features=["x7", "x2"])[:2]] == ["x7", "x2"]
    with pytest.raises(ValueError, match="one to six|one to 6"):
        plot_predictive_check(draws, features=["x9"])


def test_the_histogram_is_that_of_the_data_in_data_units(plane):
    _, x, draws = plane
    check = predictive_check(draws, seed=0)
    picture = check.pictures["width"]
    expected = np.histogram(x[:, 1], picture.edges)[0] / (len(x) * np.diff(picture.edges))
    np.testing.assert_allclose(picture.observed, expected)
    axes = plot_predictive_check(check)
    np.testing.assert_allclose(axes[1].patches[-1].get_data().values, expected)
    np.testing.assert_allclose(picture.replicated.mean(axis=0) @ np.diff(picture.edges), 1.0, atol=0.03)


def test_what_is_not_as_predicted_is_named(make):
    mixture, x, _ = make(2, 1)
    x = np.concatenate([x, x.max() + np.array([[40.0], [41.0]])])
    tiles = (np.tile(a, (1, 300, *[1] * a.ndim)) for a in (mixture.weights, mixture.means, mixture.covariances))
    axes = plot_predictive_check(from_arrays(*tiles, x=x, features=mixture.features))
    assert "not as predicted" in axes[0].get_title() and "lowest log density" in axes[1].get_title()


def test_takes_axes_for_the_levels(plane):
    figure, ax = plt.subplots()
    assert plot_predictive_check(plane[2], ax=ax) is ax and plt.get_fignums() == [figure.number]


def overlapping(seed=0):
    """Two components in one place."""
    rng = np.random.default_rng(seed)
    means = 0.3 * rng.standard_normal((4, 300, 2, 1))
    return from_arrays(rng.dirichlet([9, 9], (4, 300)), means, np.ones((4, 300, 2, 1, 1)), x=rng.normal(size=(40, 1)))


@pytest.mark.parametrize("plot", [plot_components, plot_membership], ids=lambda f: f.__name__)
def test_figures_of_components_say_where_labels_are_uncertain(plot, plane):
    draws, words = overlapping(), "not the parameters of single components"
    assert diagnose(draws).verdict == "labels uncertain" and words in diagnose(draws).text
    title = plot(draws).figure.get_suptitle().replace("\n", " ")
    assert title == f"Labels uncertain: {diagnose(draws).text}"
    figure, ax = plt.subplots()
    assert plot(draws, ax=ax).get_title().startswith("labels uncertain: see diagnose(draws)")
    assert not plot(plane[2]).figure.get_suptitle()


@pytest.mark.parametrize("plot", [plot_ranks, plot_trace], ids=lambda f: f.__name__)
def test_figures_of_chains_say_it_over_their_legend(plot):
    figure = plot(overlapping(), var_names="means").viz["figure"].item()
    assert figure.legends[0].get_title().get_text().startswith("Labels uncertain")


def test_a_point_estimate_has_no_labels_to_doubt(plane):
    mixture, x, _ = plane
    assert not plot_components(mixture, x).figure.get_suptitle()
