import numpy as np
import pytest
from matplotlib import pyplot as plt
from scipy.stats import chi2, multivariate_normal

from bayesgmm.plots import plot_gaussian

from .test_components import by_gid, radius

MEAN, COVARIANCE = np.array([1.0, -3.0]), np.array([[2.0, 0.9], [0.9, 1.0]])


def test_contours_hold_what_they_say():
    ax = plot_gaussian(MEAN, COVARIANCE, kind="contours")
    for level in (0.5, 0.8, 0.95):
        r = radius(by_gid(ax, "level-")[f"level-{level:g}"].get_xydata(), MEAN, COVARIANCE)
        np.testing.assert_allclose(r, np.sqrt(chi2.ppf(level, 2)), rtol=1e-12)


def test_the_surface_reaches_the_density_at_the_mean():
    ax = plot_gaussian(MEAN, COVARIANCE, kind="surface")
    top = multivariate_normal(MEAN, COVARIANCE).pdf(MEAN)
    assert ax.zz_dataLim.intervalx[1] == pytest.approx(top, rel=1e-2)
    assert ax.get_zlim()[1] == pytest.approx(1.05 * top) and "density" in ax.get_zlabel()


def test_both_side_by_side_without_axes_and_whichever_suits_given_ones():
    surface, contours = plot_gaussian(features=("a", "b"))
    assert (surface.name, contours.name) == ("3d", "rectilinear") and contours.get_ylabel() == "b"
    assert any("density" in ax.get_ylabel() for ax in contours.figure.axes)
    ax = plt.figure().add_subplot(projection="3d")
    assert plot_gaussian(ax=ax) is ax and ax.get_zlabel() == "density p(x)"
    with pytest.raises(ValueError, match="3d"):
        plot_gaussian(kind="surface", ax=plt.figure().subplots())


@pytest.mark.parametrize("options, words", [
    (dict(mean=[0, 0, 0]), "two features"), (dict(kind="mesh"), "'surface' or 'contours'"),
    (dict(covariance=[[1, 2], [2, 1]]), "positive definite"),
])  # fmt: skip
def test_errors_say_what_to_do(options, words):
    with pytest.raises(ValueError, match=words):
        plot_gaussian(**options)
    assert plt.get_fignums() == []
