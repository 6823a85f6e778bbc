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
# # How many components, and of which shape?
#
# The earlier notebooks took the number of components as given. Here it is the question. The data are 342 penguins of
# three species near Palmer Station, Antarctica, two species of which look much alike. We pretend not to know the
# species, and look at them at the end.

# %%
import pandas as pd

import bayesgmm as bg
from bayesgmm.models import finite_mixture

penguins = bg.load_dataset("penguins")
x = penguins[["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]]
x.describe().loc[["mean", "std", "min", "max"]].round(1)

# %% [markdown]
# ## 1. Fit them all
#
# `bg.select` fits one to nine components of fourteen covariance families: ellipsoids whose volume, shape and
# orientation are equal for all components or vary (`bg.family("VEI").description` says which is which). Each fit begins
# at several starts, and where other fits have ended. BIC weighs how well a fit describes the rows against how many
# parameters it has; lower is better.

# %%
found = bg.select(x, seed=0, progress=False)
print(found)

# %%
ax = bg.plot_selection(found)

# %% [markdown]
# Differences are what counts, so the figure shows them: how far each fit is above the best. Up to 10 they are to scale;
# those beyond hardly matter. A gap is a fit that collapsed: a component that shrinks onto a few rows has a likelihood
# without bound, which is no evidence of anything. The table has the reason of each.

# %%
found.ranking.head(8)

# %%
found.table.loc[found.table["degenerate"], ["n_components", "covariance_type", "note"]].head(3)

# %% [markdown]
# ## 2. When BIC and ICL disagree
#
# BIC asks how many Gaussians the **density** needs. ICL asks how many **clusters** rows can be told apart into: it adds
# a penalty for every row that lies between components. A group that is no Gaussian takes two of them to describe, which
# overlap; BIC takes both, ICL does not like it.

# %%
found.choices

# %% [markdown]
# A third answer keeps the density that BIC chose and merges its components into clusters, first the two that overlap
# most. The entropy says in how much doubt the rows are; merging what overlaps makes it fall, merging clusters that lie
# apart does not.

# %%
merging = found.merging
ax = bg.plot_merging(merging)

# %%
merging

# %% [markdown]
# And the species?

# %%
pd.crosstab(penguins["species"], merging.labels(), colnames=["cluster"])

# %%
pd.crosstab([penguins["species"], penguins["sex"]], found.best.mixture.predict(x), colnames=["component"])

# %% [markdown]
# The components that are merged, or not, have a meaning that the criteria know nothing of: males and females of a
# species differ in size. Whether these are one group or two depends on what the groups are for. No criterion answers
# that.

# %% [markdown]
# ## 3. A test: one component more?
#
# The bootstrap likelihood-ratio test asks whether K + 1 components fit better than they would by chance if K were
# enough: it simulates from the fit of K, fits both again, and counts. Here within the family that BIC chose, and with
# 99 samples a step to be quick; use 999 for a p-value to report.

# %%
bg.bootstrap_lrt(x, range(1, 6), covariance_type=found.best.covariance_type, replicates=99, seed=1, progress=False)

# %% [markdown]
# ## 4. On to the posterior
#
# Selection gives one mixture, as if its number of components and its parameters were known. The posterior says how
# well the parameters are. Its stories have the four families that scikit-learn has; we take the number of components
# that was chosen, with full covariances.

# %%
k = found.best.n_components
model = finite_mixture(x, n_components=k)
draws = bg.sample(model, draws=500, tune=500, seed=1, progress=False)
print(bg.diagnose(draws))

# %%
ax = bg.plot_components(draws, features=["bill_length_mm", "bill_depth_mm"])

# %% [markdown]
# **So what?** Look at more than the first row of the ranking: how far ahead it is, whether more than one start reached
# it, and whether ICL and merging tell the same story. If they do not, say which question you ask. And a number of
# components that is not known is itself uncertain: a posterior can have it as an unknown.
