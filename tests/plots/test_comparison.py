import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from bayesgmm.plots import plot_comparison
from bayesgmm.plots.comparison import MOST_PANELS, select

from .conftest import true_mixture


def marks(ax, name):
    return [line.get_xdata()[0] for line in ax.lines if line.get_gid() == name]


def test_draws_every_size(case):
    mixture, _, draws = case
    axes = plot_comparison(mixture, draws, map=mixture)
    axes[0, 0].figure.canvas.draw()
    assert all(isinstance(ax, Axes) for ax in axes.flat) and axes.size <= MOST_PANELS
    assert len(plt.get_fignums()) == 1
    assert sorted(map(id, axes[0, 0].figure.axes)) == sorted(map(id, axes.flat))
    titles = " ".join(ax.get_title() for ax in axes.flat)
    assert all(name in titles for name in mixture.features)
    assert all(len(marks(ax, "MLE")) == len(marks(ax, "MAP")) == 1 for ax in axes.flat)


def test_titles_and_marks_of_each_parameter(plane):
    mixture, _, draws = plane
    axes = plot_comparison(mixture, draws)
    titles = [ax.get_title().replace("\n", " ") for ax in axes[1]]
    names = ["weight", "mean of length", "mean of width", "variance of length", "covariance of length, width"]
    assert titles == [f"{n}, component 1" for n in (*names, "variance of width")]
    cov = mixture.covariances[1]
    values = [mixture.weights[1], *mixture.means[1], cov[0, 0], cov[0, 1], cov[1, 1]]
    np.testing.assert_allclose([marks(ax, "MLE")[0] for ax in axes[1]], values)


def test_components_of_the_estimate_are_matched(plane):
    mixture, _, draws = plane
    for estimate in (mixture, mixture.permute([1, 0])):
        axes = plot_comparison(estimate, draws, var_names="means")
        np.testing.assert_allclose([[marks(ax, "MLE")[0] for ax in row] for row in axes], mixture.means)


def test_the_shaded_part_is_the_interval(plane):
    mixture, _, draws = plane
    ax = plot_comparison(mixture, draws, var_names="weights", ci_prob=0.8)[0, 0]
    shaded = next(c for c in ax.collections if c.get_gid() == "interval").get_paths()[0].vertices[:, 0]
    expected = draws.posterior["weights"].sel(component=0).quantile([0.1, 0.9]).values
    np.testing.assert_allclose([shaded.min(), shaded.max()], expected)


def test_what_the_draws_hold_fixed_has_no_panel(make):
    mixture, _, draws = make(2, 2)
    draws.posterior["covariances"].values[..., 0, 1] = draws.posterior["covariances"].values[..., 1, 0] = 0.0
    assert not any("covariance" in ax.get_title() for ax in plot_comparison(mixture, draws).flat)


@pytest.mark.parametrize("k, d", [(1, 1), (2, 2), (5, 5), (2, 40), (30, 2), (90, 3)])
def test_the_rule_never_passes_a_page(k, d):
    mixture = true_mixture_of(k, d)
    chosen = select(mixture)
    each = {"weights": 1, "means": len(chosen.features), "sds": len(chosen.features)}
    each["covariances"] = len(chosen.features) * (len(chosen.features) + 1) // 2
    assert 0 < len(chosen.components) * sum(each[n] for n in chosen.names) <= MOST_PANELS
    complete = len(chosen.components) == k and len(chosen.features) == d
    assert complete == (chosen.note == "")


def true_mixture_of(k, d):
    from bayesgmm.mixture import Mixture

    rng = np.random.default_rng(0)
    return Mixture(rng.dirichlet(np.ones(k)), rng.standard_normal((k, d)), np.stack([np.eye(d)] * k))


def test_takes_axes(plane):
    mixture, _, draws = plane
    figure, axes = plt.subplots(2, 2)
    assert plot_comparison(mixture, draws, var_names="means", axes=axes).shape == (2, 2)
    assert plt.get_fignums() == [figure.number]
    with pytest.raises(ValueError, match="12 panels"):
        plot_comparison(mixture, draws, axes=axes)


@pytest.mark.parametrize("options, words", [(dict(ci_prob=95), "ci_prob"), (dict(var_names="mu"), "var_names")])
def test_errors_say_what_to_do(plane, options, words):
    with pytest.raises(ValueError, match=words):
        plot_comparison(plane[0], plane[2], **options)


def test_other_components_cannot_be_compared(plane):
    with pytest.raises(ValueError, match="number"):
        plot_comparison(true_mixture(5, 2), plane[2])
    assert plt.get_fignums() == []


def test_the_prior_is_drawn_where_the_draws_have_it(make):
    """The weight of one of two components is uniform on [0, 1] under Dirichlet(1, 1): the density is 1."""
    from bayesgmm.draws.mixtures import from_arrays

    mixture, _, draws = make(2, 1)
    rng = np.random.default_rng(0)
    weights = rng.dirichlet([1.0, 1.0], (1, 4000))
    ones = np.ones((1, 4000, 2, 1))
    draws["prior"] = from_arrays(weights, ones, ones[..., None], features=mixture.features)["posterior"]
    ax = plot_comparison(mixture, draws)[0, 0]
    (line,) = [line for line in ax.lines if line.get_gid() == "prior"]
    low, high = ax.get_xlim()
    assert line.get_xdata().min() == low and line.get_xdata().max() == high
    inside = (line.get_xdata() > low + 0.05) & (line.get_xdata() < high - 0.05)
    np.testing.assert_allclose(line.get_ydata()[inside], 1.0, atol=4 * np.sqrt(1 / (4000 * 0.1)))
    assert "prior" in [t.get_text() for t in ax.figure.legends[0].texts]
