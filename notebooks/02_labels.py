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
# # Which component is which?
#
# The density of a mixture, $p(x) = \sum_k \pi_k N(x \mid \mu_k, \Sigma_k)$, is the same when components trade numbers.
# So the posterior has each of its modes $K!$ times, and a sampler that wanders from one to the next, as it should,
# swaps labels on the way. "The mean of component 0" is then an average over different components.
#
# Nothing is wrong with such draws. Densities, predictions, and whether two rows belong together do not depend on
# labels. Statements about a single component do, and need two things: **labels that are matched**, and **labels that
# can be matched**. This notebook has an example of each case: one where matching settles it, and one where labels mean
# nothing, whatever the algorithm.

# %%
import matplotlib.pyplot as plt
import numpy as np

import bayesgmm as bg
from bayesgmm.draws import label_report, mixture_at
from bayesgmm.draws.permute import permute
from bayesgmm.models import finite_mixture


def two_groups(n, apart, seed):
    """n rows, a third of them shifted."""
    x = np.random.default_rng(seed).standard_normal((n, 1))
    x[: n // 3] += apart
    return x


def as_sampled(draws):
    """The draws before `relabel`, whose record of what it did is undone."""
    record = draws.sample_stats["permutation"].values
    return permute(draws, np.argsort(record, axis=-1).reshape(-1, record.shape[-1]))


def traces(ax, draws, title):
    """The mean of both components, draw after draw, one chain after the other."""
    means = draws.posterior["means"].values[..., 0]
    chains, n = means.shape[:2]
    ax.plot(means.reshape(chains * n, -1), lw=0.4, label=["component 0", "component 1"])
    for chain in range(1, chains):
        ax.axvline(chain * n, color="0.3", lw=0.8)
    ax.set(title=title, xlabel="draw (lines part the chains)", ylabel="mean")
    ax.margins(x=0)


# %% [markdown]
# ## 1. Labels that switch
#
# Eighty rows in two groups, 2.2 standard deviations apart. `sample` starts every chain in one labelling, and matches
# labels afterwards; what it did is recorded, so that we can look at both.

# %%
x = two_groups(80, apart=2.2, seed=1)
draws = bg.sample(finite_mixture(x, 2), seed=4, progress=False)

figure, axes = plt.subplots(1, 2, figsize=(9.6, 3.0), sharey=True, layout="constrained")
traces(axes[0], as_sampled(draws), "as they were sampled")
traces(axes[1], draws, "after matching")
_ = figure.legend(*axes[1].get_legend_handles_labels(), loc="outside lower center", ncols=2)

# %% [markdown]
# R-hat compares chains. With labels as they were sampled it says that the chains disagree, though they agree on
# everything but names. After matching they agree:

# %%
label_report(draws).round(3)

# %% [markdown]
# `moved` is the share of draws in which a component had another number. For each draw and each component, `relabel`
# also keeps the probability that the label is right, `sample_stats["label_confidence"]`; `confidence` is its mean. And
# the verdict:

# %%
print(bg.diagnose(draws))

# %% [markdown]
# How does matching work? The default, **ECR**, looks for the allocation of the rows that the draws agree on, and gives
# every draw the order of components that agrees with it best. **Stephens' algorithm** compares the responsibilities
# themselves, **pivot** the parameters, and **order** sorts by a mean. When components can be told apart it should not
# matter, and it does not:

# %%
methods = ("ecr", "ecr-pivot", "stephens", "pivot", "order")


def shares_alike(draws):
    """In which share of the draws two methods give the same labels, up to one exchange for all of them."""
    ours = [bg.relabel(draws, method=method).sample_stats["permutation"].values[..., 0] for method in methods]
    alike = np.array([[(a == b).mean() for b in ours] for a in ours])
    return np.maximum(alike, 1 - alike)


def print_shares(draws):
    print(" " * 9, *(f"{name:>9}" for name in methods))
    for name, row in zip(methods, shares_alike(draws)):
        print(f"{name:9}", *(f"{share:9.3f}" for share in row))


print_shares(draws)

# %% [markdown]
# With labels settled, rows can be asked about. Which of them belong to nobody in particular, and why? The entropy of a
# row's label has two parts: components **overlap** there, or the **parameters** are not known well enough to say. Only
# the second would go away with more rows:

# %%
rows = bg.uncertain(draws)
rows["x"] = x[rows.index, 0]
rows[["x", "component", "probability", "lower", "upper", "from_overlap", "from_parameters", "cause"]].head(6).round(2)

# %% [markdown]
# ## 2. Labels that mean nothing
#
# Sixty rows of *one* normal distribution, and two components are asked for. The posterior takes the rows apart in many
# ways: a large part and a small one, a wide and a narrow one, a left and a right one.

# %%
y = two_groups(60, apart=0.0, seed=1)
unclear = bg.sample(finite_mixture(y, 2), seed=1, progress=False)

figure, axes = plt.subplots(1, 2, figsize=(9.6, 3.0), sharey=True, layout="constrained")
traces(axes[0], as_sampled(unclear), "as they were sampled")
traces(axes[1], unclear, "after matching")
_ = figure.legend(*axes[1].get_legend_handles_labels(), loc="outside lower center", ncols=2)

# %%
label_report(unclear).round(3)

# %% [markdown]
# R-hat has nothing to say here. Within each chain labels switch so often that chains agree even before; and after
# matching, every chain has been cut in two at the same place, and chains that are cut alike agree. What gives it away
# is the confidence.
#
# Take the difference between the two components (their means, log variances and log weights). Exchanging the labels
# turns it into its negative: a cloud, and its mirror image. The probability that a label is right is that of the draw
# belonging to the cloud and not to the image. Between the two, a draw could as well be called the other way round; on
# the far side, its parameters say that it *should* be:

# %%
figure, axes = plt.subplots(1, 2, figsize=(9.6, 2.8), sharey=True, layout="constrained")
for ax, found, title in ((axes[0], draws, "first data set"), (axes[1], unclear, "second data set")):
    confidence = found.sample_stats["label_confidence"].values[..., 0].ravel()
    ax.hist(confidence, bins=np.linspace(0, 1, 41), weights=np.full(confidence.size, 1 / confidence.size))
    ax.set(title=title, xlabel="probability that the label is right", xlim=(0, 1))
_ = axes[0].set_ylabel("share of draws")

# %% [markdown]
# Each algorithm goes by something else: by the rows, by the parameters, by the mean alone. Where components stand apart
# all lead to the same labels; here they lead to different ones, and none is more right than the others:

# %%
print_shares(unclear)

# %% [markdown]
# `diagnose` says so, and `summary` then leaves single components out. It shows what labels do not touch:

# %%
bg.summary(unclear)

# %% [markdown]
# What can still be said? Everything about the density, which does not ask for labels. The mean of the whole, the sorted
# weights, and predictions are as good as ever:

# %%
grid = np.linspace(y.min() - 1.5, y.max() + 1.5, 200)
density = [mixture_at(unclear, chain, draw).prob(grid) for chain in range(4) for draw in range(0, 1000, 20)]

figure, ax = plt.subplots(figsize=(6.4, 2.8), layout="constrained")
ax.fill_between(grid, *np.quantile(density, [0.05, 0.95], axis=0), alpha=0.3, lw=0, label="90 % of the posterior")
ax.plot(grid, np.mean(density, axis=0), label="posterior mean")
ax.plot(y[:, 0], np.zeros(len(y)), "|", color="0.2", ms=12)
ax.set(xlabel="x", ylabel="density", ylim=(0, None))
_ = ax.legend(fontsize=8)

# %% [markdown]
# Whether that density describes the rows is a question without labels, too. Data sets drawn from the posterior look
# like the data (a histogram within the band, and the share of rows in regions of high density as it ought to be): two
# components do no harm here, they only have no names.

# %%
check = bg.predictive_check(unclear, seed=1)
print(check)
_ = bg.plot_predictive_check(check)

# %% [markdown]
# If a component has a meaning of its own, such as "the left one", ask for that: `relabel(draws, method="order")` sorts
# by a mean. The labels are then what you said they are. They still need not be groups that exist.
