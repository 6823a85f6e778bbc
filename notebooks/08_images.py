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
# # A photograph in parts, and how sure we may be of them
#
# A pixel has a colour and a place. Pixels that are alike in both are one part of a picture: sky, roof, shadow. That is
# a mixture with five features, red, green, blue, x and y, and its labels are a segmentation. Here every pixel of a
# photograph is used for the fit; then we ask how many parts there are, and where the labels are in doubt.
#
# The photograph is one of the two that scikit-learn ships, of a temple in China (see its `load_sample_images` for whose
# it is).

# %%
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_sample_image

import bayesgmm as bg
from bayesgmm.models import finite_mixture

photograph = load_sample_image("china.jpg")
height, width, _ = photograph.shape
rows, columns = np.mgrid[:height, :width]
names = ["red", "green", "blue", "x", "y"]
features = np.dstack([photograph / 255.0, columns / width, rows / height])
pixels = features.reshape(-1, 5)
pixels.shape

# %% [markdown]
# Would another colour space do better? With full covariances it makes no difference, as long as it is a linear map of
# this one: `bayesgmm` finds the same segmentation in any linear units of the features.
#
# ## 1. How many parts?
#
# A photograph is no mixture, and its pixels are no independent draws. The more pixels one looks at, the more components
# BIC finds worth having: every texture becomes one. So the question needs a scale. We look at every thirtieth pixel in
# each direction, which sees what is larger than that.


# %%
def every(step):
    """The pixels on a grid, a frame."""
    return pd.DataFrame(features[step // 2 :: step, step // 2 :: step].reshape(-1, 5), columns=names)


coarse = every(30)
found = bg.select(coarse, range(2, 13), covariance_types="full", seed=0, progress=False)
print(found)

# %%
ax = bg.plot_selection(found)

# %% [markdown]
# And on finer grids:

# %%
pd.DataFrame(
    {"pixels": len(every(step)), "components by BIC": bg.select(
        every(step), range(2, 13), covariance_types="full", seed=0, progress=False).best.n_components}
    for step in (30, 22, 15)
)  # fmt: skip

# %% [markdown]
# The finer ones take as many as were tried. We keep to the coarse grid's answer: parts of the size of its mesh. What is
# printed above says how little BIC prefers it to one fewer.
#
# ## 2. All pixels, by maximum likelihood
#
# The likelihood has many modes. So that ten starts cost little, `fit_mle` climbs from them over a sample of the pixels
# first, and over all of them only from the modes that may be the best: what it prints says which were left behind.

# %%
n_components = found.best.n_components
fit = bg.fit_mle(pd.DataFrame(pixels, columns=names), n_components, seed=0, progress=False)
print(fit)

# %%
labels = fit.mixture.responsibilities(pixels).argmax(axis=1)


def painted(labels, means):
    """Each pixel in its component's mean colour."""
    return np.clip(means[labels, :3], 0, 1).reshape(height, width, 3)


def show(pictures, titles):
    """Pictures side by side."""
    figure, axes = plt.subplots(1, len(pictures), figsize=(4.6 * len(pictures), 3.4), layout="constrained")
    for ax, picture, title in zip(axes, pictures, titles, strict=True):
        ax.imshow(picture)
        ax.set_title(title, fontsize=10)
        ax.set_axis_off()
    return figure


titles = "photograph", f"{n_components} components, in their mean colour"
figure = show([photograph, painted(labels, fit.mixture.means)], titles)

# %% [markdown]
# That took a few seconds for 273 280 pixels: most of them are so clearly of one component that the others
# need not be looked at, which changes no digit. `python -m benchmarks images` measures it beside scikit-learn.
#
# ## 3. How sure are we?
#
# Standard errors from all pixels would be absurdly small, because neighbours repeat each other. How far does that
# reach? Correlations of the log density of pixels, so many columns apart:

# %%
density = fit.mixture.log_prob(pixels).reshape(height, width)
centred = density - density.mean()
pd.Series({apart: (centred[:, apart:] * centred[:, :-apart]).mean() / centred.var() for apart in (1, 5, 11, 22, 44)},
          name="correlation").round(2).rename_axis("columns apart")  # fmt: skip

# %% [markdown]
# Far. A posterior has to be told how much evidence there is, and for pixels no number is right. We draw it from every
# eleventh pixel in each direction. That is the claim that a pixel has news when it is eleven away from the last; its
# intervals are about eleven times as wide as those that all pixels would give, and if you hold that only every
# twenty-second has any, double them.

# %%
sample = every(11)
draws = bg.sample(finite_mixture(sample, n_components), engine="gibbs", draws=1500, tune=400, seed=0, progress=False)
print(len(sample), "pixels.", bg.diagnose(draws))

# %%
small = bg.fit_mle(sample, n_components, starts=fit, progress=False)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # two components overlap, where normal intervals are not to be trusted
    wide, narrow = (bg.standard_errors(*one).means for one in ((small, sample), (fit, pixels)))
print(f"standard errors of means, every 11th pixel over all pixels: {np.median(wide / narrow):.1f} times")

# %% [markdown]
# Now every pixel of the photograph is a new point for that posterior. The first map is the most probable label. The
# second is the entropy of the label: 0 is certain, and log 2 = 0.69 a toss-up between two. The third is how far
# the probability of that label moves over the posterior: the width of its 95 % interval, which is what more pixels
# would make smaller. Forty draws are enough for a map.

# %%
some = draws.isel(draw=slice(None, None, 150))
known = bg.membership(some, pixels)
best = known["probability"].values.argmax(axis=1)
entropy = known["entropy"].values.reshape(height, width)
interval = np.take_along_axis((known["upper"] - known["lower"]).values, best[:, None], axis=1).reshape(height, width)
means = draws.posterior["means"].mean(("chain", "draw")).values

figure, axes = plt.subplots(1, 3, figsize=(12.5, 3.2), layout="constrained")
axes[0].imshow(painted(best, means))
axes[0].set_title("most probable component", fontsize=10)
for ax, values, title, most in ((axes[1], entropy, "entropy of the label, nats", 0.7),
                                (axes[2], interval, "95 % interval of its probability, width", 1.0)):  # fmt: skip
    shown = ax.imshow(values, cmap="magma", vmin=0, vmax=most)
    ax.set_title(title, fontsize=10)
    figure.colorbar(shown, ax=ax, shrink=0.8)
for ax in axes:
    ax.set_axis_off()

# %% [markdown]
# The doubt lies along edges, in the leaves, and in the haze, where one part of the sky fades into the next. A pixel on
# an edge has a neighbour of another label:

# %%
label = best.reshape(height, width)
edge = np.zeros_like(label, dtype=bool)
edge[:, 1:] |= label[:, 1:] != label[:, :-1]
edge[1:] |= label[1:] != label[:-1]
highest = known["probability"].values.max(axis=1).reshape(label.shape)
pd.DataFrame(
    {
        "pixels": [edge.sum(), (~edge).sum()],
        "entropy, mean": [entropy[edge].mean(), entropy[~edge].mean()],
        "less than 90 % sure": [(highest[where] < 0.9).mean() for where in (edge, ~edge)],
        "interval, mean width": [interval[edge].mean(), interval[~edge].mean()],
    },
    index=["edge", "elsewhere"],
).round(3)  # fmt: skip

# %% [markdown]
# Closer, where the doubt is densest:

# %%
side = 110
totals = entropy.cumsum(0).cumsum(1)
sums = totals[side:, side:] - totals[:-side, side:] - totals[side:, :-side] + totals[:-side, :-side]
top, left = np.unravel_index(sums.argmax(), sums.shape)
window = np.s_[top : top + side, left : left + side]
figure, axes = plt.subplots(1, 3, figsize=(10.5, 3.5), layout="constrained")
titles = "photograph", "most probable component", "entropy of the label"
for ax, picture, title in zip(axes, (photograph, painted(best, means), entropy), titles, strict=True):
    ax.imshow(picture[window], cmap="magma", vmin=0, vmax=0.7)
    ax.set_title(title, fontsize=10)
    ax.set_axis_off()

# %% [markdown]
# And does the posterior, from one pixel in 121, say what the fit to all of them says? Where it is sure it ought to.

# %%
print(f"adjusted Rand index of the two segmentations: {bg.adjusted_rand_index(labels, best):.3f}")
sure = highest.ravel() > 0.99
print(f"among the {sure.mean():.0%} of pixels of which the posterior is 99 % sure: "
      f"{bg.adjusted_rand_index(labels[sure], best[sure]):.3f}")  # fmt: skip

# %% [markdown]
# Not everywhere: the sky is cut differently. A likelihood with many modes has more than one good answer, and the
# posterior, drawn around the mode with the most mass of its own pixels, is sure given that one.
#
# What is left out: a mixture knows nothing of neighbours, except through x and y. Where edges should be smooth, give
# these labels' probabilities to a Markov random field: they are what such a field needs.
