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
# A mixture need not be one of Gaussians. Here the components are straight lines: in each, y depends on x in its own
# way. The data are simulated, two crossing lines with other scatter about them, so that the truth is known; who is of
# which line is set aside and asked at the end.
#
# A story is a file of yours. It needs nothing of this package but `bg.MarginalMixture`, and gets what ours have.

# %%
import importlib.util
from dataclasses import dataclass
from pathlib import Path

import arviz as az
import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import adjusted_rand_score

import bayesgmm as bg

rng = np.random.default_rng(7)
TRUTH = {"levels": [1.0, 0.0], "slopes": [1.5, -1.0], "sds": [0.3, 0.6]}
truth = (rng.random(150) < 0.4).astype(int)
x = rng.uniform(-2, 2, 150)
level, slope, sd = (np.array(values)[truth] for values in TRUTH.values())
y = level + slope * x + sd * rng.normal(size=150)
print(f"{np.sum(truth == 0)} rows of the first line, {np.sum(truth == 1)} of the second")

# %% [markdown]
# ## The story, in 30 lines
#
# $Z_n \sim \text{Categorical}(\pi)$, and $Y_n \mid Z_n = k \sim \text{Normal}(a_k + b_k x_n, \sigma_k)$. The components
# are an unnamed PyMC distribution with a column for each. Every variable of a component has the dim
# `component`: that is how labels can be permuted everywhere at once.

# %%
STORY = '''"""A mixture of K straight lines.

    Z_n ~ Categorical(pi)
    Y_n | Z_n = k ~ Normal(a_k + b_k x_n, s_k)

    pi ~ Dirichlet(1),  a_k ~ Normal(m, 2 s),  b_k ~ Normal(0, 2),  s_k ~ InverseGamma(3, s)
"""

import numpy as np
import pymc as pm

import bayesgmm as bg


def lines(x, y, n_components):
    m, s = np.mean(y), np.std(y)
    with pm.Model(coords={"component": range(n_components), "obs": range(len(y))}) as model:
        weights = pm.Dirichlet("weights", np.ones(n_components), dims="component")
        levels = pm.Normal("levels", m, 2 * s, dims="component")
        slopes = pm.Normal("slopes", 0.0, 2.0, dims="component")
        sds = pm.InverseGamma("sds", 3.0, s, dims="component")
        rows = pm.Normal.dist(mu=levels + slopes * np.asarray(x)[:, None], sigma=sds)
        bg.MarginalMixture("x", weights, rows, observed=y, dims="obs")
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
bg.testing.check_story(story.lines, x, y, 2)

broken = STORY.replace('pm.Normal("slopes", 0.0, 2.0, dims="component")', 'pm.Normal("slopes", 0.0, 2.0, shape=2)')
namespace = {}
exec(broken, namespace)
for sentence in bg.testing.faults(namespace["lines"], x, y, 2):
    print(sentence)

# %% [markdown]
# ## The posterior
#
# `fit_map` and `sample` climb and explore the model's own graph; nothing is compiled for it.

# %%
model = story.lines(x, y, 2)
print(bg.fit_map(model, seed=1, progress=False))

# %%
draws = bg.sample(model, seed=1, progress=False)
bg.summary(draws)

# %% [markdown]
# Who belongs where is asked of the rows, as of any mixture, and so is who is truly uncertain, and why: the rows where
# the lines cross, whose line nobody could tell who knew the parameters.

# %%
p = bg.membership(draws)["probability"].values
print(f"adjusted Rand index with the true lines {adjusted_rand_score(truth, p.argmax(axis=1)):.2f}")
bg.uncertain(draws)[["component", "probability", "lower", "upper", "from_overlap", "from_parameters", "cause"]].head()

# %%
fig, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
grid = np.linspace(-2, 2, 50)
posterior = draws["posterior"].dataset.stack(sample=("chain", "draw"))
for k, color in enumerate(["#0072B2", "#D55E00"]):
    level, slope = (posterior[name].isel(component=k).values[::40] for name in ("levels", "slopes"))
    axes[0].plot(grid, level + slope * grid[:, None], color=color, alpha=0.08, lw=1)
    own = p.argmax(axis=1) == k
    axes[0].scatter(
        x[own], y[own], s=10 + 60 * (1 - p[own, k]), color=color, ec="white", lw=0.5, label=f"component {k}"
    )
axes[0].set(xlabel="x", ylabel="y", title="larger: less certain")
axes[0].legend(fontsize=8, frameon=False)
bg.plot_membership(draws, component=1, ax=axes[1])
plt.show()

# %%
bg.plot_forest(draws)
plt.show()

# %% [markdown]
# ## One line, or two?
#
# The log-likelihood of each row is kept with the draws, so leave-one-out cross-validation needs nothing more.

# %%
one = bg.sample(story.lines(x, y, 1), draws=500, tune=500, seed=1, progress=False)
table = az.compare({"one line": one, "two lines": draws})
table[["rank", "elpd", "p", "elpd_diff", "dse"]].round(1)

# %% [markdown]
# ## Predictions
#
# PyMC draws them: a label for every row, then its y. Ninety per cent intervals should hold nine rows in ten.

# %%
wide = bg.extend(draws, model, "posterior_predictive", seed=1)["posterior_predictive"]["x"]
lower, upper = wide.quantile([0.05, 0.95], dim=("chain", "draw")).values
print(f"{np.mean((y >= lower) & (y <= upper)):.0%} of the rows are within their 90 % intervals")

# %% [markdown]
# ## Maximum likelihood, where an M-step is known
#
# EM asks components for two things: their log densities, and how they are estimated from weighted rows. Both lines
# share a standard deviation here: with one of its own, a line through two points would have an infinite likelihood,
# which no prior holds back.


# %%
@dataclass(frozen=True)
class Lines:
    """Straight lines: coefficients (2, K), and the standard deviation about them."""

    coefficients: np.ndarray
    sd: float
    design = np.column_stack([np.ones_like(x), x])

    def log_prob(self, y):
        z = (y[:, None] - self.design @ self.coefficients) / self.sd
        return -0.5 * z**2 - np.log(self.sd) - 0.5 * np.log(2 * np.pi)

    @classmethod
    def m_step(cls, y, responsibilities):
        each = responsibilities.T
        found = np.array([np.linalg.lstsq(cls.design * np.sqrt(r)[:, None], y * np.sqrt(r))[0] for r in each]).T
        squares = (y[:, None] - cls.design @ found) ** 2 * responsibilities
        return cls(found, np.sqrt(squares.sum() / responsibilities.sum()))


fit = bg.fit_components(y, Lines, 2, seed=0, progress=False)
print(fit)
