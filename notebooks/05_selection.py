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
# those beyond hardly matter. Two fits of four components are as good as each other: one ellipsoid for all (EEE), or of
# four sizes (VEE). Had a component collapsed onto a few rows, there would be a gap in the line, and a note in
# `found.table` that says onto which: its likelihood has no bound, and is no evidence of anything.

# %%
found.ranking.drop(columns=["converged", "degenerate", "note"]).head(6).round(1)

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
# All but five of the penguins are where their species is. The two components that were merged have a meaning as well:
# they are the females and the males of one species, which differ in size more than those of the others. Whether these
# are one group or two depends on what the groups are for, and no criterion answers that.

# %% [markdown]
# ## 3. A test: one component more?
#
# The bootstrap likelihood-ratio test asks whether K + 1 components fit better than they would by chance if K were
# enough: it simulates from the fit of K, fits both again, and counts. Here within one family, and with 99 samples a
# step to be quick; use 999 for a p-value to report.

# %%
bg.bootstrap_lrt(x, range(2, 5), covariance_type="EEE", replicates=99, seed=1, progress=False)

# %% [markdown]
# ## 4. On to the posterior
#
# Selection gives one mixture, as if its parameters were known. The posterior says how well they are. Its stories have
# four of the fourteen families; the runner-up, which BIC cannot tell from the best, is one of them.

# %%
mle = found.fit(4, "EEE")
draws = bg.sample(finite_mixture(x, n_components=4, covariance_type="tied"), seed=1, progress=False)
print(bg.diagnose(draws))

# %%
bg.compare(mle, draws, folds=None).table.loc[["weights[0]", "weights[1]", "weights[2]", "weights[3]"]]

# %%
ax = bg.plot_components(draws, mle=mle, features=["bill_length_mm", "bill_depth_mm"])

# %% [markdown]
# **So what?** Look at more than the first row of the ranking: how far ahead it is, whether more than one start reached
# it, and whether ICL and merging tell the same story. If they do not, say which question you ask. And a number of
# components that is not known is itself uncertain: a posterior can have it as an unknown.
