# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A gallery of figures
#
# Every figure of the package, with the one line that makes it. Each takes `ax=` (or `axes=`) and gives back what it
# drew on, so that figures can be composed; `bg.plots.save(axes, "figure.pdf")` saves one. A component has the same
# colour in every figure, apart in the common forms of colour blindness, and its number where it lies, for print.
#
# Three data sets: Old Faithful, two features; the iris flowers, four; and speeds in one, made up in the manner of the
# galaxies of the Corona Borealis region.

# %%
import matplotlib.pyplot as plt
import pandas as pd
from sklearn.datasets import load_iris

import bayesgmm as bg
from bayesgmm.models import finite_mixture

QUIET = dict(seed=3, progress=False)


def fits(x, n_components):
    """Data, the maximum-likelihood fit, and draws of the posterior."""
    mle = bg.fit_mle(x, n_components, **QUIET)
    return x, mle, bg.sample(finite_mixture(x, n_components), draws=500, **QUIET)


geyser, geyser_mle, geyser_draws = fits(bg.load_dataset("faithful"), 2)

flowers = load_iris(as_frame=True).data
flowers.columns = [name.removesuffix(" (cm)") + ", cm" for name in flowers.columns]
iris, iris_mle, iris_draws = fits(flowers, 3)

sky = bg.Mixture([0.1, 0.8, 0.1], [[9.7], [21.0], [32.0]], [[[0.2]], [[4.5]], [[1.5]]], features=["speed, 1000 km/s"])
galaxies = pd.DataFrame(sky.sample(82, seed=3)[0], columns=sky.features)
galaxies, galaxies_mle, galaxies_draws = fits(galaxies, 3)

# %% [markdown]
# ## Where the components lie
#
# `plot_components`: one feature, or two (of more, the two that separate the components best). Thin ellipses are
# posterior draws.

# %%
_ = bg.plot_components(geyser_draws, mle=geyser_mle)

# %%
_ = bg.plot_components(galaxies_draws, mle=galaxies_mle)

# %% [markdown]
# `plot_pairs`: every pair of features, and each alone.

# %%
_ = bg.plot_pairs(iris_draws, mle=iris_mle)

# %% [markdown]
# ## The density of a new point
#
# `plot_density`: with a pointwise band for one feature; for two, regions of highest density. Thin lines are the border
# of the outermost region under single draws.

# %%
_ = bg.plot_density(galaxies_draws)

# %%
_ = bg.plot_density(geyser_draws)

# %% [markdown]
# Given values of other features; or of a bootstrap, whose band says how the estimate varies from sample to sample. Here
# in Axes of one's own:

# %%
figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.4), layout="constrained")
bg.plot_density(geyser_draws, given={"eruptions": 3.0}, ax=axes[0])
_ = bg.plot_density(bg.bootstrap(geyser_mle, geyser, replicates=200, **QUIET), geyser, features="waiting", ax=axes[1])

# %% [markdown]
# ## Parameters, by maximum likelihood and in the posterior
#
# `plot_comparison`: the marginal posteriors, with the estimates marked in them.

# %%
_ = bg.plot_comparison(geyser_mle, geyser_draws)

# %% [markdown]
# `plot_forest`: the same as points and intervals, those of an estimate by `standard_errors` or `bootstrap`.

# %%
_ = bg.plot_forest(geyser_mle, geyser_draws, errors=bg.standard_errors(geyser_mle, geyser))

# %% [markdown]
# ## Who belongs where
#
# `plot_membership`: each point's probability with its uncertainty; all components as bars; or as a heat map, with the
# width of the intervals under it.

# %%
_ = bg.plot_membership(geyser_draws)

# %%
_ = bg.plot_membership(galaxies_draws, kind="bars")

# %%
_ = bg.plot_membership(iris_draws, kind="heatmap")

# %% [markdown]
# ## Before and after the data
#
# `plot_prior`: what a prior expects of the data. `plot_predictive_check`: whether data from the posterior would look
# like the data.

# %%
_ = bg.plot_prior("conjugate", geyser)

# %%
_ = bg.plot_predictive_check(geyser_draws)

# %% [markdown]
# ## How the chains ran
#
# ArviZ's own plots, on matched labels and with plain titles: `plot_trace`, `plot_ranks`, `plot_ess`, `plot_energy`.

# %%
_ = bg.plot_trace(geyser_draws)

# %%
_ = bg.plot_ranks(geyser_draws)

# %%
_ = bg.plot_ess(geyser_draws)

# %%
_ = bg.plot_energy(geyser_draws)

# %% [markdown]
# ## Teaching
#
# `plot_gaussian`: one Gaussian of two features, as a surface and by its contours. `plot_calibration`, of
# `bg.calibrate`, shows whether an engine's draws come from the posterior; it takes longer than a gallery should.

# %%
_ = bg.plot_gaussian(mean=(0, 0), covariance=((2, 0), (0, 1)))
