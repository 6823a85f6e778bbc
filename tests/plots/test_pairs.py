import numpy as np
import pytest
from matplotlib import pyplot as plt
from scipy.stats import chi2

from bayesgmm import Mixture, predictive_density
from bayesgmm.plots import plot_pairs

from .test_components import by_gid, radius
from .test_predictive import band_of


def test_ellipses_below_and_bands_on_the_diagonal(make):
    mixture, _, draws = make(3, 5)
    shown = ("age", "width", "mass")
    axes = plot_pairs(draws, mle=mixture, features=shown, level=0.8)
    places = [mixture.features.index(name) for name in shown]
    for i, j in ((1, 0), (2, 0), (2, 1)):
        keep = [places[j], places[i]]
        lines = by_gid(axes[i, j], "mle-")
        for k in range(3):
            r = radius(
                lines[f"mle-{k}"].get_xydata(), mixture.means[k][keep], mixture.covariances[k][np.ix_(keep, keep)]
            )
            np.testing.assert_allclose(r, np.sqrt(chi2.ppf(0.8, 2)), rtol=1e-10)
        assert axes[j, i] is None
    x, lower, upper = band_of(axes[1, 1])
    found = predictive_density(draws, x, features="width", ci_prob=0.8)
    np.testing.assert_allclose([lower, upper], [found["lower"], found["upper"]], rtol=1e-12)


def test_names_stand_on_the_outer_axes_and_limits_are_shared(make):
    axes = plot_pairs(make(2, 5)[2], features=[0, 1, 2])
    assert [ax.get_xlabel() for ax in axes[2]] == ["length", "width", "depth"]
    assert [axes[i, 0].get_ylabel() for i in range(3)] == ["", "width", "depth"]
    assert axes[0, 0].get_xlim() == axes[1, 0].get_xlim() == axes[2, 0].get_xlim()
    assert axes[2, 1].get_ylim() == axes[2, 2].get_xlim()


def test_of_many_features_the_six_that_separate_are_shown():
    means = np.zeros((2, 8))
    means[1, [0, 1, 3, 4, 6, 7]] = 3.0
    axes = plot_pairs(Mixture([0.5, 0.5], means, np.stack([np.eye(8)] * 2)))
    assert [ax.get_xlabel() for ax in axes[5]] == ["x0", "x1", "x3", "x4", "x6", "x7"]
    assert "6 of 8" in axes[0, 0].figure.legends[0].get_title().get_text()


def test_takes_axes(plane):
    mixture, x, draws = plane
    figure, given = plt.subplots(2, 2)
    axes = plot_pairs(draws, x, axes=given)
    assert axes[1, 0] is given[1, 0] and plt.get_fignums() == [figure.number]
    with pytest.raises(ValueError, match="2 × 2"):
        plot_pairs(mixture, axes=given[0])


@pytest.mark.parametrize("options, words", [(dict(level=90), "strictly between"), (dict(features=["girth"]), "girth")])
def test_errors_say_what_to_do(plane, options, words):
    with pytest.raises(ValueError, match=words):
        plot_pairs(plane[2], **options)


def test_uncertain_labels_are_said_above_the_panels_and_the_legend(make, monkeypatch):
    from types import SimpleNamespace

    found = SimpleNamespace(labels_hold=False, verdict="labels uncertain", text="they trade places. " * 12)
    monkeypatch.setattr("bayesgmm.plots.style.diagnose", lambda draws: found)
    figure = plot_pairs(make(2, 5)[2], features=[0, 1, 2])[0, 0].figure
    figure.canvas.draw()
    assert figure.get_suptitle().startswith("Labels uncertain")
    assert not figure._suptitle.get_window_extent().overlaps(figure.legends[0].get_window_extent())
