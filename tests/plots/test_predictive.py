import numpy as np
import pytest
from scipy.stats import chi2, norm

import bayesgmm as bg
from bayesgmm import Mixture, highest_density, predictive_density
from bayesgmm.draws.mixtures import read
from bayesgmm.plots import plot_density

ONE = Mixture([1.0], [[3.0, -2.0]], [[[2.0, 0.8], [0.8, 1.0]]], features=("length", "width"))


def part(ax, gid):
    return [a for a in ax.get_children() if a.get_gid() == gid]


def band_of(ax):
    """Where, lower and upper ends of the band."""
    vertices = part(ax, "band")[0].get_paths()[0].vertices
    x = np.unique(vertices[:, 0])
    ends = [vertices[vertices[:, 0] == at, 1] for at in x]
    return x, np.array([e.min() for e in ends]), np.array([e.max() for e in ends])


@pytest.mark.parametrize("options", [{}, {"given": {"width": 42.0}}], ids=["marginal", "conditional"])
def test_line_and_band_are_those_of_predictive_density(plane, options):
    draws = plane[2]
    ax = plot_density(draws, features="length", ci_prob=0.8, **options)
    x, lower, upper = band_of(ax)
    found = predictive_density(draws, x, features="length", ci_prob=0.8, **options)
    np.testing.assert_allclose(lower, found["lower"], rtol=1e-12)
    np.testing.assert_allclose(upper, found["upper"], rtol=1e-12)
    line = part(ax, "density")[0]
    np.testing.assert_array_equal(line.get_xdata(), x)
    np.testing.assert_allclose(line.get_ydata(), found["density"], rtol=1e-12)
    assert bool(part(ax, "rug")) == (not options), "rows that do not share the value are left out"


def test_the_band_of_a_bootstrap_is_that_of_its_replicates(make):
    _, x, _ = make(2, 1)
    fit = bg.fit_mle(x, 2, starts=2, seed=0, progress=False)
    found = bg.bootstrap(fit, x, replicates=40, seed=1, progress=False)
    ax = plot_density(found, x, ci_prob=0.9)
    at, lower, upper = band_of(ax)
    sds = np.sqrt(found.covariances[..., 0, 0])
    each = (found.weights[..., None] * norm.pdf(at, found.means, sds[..., None])).sum(axis=1)
    np.testing.assert_allclose([lower, upper], np.quantile(each, [0.05, 0.95], axis=0), rtol=1e-8)
    np.testing.assert_allclose(part(ax, "density")[0].get_ydata(), fit.mixture.prob(at), rtol=1e-8)
    assert "bootstrap" in " ".join(t.get_text() for t in ax.figure.legends[0].texts)
    assert len(part(plot_density(bg.fit_mle(x, 1, seed=0, progress=False)), "band")) == 0


def test_a_fit_has_no_band(plane):
    mixture, x, _ = plane
    assert not part(plot_density(mixture, x, features=0), "band")
    assert not part(plot_density(mixture, x), "draw")


def test_the_outermost_region_of_a_gaussian_is_its_ellipse():
    """To half a per cent of probability, to which thresholds are right, and the width of a cell."""
    ax = plot_density(ONE)
    vertices = np.concatenate([path.vertices for path in part(ax, "outermost")[0].get_paths()])
    shift = vertices - ONE.means[0]
    held = chi2.cdf((shift * np.linalg.solve(ONE.covariances[0], shift.T).T).sum(axis=1), 2)
    assert np.abs(held - 0.95).max() < 0.01


def test_thin_borders_are_regions_of_single_draws(plane):
    draws = plane[2]
    ax = plot_density(draws)
    lines = part(ax, "draw")
    assert len(lines) == 20
    mixtures = read(draws)
    drawn = np.sort([line.levels[0] for line in lines])
    every = [highest_density(mixtures.mixture(m), 0.95)["log_density"].item() for m in range(len(mixtures))]
    assert np.isin(np.round(drawn, 9), np.round(every, 9)).all()


def test_a_narrow_component_is_drawn_with_its_peak():
    mixture = Mixture([0.5, 0.5], [[0.0], [100.0]], [[[1e-4]], [[100.0]]])
    top = part(plot_density(mixture), "density")[0].get_ydata().max()
    assert top == pytest.approx(mixture.prob([[0.0]]).item(), rel=1e-6)


def test_chosen_features_and_names(make):
    _, x, draws = make(2, 5)
    ax = plot_density(draws, features=("age", "width"))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("age", "width") and "2 of 5" in ax.get_title()
    ax = plot_density(draws, features="mass", given={"age": 41.0, 0: 40.0})
    assert "given age = 41, length = 40" in ax.get_title()


def test_errors_say_what_to_do(plane):
    for options, words in ((dict(ci_prob=90), "ci_prob"), (dict(features=("length", "girth")), "girth")):
        with pytest.raises(ValueError, match=words):
            plot_density(plane[2], **options)
    with pytest.raises(TypeError, match="Fit"):
        plot_density(np.zeros((3, 2)))
