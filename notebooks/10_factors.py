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
# # Factors: a few dimensions inside each component
#
# Handwritten digits are pictures of 8 × 8 pixels, 64 features. A full covariance of 64 features has 2080 numbers, more
# than there are rows of a digit. But a digit varies in few ways: slant, width, how a stroke ends. A component of
# factors is a mean and a few such ways,  x = μ_k + Λ_k f + noise, with f ~ N(0, I).

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

import bayesgmm as bg

digits = load_digits()
order = np.random.default_rng(0).permutation(len(digits.data))
x, labels = digits.data[order], digits.target[order]
lit = np.flatnonzero(x[:1000].std(axis=0) > 0)  # some pixels at the margin are never lit
learn, held_out = x[:1000, lit], x[1000:, lit]
learn.shape, held_out.shape

# %% [markdown]
# ## 1. Fit
#
# Noise is isotropic here, one variance for all pixels of a component: probabilistic principal components (Tipping &
# Bishop 1999). With a variance of its own, a pixel that is never lit in one component would have none.

# %%
fit = bg.fit_factors(learn, 10, n_factors=5, noise="isotropic", starts=3, seed=0, progress=False)
print(fit)

# %% [markdown]
# Nobody told it which digit is which:

# %%
found = fit.mixture.predict(held_out)
print("adjusted Rand index on rows held out:", round(bg.adjusted_rand_index(found, labels[1000:]), 2))
pd.crosstab(pd.Series(found, name="component"), pd.Series(labels[1000:], name="digit"))

# %% [markdown]
# ## 2. Means and loadings are pictures
#
# Above each component's mean, and below it the mean with the first factor at −2 and at +2: what varies most.


# %%
def picture(ax, values, limits=(0, 16)):
    """Pixels as an image, those that are never lit as 0."""
    image = np.zeros(64)
    image[lit] = values
    ax.imshow(image.reshape(8, 8), cmap="gray_r", vmin=limits[0], vmax=limits[1])
    ax.set(xticks=[], yticks=[])


fig, axes = plt.subplots(3, 10, figsize=(9, 3.0), layout="constrained")
for k, (mean, loadings) in enumerate(zip(fit.mixture.means, fit.loadings)):
    for ax, step in zip(axes[:, k], (0, -2, 2)):
        picture(ax, mean + step * loadings[:, 0])
    axes[0, k].set_title(f"{fit.mixture.weights[k]:.0%}", fontsize=9)
for ax, name in zip(axes[:, 0], ("mean", "f = −2", "f = +2")):
    ax.set_ylabel(name)
plt.show()

# %% [markdown]
# ## 3. Rows by five numbers
#
# `transform` gives the coordinates of a row in each component, and `reconstruct` the way back. One set of five
# principal components has to do for all digits; here every component has five of its own. A row is then told by five
# numbers and by which component it is of, so principal components are also given three dimensions more.

# %%
rows = {}
for q in (2, 5):
    one = fit if q == 5 else bg.fit_factors(learn, 10, q, noise="isotropic", starts=3, seed=0, progress=False)
    told = {"components of factors": bg.reconstruct(one, held_out)["mean"].values}
    for name, kept in (("PCA", q), ("PCA, 3 more", q + 3)):
        pca = PCA(kept).fit(learn)
        told[name] = pca.inverse_transform(pca.transform(held_out))
    rows[q] = {name: ((values - held_out) ** 2).mean() for name, values in told.items()}
pd.DataFrame(rows).T.rename_axis("dimensions kept").round(2)  # mean squared error a pixel, of rows held out

# %%
told, shown = bg.reconstruct(fit, held_out), range(10)
pca = PCA(5).fit(learn)
plain = pca.inverse_transform(pca.transform(held_out))
fig, axes = plt.subplots(4, 10, figsize=(9, 3.9), layout="constrained")
for n in shown:
    for ax, values in zip(axes[:3, n], (held_out[n], plain[n], told["mean"][n])):
        picture(ax, values)
    picture(axes[3, n], told["sd"][n], (0, 4))
for ax, name in zip(axes[:, 0], ("row", "PCA", "factors", "± (0 to 4)")):
    ax.set_ylabel(name)
plt.show()

# %% [markdown]
# The last line says how sure each pixel is, of the picture without its noise.

# %%
bg.transform(fit, held_out[:1])

# %% [markdown]
# ## 4. How many components, of how many factors?

# %%
chosen = bg.select_factors(learn, [5, 10, 15], [2, 5], models="UUC", starts=2, seed=0, progress=False)
print(chosen)

# %%
better = pd.DataFrame(
    {
        key[:2]: {"BIC": one.bic, "held out, a row": one.mixture.log_prob(held_out).mean()}
        for key, one in chosen.fits.items()
    }
).T.rename_axis(["components", "factors"])
better.round(1)

# %% [markdown]
# BIC charges log N for every parameter; rows held out need no such rule, and go on to gain here with fifteen
# components. Where the two differ, rows held out speak for densities, and BIC for groups that are to be few.

# %% [markdown]
# ## 5. Where the components differ
#
# `project` finds the directions along which means and covariances differ most (Scrucca 2010), of any fitted mixture.
# With sixty features there is always one along which some component is much wider than others; `balance=1` looks at
# means alone.

# %%
ax = bg.plot_projection(fit, held_out, balance=1.0)

# %% [markdown]
# **So what?** Where features are many and rows are few, let components vary along a few factors each. Share noise or
# loadings between components where they are small, choose their number by BIC or by rows held out, and look at means
# and loadings as what they are: data that might have been.
