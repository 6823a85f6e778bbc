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
# # How many? Every answer, and why they differ
#
# The velocities of 82 galaxies, in 1000 km/s, are the best-known data of this question: groups of galaxies that move
# alike would be superclusters. Published answers go from three to nine. Here is what each criterion says, what the
# prior has to do with it, and what no number of clusters can tell.

# %%
import itertools
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import bayesgmm as bg
from bayesgmm import priors

galaxies = bg.load_dataset("galaxies")
galaxies.describe().round(2).T

# %% [markdown]
# ## 1. One table, one figure
#
# `bg.how_many` asks them all: BIC and ICL, the Gaussians of BIC merged into clusters, leave-one-out cross-validation,
# the posterior of the number of components K and of those that have rows, K₊, and the best partition with its credible
# ball. The command line has it as `bayesgmm how-many DATA.csv`.

# %%
found = bg.how_many(galaxies, draws=1000, seed=1, progress=False)
print(found)

# %%
ax = bg.plot_how_many(found)

# %% [markdown]
# Blue counts Gaussians, orange clusters. Look at the ranges before the dots.

# %% [markdown]
# ## 2. The prior has a say
#
# The same data, the same prior of means and variances; only the prior of K, and of the weights, changes. Uniform on
# 1, …, 30 is that of Richardson & Green (1997); "static" weights are Dirichlet(α), "dynamic" ones Dirichlet(α/K), which
# leaves more components empty the more there are.

# %%
PRIORS = {
    "uniform, static": {"n_components": priors.Uniform(30), "concentration": 1.0},
    "geometric, static": {"n_components": priors.Geometric(0.1), "concentration": 1.0},
    "BNB(1, 4, 3), static": {"concentration": 1.0, "weights": "static"},
    "BNB(1, 4, 3), dynamic": {},
    "sparse, 10 components": {"process": "sparse"},
    "Dirichlet process": {"process": "dp"},
}
how = {"keep": "numbers", "draws": 1000, "tune": 2000, "seed": 1, "progress": False}
numbers = {
    name: bg.n_clusters(bg.sample_components(galaxies, **options, **how)).loc["n_clusters"]
    for name, options in PRIORS.items()
}
table = pd.DataFrame({name: one["probability"] for name, one in numbers.items()}).fillna(0.0).T
table = table.loc[:, table.max() > 0.005]
table.round(2).assign(**{"R-hat": [one["r_hat"].iloc[0].round(2) for one in numbers.values()]})

# %%
fig, axes = plt.subplots(2, 3, figsize=(9, 4.2), sharex=True, sharey=True, layout="constrained")
for ax, (name, p) in zip(axes.flat, table.iterrows()):
    ax.bar(p.index, p, color="#D55E00")
    ax.set_title(name, fontsize=9)
for ax in axes[1]:
    ax.set_xlabel("K₊")
for ax in axes[:, 0]:
    ax.set_ylabel("probability")
plt.show()

# %% [markdown]
# Wide priors of K, uniform or this geometric, with static weights favour more clusters, the others fewer, and 82 rows
# do not overrule either. What all of them give a probability is the honest answer; one number with no prior beside it
# is not.

# %% [markdown]
# ## 3. Which clusters?
#
# A number is not yet a set of clusters. `bg.identify` takes the draws that have so many, and groups their components
# over all draws. A draw with one component in each group has its labels; the others are no permutations, and are left
# out.

# %%
draws = bg.sample_components(galaxies, draws=1000, seed=1, progress=False)
rates = {}
for k in (3, 4, 5, 6):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the table says it
        told = bg.identify(draws, k).attrs
    rates[k] = {"share of the draws": told["posterior_share"], "no permutations": told["non_permutation_rate"]}
pd.DataFrame(rates).T.rename_axis("K₊").round(2)

# %% [markdown]
# Three clusters are the same three in nearly every draw. With four or more it changes from draw to draw how the large
# middle one is divided: there is no fourth cluster to speak of, only more ways to fit one shape by several Gaussians.
# What is identified is a posterior like any other.

# %%
three = bg.identify(draws, 3)
print(three.attrs["identified"])
bg.summary(three)

# %%
ax = bg.plot_components(three)

# %% [markdown]
# ## 4. What K₊ cannot tell
#
# K₊ counts Gaussians. Here are two groups, far apart. First each is Gaussian, as the model has it: with more rows the
# finite mixture grows sure of two, and the Dirichlet process does not, for a new row may always bring a cluster of its
# own (Miller & Harrison 2014). Then each is a gamma distribution, skewed to the right. Few rows do not show it; with
# more of them one Gaussian a group no longer describes the rows, and K₊ grows without an end, whatever the prior.

# %%
rng = np.random.default_rng(1)
group = 12.0 * rng.integers(2, size=800)
data = {"Gaussian": group + rng.normal(2.0, 1.4, size=800), "skewed": group + rng.gamma(2.0, size=800)}
how = {"concentration": 1.0, "draws": 250, "tune": 1000, "thin": 5, "keep": "allocations", "seed": 1, "progress": False}
grown = {}
for (kind, x), n, process in itertools.product(data.items(), (50, 200, 800), ("mfm", "dp")):
    k = bg.sample_components(x[:n, None], process=process, **how)["posterior"]["n_clusters"]
    grown[kind, process, n] = {"mean K₊": float(k.mean()), "P(K₊ = 2)": float((k == 2).mean())}
grown = pd.DataFrame(grown).T.rename_axis(["groups", "process", "N"])
grown.unstack("N").round(2)

# %%
fig, axes = plt.subplots(1, 2, figsize=(8, 3.2), sharex=True, layout="constrained")
for ax, kind in zip(axes, data):
    for process, color in (("mfm", "#0072B2"), ("dp", "#D55E00")):
        some = grown.loc[kind, process]["mean K₊"]
        ax.plot(some.index, some, "o-", color=color, label=process)
    ax.axhline(2, color="0.6", lw=0.8, ls=":")
    ax.set(title=f"two {kind} groups", xscale="log", xlabel="rows", xticks=[50, 200, 800], xticklabels=[50, 200, 800])
axes[0].set_ylabel("posterior mean of K₊")
axes[0].legend(frameon=False)
plt.show()

# %% [markdown]
# **So what?** Say what is to be counted. For a density, BIC or the posterior of K; for groups that need not be
# Gaussian, ICL or merged components; for predictions, the fewest that LOO cannot tell from the best. Report a range.
