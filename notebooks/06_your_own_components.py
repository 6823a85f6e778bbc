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
# # Components of your own
#
# A mixture need not be one of Gaussians. Here the components are straight lines: in each, sepal width depends on sepal
# length in its own way. Fisher's irises are known for it, since over all flowers the width *falls* with the length,
# and within a species it rises (Simpson's paradox). The species are set aside and asked at the end.
#
# A story is a file of yours. It needs nothing of this package but `bg.MarginalMixture`, and gets what ours have.

# %%
import importlib.util
from dataclasses import dataclass
from pathlib import Path

import arviz as az
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_iris
from sklearn.metrics import adjusted_rand_score

import bayesgmm as bg

iris = load_iris()
length, width = iris.data[:, 0], iris.data[:, 1]
setosa = iris.target == 0
print(f"correlation over all flowers {np.corrcoef(length, width)[0, 1]:.2f}")

# %% [markdown]
# ## The story, in 30 lines
#
# $Z_n \sim \text{Categorical}(\pi)$, and $Y_n \mid Z_n = k \sim \text{Normal}(a_k + b_k (x_n - \bar x), \sigma_k)$. The
# components are an unnamed PyMC distribution with a column for each. Every variable of a component has the dim
# `component`: that is how labels can be permuted everywhere at once.

# %%
STORY = '''"""A mixture of K straight lines.

    Z_n ~ Categorical(pi)
    Y_n | Z_n = k ~ Normal(a_k + b_k (x_n - c), s_k)

    pi ~ Dirichlet(1),  a_k ~ Normal(m, 2 s),  b_k ~ Normal(0, 2),  s_k ~ InverseGamma(3, s)
"""

import numpy as np
import pymc as pm

import bayesgmm as bg

CENTRE = 5.8  # of the lengths, in cm: a_k is the width of a flower of this length


def lines(length, width, n_components):
    m, s = np.mean(width), np.std(width)
    with pm.Model(coords={"component": range(n_components), "obs": range(len(width))}) as model:
        weights = pm.Dirichlet("weights", np.ones(n_components), dims="component")
        levels = pm.Normal("levels", m, 2 * s, dims="component")
        slopes = pm.Normal("slopes", 0.0, 2.0, dims="component")
        sds = pm.InverseGamma("sds", 3.0, s, dims="component")
        apart = (np.asarray(length) - CENTRE)[:, None]
        rows = pm.Normal.dist(mu=levels + slopes * apart, sigma=sds)
        bg.MarginalMixture("x", weights, rows, observed=width, dims="obs")
    return model
'''
Path("lines.py").write_text(STORY)
spec = importlib.util.spec_from_file_location("lines", "lines.py")
story = importlib.util.module_from_spec(spec)
spec.loader.exec_module(story)

# %% [markdown]
# ## Is it a sound story?
#
# `check_story` evaluates it, exchanges its components, leaves rows out, and compares the gradient with differences. It
# says nothing of a sound story. Of one that is not, it says what is wrong: here, a variable that lost its dim.

# %%
bg.testing.check_story(story.lines, length, width, 2)

broken = STORY.replace('pm.Normal("slopes", 0.0, 2.0, dims="component")', 'pm.Normal("slopes", 0.0, 2.0, shape=2)')
namespace = {}
exec(broken, namespace)
for sentence in bg.testing.faults(namespace["lines"], length, width, 2):
    print(sentence)

# %% [markdown]
# ## The posterior
#
# `fit_map` and `sample` climb and explore the model's own graph; nothing is compiled for it.

# %%
model = story.lines(length, width, 2)
print(bg.fit_map(model, seed=1, progress=False))

# %%
draws = bg.sample(model, seed=1, progress=False)
bg.summary(draws)

# %% [markdown]
# Both slopes are above 0, though the slope over all flowers is not. Who belongs where is asked of the rows, as of any
# mixture, and so is who is truly uncertain and why.

# %%
p = bg.membership(draws)["probability"].values
print(f"adjusted Rand index with setosa and the others {adjusted_rand_score(setosa, p.argmax(axis=1)):.2f}")
bg.uncertain(draws).head()

# %%
fig, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
grid = np.linspace(length.min(), length.max(), 50)
posterior = draws["posterior"].dataset.stack(sample=("chain", "draw"))
for k, color in enumerate(["#0072B2", "#D55E00"]):
    level, slope = (posterior[name].isel(component=k).values[::40] for name in ("levels", "slopes"))
    axes[0].plot(grid, level + slope * (grid[:, None] - story.CENTRE), color=color, alpha=0.08, lw=1)
    for own, marker, name in ((setosa, "o", "setosa"), (~setosa, "^", "another species")):
        rows = (p.argmax(axis=1) == k) & own
        axes[0].scatter(
            length[rows],
            width[rows],
            s=22,
            marker=marker,
            color=color,
            ec="white",
            lw=0.5,
            label=f"component {k}, {name}" if rows.any() else None,
        )
axes[0].set(xlabel="sepal length, cm", ylabel="sepal width, cm")
axes[0].legend(fontsize=8, frameon=False)
bg.plot_membership(draws, component=1, ax=axes[1])
plt.show()

# %%
bg.plot_forest(draws)
plt.show()

# %% [markdown]
# ## How many lines?
#
# The log-likelihood of each row is kept with the draws, so leave-one-out cross-validation needs nothing more.

# %%
short = dict(draws=500, tune=500, seed=1, progress=False)
other = {k: bg.sample(story.lines(length, width, k), **short) for k in (1, 3)}
table = az.compare({f"{k} line{'s' * (k > 1)}": tree for k, tree in {**other, 2: draws}.items()})
table[["rank", "elpd", "p", "elpd_diff", "dse"]].round(1)

# %% [markdown]
# ## Predictions
#
# PyMC draws them: a label for every flower, then its width. Ninety per cent intervals should hold nine flowers in ten.

# %%
wide = bg.extend(draws, model, "posterior_predictive", seed=1)["posterior_predictive"]["x"]
lower, upper = wide.quantile([0.05, 0.95], dim=("chain", "draw")).values
print(f"{np.mean((width >= lower) & (width <= upper)):.0%} of the flowers are within their 90 % intervals")

# %% [markdown]
# ## Maximum likelihood, where an M-step is known
#
# EM asks components for two things: their log densities, and how they are estimated from weighted rows. Both lines
# share a standard deviation here: with one of its own, a line through two flowers would have an infinite likelihood,
# which no prior holds back.


# %%
@dataclass(frozen=True)
class Lines:
    """Straight lines: coefficients (2, K), and the standard deviation about them."""

    coefficients: np.ndarray
    sd: float
    design = np.column_stack([np.ones_like(length), length - story.CENTRE])

    def log_prob(self, y):
        z = (y[:, None] - self.design @ self.coefficients) / self.sd
        return -0.5 * z**2 - np.log(self.sd) - 0.5 * np.log(2 * np.pi)

    @classmethod
    def m_step(cls, y, responsibilities):
        each = responsibilities.T
        found = np.array([np.linalg.lstsq(cls.design * np.sqrt(r)[:, None], y * np.sqrt(r))[0] for r in each]).T
        squares = (y[:, None] - cls.design @ found) ** 2 * responsibilities
        return cls(found, np.sqrt(squares.sum() / responsibilities.sum()))


fit = bg.fit_components(width, Lines, 2, seed=0, progress=False)
print(fit)
