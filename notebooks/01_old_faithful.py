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
# # Old Faithful, three ways
#
# Old Faithful is a geyser in Yellowstone. Each row of its data set is one eruption: how long it lasted, and how long
# people waited for the next one, both in minutes. Short eruptions are followed by short waits, long eruptions by long
# ones, and there is little in between: two clusters.
#
# We tell one story about these data, a mixture of two Gaussians, and fit it in three ways:
#
# 1. **maximum likelihood** (MLE): the parameters under which the data are most probable, by EM;
# 2. **maximum a posteriori** (MAP): the parameters with the highest posterior density, by EM again;
# 3. the **posterior**: all parameters that the data leave plausible, as draws by NUTS.
#
# The first two are points. The third says how far to trust them.

# %%
import logging

import arviz as az
import matplotlib.pyplot as plt
import numpy as np
import pymc as pm
from scipy.stats import skew

import bayesgmm as bg
from bayesgmm.models import finite_mixture

logging.getLogger("pymc").setLevel(logging.ERROR)  # no list of the variables being sampled
SEED = 1

# %%
x = bg.load_dataset("faithful")
x.describe().round(2)

# %% [markdown]
# ## 1. The story
#
# For each eruption *n*, nature first chooses a kind and then draws the two numbers:
#
# $$Z_n \sim \text{Categorical}(\pi), \qquad X_n \mid Z_n = k \sim \text{Normal}(\mu_k, \Sigma_k).$$
#
# We see $X_n$, not $Z_n$. Summing the unseen label out gives the density of a row,
#
# $$p(x_n) = \sum_k \pi_k \, N(x_n \mid \mu_k, \Sigma_k),$$
#
# and Bayes' rule gives the **responsibility** of component *k* for it,
# $r_{nk} = P(Z_n = k \mid x_n) = \pi_k N(x_n \mid \mu_k, \Sigma_k) \,/\, p(x_n)$.
#
# `finite_mixture` writes this story down as a PyMC model. `MarginalGaussianMixture` is $p(x_n)$, the labels summed
# out already, so nothing discrete is left to sample.

# %%
model = finite_mixture(x, n_components=2)
print(model.str_repr())

# %% [markdown]
# The same story as a graph, in the text form of Mermaid. (Any Mermaid viewer draws it; with Graphviz installed, so
# does `model.to_graphviz()`.) The plates at the end say what is repeated: parameters over components, rows over `obs`.

# %%
print(pm.model_to_mermaid(model))

# %% [markdown]
# ## 2. The prior, and what it expects to see
#
# The default prior is conjugate and takes its scale from the data, so that it means the same in minutes as in hours.
# Here are its constants, in the units of the data:

# %%
prior = bg.scale_prior("conjugate", x, 2)
print(prior)

# %% [markdown]
# Constants are hard to judge; data are not. So let the story run forward: draw parameters from the prior, then 272
# eruptions from those parameters. Five such imaginary geysers stand beside the real one.

# %%
prior_draws = pm.sample_prior_predictive(draws=500, model=model, random_seed=SEED)
imagined = prior_draws["prior_predictive"]["x"].values[0]

figure, axes = plt.subplots(2, 3, figsize=(8.4, 5.0), sharex=True, sharey=True, layout="constrained")
for ax, rows in zip(axes.flat, [x.to_numpy(), *imagined[:5]]):
    ax.scatter(*rows.T, s=6, color="#999999", lw=0)
    ax.set(xlim=(0.5, 6.5), ylim=(35, 105))
axes[0, 0].collections[0].set_color("#0072B2")
axes[0, 0].set_title("the data")
for i, ax in enumerate(axes.flat[1:], start=1):
    ax.set_title(f"imagined {i}")
figure.supxlabel("eruptions (minutes)")
_ = figure.supylabel("waiting (minutes)")

# %%
inside = ((imagined >= x.min().to_numpy()) & (imagined <= x.max().to_numpy())).all(axis=2).mean()
print(f"{inside:.0%} of the imagined eruptions lie within the range of the real ones.")
print(f"{(imagined[..., 0] < 0).mean():.1%} of them last less than no time.")

# %% [markdown]
# The prior expects clusters of about the right size in about the right region, and leaves their weights, places and
# shapes open: in some imagined geysers the clusters are apart, in others they lie on each other. It also shows what
# the story leaves out: a normal distribution doesn't know that durations are positive.
#
# ## 3. Three fits
#
# **Maximum likelihood.** EM alternates two steps: responsibilities given the parameters, and parameters given the
# responsibilities. No step lowers the log-likelihood.

# %%
mle = bg.fit_mle(x, n_components=2, seed=SEED, progress=False)
print(mle)
print(f"\nsmallest step of the log-likelihood: {np.diff(mle.history).min():.1e}")

# %% [markdown]
# **Maximum a posteriori.** The same loop, but the second step also weighs the prior. It takes the PyMC model, because
# that is where the prior is.

# %%
map_ = bg.fit_map(model, seed=SEED, progress=False)
print(map_)

# %% [markdown]
# **Posterior.** Four chains of NUTS, each 1000 draws after 1000 of warm-up. The likelihood is the same when the
# components trade names, so every chain starts in one labelling and labels are matched afterwards.

# %%
draws = bg.sample(model, seed=SEED, progress=False)
bg.summary(draws)

# %% [markdown]
# ## 4. Can we trust the draws?
#
# A sampler gives numbers whether or not it has worked. `diagnose` looks first at quantities that don't depend on the
# labels, then at the components.

# %%
print(bg.diagnose(draws).text)

# %% [markdown]
# Draws come as an ArviZ `DataTree`, so all of ArviZ's own plots work. **Traces**: each chain should look like the
# others, with no drift.

# %%
_ = az.plot_trace_dist(draws, var_names=["means"], compact=False)

# %% [markdown]
# **Ranks**: if all chains explore the same posterior, the ranks of each chain's draws among all draws are uniform,
# and its line stays near zero. Each panel's *p* says how often chains that agree would look at least so uneven; one
# small *p* among several is chance now and then, one chain that is off in many panels is not.

# %%
_ = bg.plot_ranks(draws)

# %% [markdown]
# **Energy**: the two distributions should overlap; where the energy changes too little from draw to draw, NUTS can't
# reach the tails.

# %%
_ = az.plot_energy(draws)

# %% [markdown]
# **Effective sample size**, all over each distribution: tails, too, need enough independent draws.

# %%
_ = az.plot_ess(draws, var_names=["means"])

# %% [markdown]
# ## 5. Does the model fit?
#
# **Leave-one-out**: how well does the posterior predict a row that it has not seen? A Pareto k above 0.7 would mark a
# row on which the answer depends too much for this estimate to be trusted.

# %%
loo = az.loo(draws)
print(loo)
print(f"p_loo, the effective number of parameters, is {loo.p:.1f}; the model has {mle.n_parameters}.")

# %% [markdown]
# **Posterior predictive check**: let the story run forward again, now from the posterior, and compare these replicated
# data sets with the real one. The band holds 95 % of the replicated counts, bar by bar.

# %%
predicted = pm.sample_posterior_predictive(draws, model=model, random_seed=SEED, progressbar=False)
replicated = predicted["posterior_predictive"]["x"].values.reshape(-1, *x.shape)

figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.2), layout="constrained")
for i, (ax, name) in enumerate(zip(axes, x.columns)):
    bins = np.linspace(x[name].min() - x[name].std(), x[name].max() + x[name].std(), 28)
    counts = [np.histogram(rows[:, i], bins)[0] for rows in replicated]
    low, high = np.quantile(counts, [0.025, 0.975], axis=0)
    ax.stairs(high, bins, baseline=low, fill=True, color="#D0D0D0", label="replicated")
    ax.stairs(np.histogram(x[name], bins)[0], bins, color="#0072B2", lw=2, label="data")
    ax.set(xlabel=f"{name} (minutes)", ylabel="rows")
_ = axes[1].legend(frameon=False, loc="upper left")

# %% [markdown]
# The same check in numbers: a few statistics of the data, and where they fall among the replicated ones.


# %%
def statistics(rows):
    short = rows[:, 0] < 3
    return {
        "share of eruptions under 3 minutes": short.mean(),
        "share of eruptions between 2.5 and 3.5 minutes": (abs(rows[:, 0] - 3) < 0.5).mean(),
        "correlation, all rows": np.corrcoef(rows.T)[0, 1],
        "correlation, eruptions of 3 minutes and more": np.corrcoef(rows[~short].T)[0, 1],
        "skewness, eruptions under 3 minutes": skew(rows[short, 0]),
    }


simulated = [statistics(rows) for rows in replicated]
for name, value in statistics(x.to_numpy()).items():
    values = np.array([one[name] for one in simulated])
    low, high = np.quantile(values, [0.025, 0.975])
    print(f"{name:47} data {value:.2f}   replicated: {low:.2f} to {high:.2f} (95 %)")

# %% [markdown]
# Shares and correlations of the data are ordinary among the replicated ones. The last line is where the story is too
# simple: short eruptions begin abruptly and trail off, and a normal distribution is symmetric. For finding the two
# kinds this matters little; for predicting the shortest eruptions it would.
#
# ## 6. The comparison
#
# One row a parameter. `difference` is (MLE − posterior mean) in posterior standard deviations.

# %%
comparison = bg.compare(mle, map_, draws)
comparison

# %%
table = comparison.table
farthest = table["difference"].abs().idxmax()
row = table.loc[farthest]
print(f"MLE and posterior mean differ most for {farthest}: {row['mle']:.4f} and {row['mean']:.4f},")
print(f"{abs(row['difference']):.2f} posterior standard deviations apart. The median over the parameters is "
      f"{table['difference'].abs().median():.2f}.")  # fmt: skip

# %% [markdown]
# With this many rows and clusters this far apart, the three answers nearly agree. They differ most in the covariance
# of component 0, the smaller one: fewer rows speak against the prior there. And the posterior of a variance is skewed
# to the right, so that its mean lies above its mode. What the posterior adds to the points is a width: the thin
# ellipses, one a draw, around the bold one at the posterior mean.

# %%
_ = bg.plot_components(draws, mle=mle)

# %%
_ = bg.plot_comparison(mle, draws, map=map_)

# %% [markdown]
# ## 7. Which component does a row belong to?
#
# For a row *of the data*, $P(Z_n = k \mid \text{data})$ is the posterior mean of the responsibility, $E[r_{nk}]$.
# The bars say how far that responsibility moves over the posterior.

# %%
_ = bg.plot_membership(draws, scatter=True)

# %%
own = bg.membership(draws)
sure = int((own["probability"].max("component") > 0.99).sum())
print(f"{sure} of {own.sizes['obs']} rows belong to one of the components with a probability above 99 %.")
print("The five least certain, with the probability of component 1:")
doubtful = own["entropy"].argsort().values[::-1][:5]
x.iloc[doubtful].assign(
    probability=own["probability"][doubtful, 1].values,
    lower=own["lower"][doubtful, 1].values,
    upper=own["upper"][doubtful, 1].values,
).round(3)

# %% [markdown]
# ## 8. And a new point?
#
# For a point $\tilde x$ that is **not** in the data, the mean of the responsibilities is the wrong answer. The draws
# are from $p(\theta \mid \text{data})$, but $\tilde x$ itself is evidence about $\theta$: parameters under which it
# is likely deserve more weight. By Bayes' rule,
#
# $$P(\tilde z = k \mid \tilde x, \text{data})
#   = \frac{p(\tilde z = k, \tilde x \mid \text{data})}{p(\tilde x \mid \text{data})}
#   = \frac{E[\pi_k N_k(\tilde x)]}{E[p(\tilde x)]}
#   = \frac{E[\,p(\tilde x)\, r_k(\tilde x)\,]}{E[p(\tilde x)]},$$
#
# all expectations over the posterior. It is the mean of $r_k$ with weights $p(\tilde x \mid \theta)$; the plain mean
# $E[r_k(\tilde x)]$ weighs all draws alike. A row of the data needs no such weights, since the posterior has seen it.
#
# Take two new eruptions: one between the clusters, and one that is unlike both, short but with a long wait.

# %%
new = np.array([[3.0, 65.0], [2.0, 95.0]])
points = ["between", "unlike both"]
answer = bg.membership(draws, new)
for i, name in enumerate(points):
    right, plain = answer["probability"].values[i, 0], answer["mean"].values[i, 0]
    print(f"{name:12} eruption {new[i, 0]:.0f} min, wait {new[i, 1]:.0f} min: "
          f"P(z = 0 | x, data) = {right:.3f}, mean of responsibilities = {plain:.3f}")  # fmt: skip

# %% [markdown]
# The formula by hand, for both points, from the draws:

# %%
post = draws["posterior"].to_dataset().stack(sample=("chain", "draw"))
weights = post["weights"].transpose("sample", "component").values
means = post["means"].transpose("sample", "component", "feature").values
covariances = post["covariances"].transpose("sample", "component", "feature", "feature_other").values


def joint(point):
    """π_k N(x | μ_k, Σ_k) for every draw and component."""
    away = (point - means)[..., None]
    distance = (away * np.linalg.solve(covariances, away)).sum(axis=(-2, -1))
    return weights * np.exp(-distance / 2) / np.sqrt(np.linalg.det(2 * np.pi * covariances))


for name, point in zip(points, new):
    j = joint(point)
    p = j.sum(axis=1)
    print(f"{name:12} E[π_0 N_0] / E[p] = {j[:, 0].mean() / p.mean():.3f}, E[π_0 N_0 / p] = {(j[:, 0] / p).mean():.3f}")

# %% [markdown]
# Each dot below is a draw: the responsibility of component 0 under it, and how likely it makes the new point,
# relative to the average draw.

# %%
figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.4), sharey=True, layout="constrained")
for ax, name, point, i in zip(axes, points, new, range(2)):
    p = joint(point).sum(axis=1)
    ax.scatter(joint(point)[:, 0] / p, p / p.mean(), s=5, alpha=0.35, color="#999999", lw=0)
    ax.axvline(answer["mean"].values[i, 0], color="#D55E00", ls="--", label="mean of responsibilities")
    ax.axvline(answer["probability"].values[i, 0], color="#0072B2", label="P(z = 0 | x, data)")
    ax.set(title=f"{name}: ({point[0]:.0f}, {point[1]:.0f})", xlim=(-0.02, 1.02), yscale="log")
    ax.set_xlabel("responsibility of component 0")
axes[0].set_ylabel("p(x | draw) / mean")
_ = figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)

# %% [markdown]
# Between the clusters, the draws that make the point likely are spread over all responsibilities, and the two numbers
# nearly agree. For the point unlike both, the draws that make it likely at all are those whose component 0 is wide
# enough to reach it, and they decide; the plain mean gives as much weight to the many draws that call the point
# next to impossible. `membership` returns both numbers, as `probability` and `mean`.
#
# A last caution: the answer is conditional on the story. It says which of *two* components an odd point came from,
# not whether it came from either.

# %%
log_density = np.log([joint(point).sum(axis=1).mean() for point in new])
least = np.log(np.exp(draws["log_likelihood"]["x"]).mean(("chain", "draw"))).min().item()
for name, value in zip(points, log_density):
    print(f"{name:12} log predictive density {value:6.2f}   (the least likely row of the data: {least:.2f})")
