"""Every figure as it was last looked at and accepted.

`pytest --mpl-generate-path=tests/plots/baseline tests/plots/test_pictures.py` draws them anew, to be looked at.
"""

import numpy as np
import pytest

import bayesgmm as bg
from bayesgmm import plots
from bayesgmm.draws.mixtures import from_arrays
from bayesgmm.plots.style import figure_of

from .conftest import answered, clusters_of_two, judged, made_up, swept

pytestmark = pytest.mark.usefixtures("labels_that_hold")
picture = pytest.mark.mpl_image_compare(style="default", savefig_kwargs={"dpi": 45, "metadata": {"Software": None}})


def sizes(*pairs):
    return pytest.mark.parametrize(("k", "d"), pairs, ids=[f"K{k}-D{d}" for k, d in pairs])


@sizes((2, 1), (3, 2), (8, 5))
@picture
def test_components(k, d):
    mixture, _, draws = made_up(k, d)
    return figure_of(plots.plot_components(draws, mle=mixture))


@sizes((1, 1), (5, 2), (4, 5))
@picture
def test_density(k, d):
    return figure_of(plots.plot_density(made_up(k, d)[2]))


@picture
def test_density_of_many_rows():
    mixture = made_up(3, 2)[0]
    return figure_of(plots.plot_density(mixture, mixture.sample(200_000, seed=1)[0]))


@sizes((8, 1), (2, 2), (3, 5))
@picture
def test_pairs(k, d):
    mixture, _, draws = made_up(k, d)
    return figure_of(plots.plot_pairs(draws, mle=mixture))


@sizes((1, 1), (4, 2), (6, 5))
@picture
def test_forest(k, d):
    mixture, _, draws = made_up(k, d)
    return figure_of(plots.plot_forest(mixture, draws, names=["MLE", "posterior"]))


@sizes((2, 1), (3, 2), (1, 5))
@picture
def test_comparison(k, d):
    mixture, x, draws = made_up(k, d)
    prior = bg.scale_prior("conjugate", x, k)
    draws["prior"] = from_arrays(*(a[None] for a in prior.draw(500, k, seed=0)), features=mixture.features)["posterior"]
    return figure_of(plots.plot_comparison(mixture, draws, map=mixture, var_names="means" if d == 5 else None))


@pytest.mark.parametrize("kind", ["intervals", "bars", "heatmap"])
@sizes((5, 1), (2, 2), (8, 5))
@picture
def test_membership(k, d, kind):
    return figure_of(plots.plot_membership(made_up(k, d)[2], kind=kind))


@sizes((2, 1), (1, 2), (1, 5))
@pytest.mark.parametrize("plot", ["plot_trace", "plot_ranks", "plot_ess"])
@picture
def test_chains(plot, k, d):
    return figure_of(getattr(plots, plot)(made_up(k, d)[2]))


@picture
def test_energy():
    return figure_of(plots.plot_energy(made_up(2, 2)[2]))


@sizes((2, 1), (3, 2), (1, 5))
@picture
def test_predictive_check(k, d):
    return figure_of(plots.plot_predictive_check(made_up(k, d)[2]))


@sizes((1, 1), (3, 2), (8, 5))
@picture
def test_prior(k, d):
    return figure_of(plots.plot_prior("conjugate", made_up(k, d)[1], n_components=k))


@picture
def test_gaussian():
    return figure_of(plots.plot_gaussian([1, 2], [[2.0, 0.9], [0.9, 1.0]], features=("length", "width")))


@picture
def test_calibration():
    prior = bg.priors.Conjugate(mean=[0.0], shrinkage=1.0, dof=5, scale=[[3.0]])

    def ignorant(x, seed):
        return from_arrays(*(a[None] for a in prior.draw(100, 2, seed=seed)))

    found = bg.calibrate(prior, 20, 2, sampler=ignorant, replications=40, seed=1, progress=False)
    return figure_of(plots.plot_calibration(found))


@picture
def test_small_axes_of_others():
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, 3, figsize=(9.6, 5.6), layout="constrained")
    for row, (k, d) in zip(axes, ((3, 1), (8, 2))):
        _, _, draws = made_up(k, d)
        plots.plot_components(draws, ax=row[0])
        plots.plot_density(draws, ax=row[1])
        plots.plot_membership(draws, kind=("bars", "heatmap")[d - 1], ax=row[2])
    return figure


@pytest.mark.parametrize("d", [1, 2])
@picture
def test_selection(d):
    return figure_of(plots.plot_selection(swept(d)))


@picture
def test_how_many():
    return figure_of(plots.plot_how_many(answered()))


@picture
def test_merging():
    return figure_of(plots.plot_merging(clusters_of_two()))


def clusters_of(x, draws=60):
    """Labels that a row far from the middle of its cluster often leaves."""
    rng = np.random.default_rng(0)
    truth = (x[:, 0] > 0) + 2 * (x[:, 1] > 0)
    other = (x[:, 0] + 0.6 * rng.standard_normal((draws, len(x))) > 0) + 2 * (x[:, 1] > 0)
    return np.where(rng.random((draws, 1)) < 0.7, other, truth)


@pytest.mark.parametrize("n", [50, 1700])
@picture
def test_similarity(n):
    x = 1.5 * np.random.default_rng(1).standard_normal((n, 2))
    return figure_of(plots.plot_similarity(clusters_of(x), (x[:, 0] > 0) + 2 * (x[:, 1] > 0)))


@picture
def test_partition():
    x = 1.5 * np.random.default_rng(1).standard_normal((120, 2))
    return figure_of(plots.plot_partition(bg.partition(clusters_of(x), seed=0), x))


@picture
def test_families():
    return figure_of(plots.plot_families())


@sizes((3, 5), (8, 5))
@picture
def test_projection(k, d):
    mixture, x, _ = made_up(k, d)
    return figure_of(plots.plot_projection(mixture, x))


@picture
def test_projection_on_small_axes_of_others():
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(6.4, 3.0), layout="constrained")
    mixture, x, _ = made_up(3, 5)
    plots.plot_projection(mixture, x, ax=axes[0])
    plots.plot_projection(bg.project(mixture), directions=(2, 3), ax=axes[1])
    return figure


@pytest.mark.parametrize("scale", ["linear", "logit"])
@picture
def test_reliability(scale):
    some = {"as it is": judged().reliability(), "sharper": judged(4.0).reliability()}
    return figure_of(plots.plot_reliability(some, scale=scale))


@picture
def test_confusion():
    return figure_of(plots.plot_confusion(judged()))
