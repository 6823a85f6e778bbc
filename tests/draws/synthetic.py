"""Posteriors made with NumPy: what sampling would give where the truth is known."""

import numpy as np

from bayesgmm import Mixture
from bayesgmm.draws import from_arrays


def truth(n_components=3, n_features=2, apart=8.0) -> Mixture:
    """Components on a line, each with a covariance and a weight of its own."""
    k, d = np.arange(n_components), n_features
    means = apart * k[:, None] * np.where(np.arange(d) % 2, -0.5, 1.0)
    covariances = (1.0 + 0.3 * k)[:, None, None] * (0.7 * np.eye(d) + 0.3)
    weights = (k + 2.0) / (k + 2.0).sum()
    return Mixture(weights, means, covariances, features=[f"f{j}" for j in range(d)])


def posterior(centre: Mixture, seed=0, *, chains=4, n=300, noise=0.1, x=None, diverging=0):
    """Independent draws about a mixture, labels as they are there; lp is highest at its centre."""
    rng = np.random.default_rng(seed)
    k, d, shape = centre.n_components, centre.n_features, (chains, n)
    logits = np.log(centre.weights) + noise * rng.standard_normal((*shape, k))
    weights = np.exp(logits)
    shift = noise * rng.standard_normal((*shape, k, d))
    stretch = np.eye(d) + 0.5 * noise * np.tril(rng.standard_normal((*shape, k, d, d)))
    factors = centre.scale_trils @ stretch
    lp = -0.5 * ((shift / noise) ** 2).sum(axis=(2, 3)) - 0.5 * (((logits - np.log(centre.weights)) / noise) ** 2).sum(
        2
    )
    stats = {"lp": lp, "diverging": np.arange(chains * n).reshape(shape) < diverging}
    return from_arrays(
        weights / weights.sum(axis=-1, keepdims=True),
        centre.means + shift,
        factors @ factors.swapaxes(-1, -2),
        x=centre.sample(60, seed=1)[0] if x is None else x,
        features=centre.features,
        sample_stats=stats,
    )


def random_orders(draws, seed=0):
    """A permutation of the components for each draw (M, K)."""
    sizes = draws.posterior.sizes
    rng = np.random.default_rng(seed)
    return rng.permuted(np.tile(np.arange(sizes["component"]), (sizes["chain"] * sizes["draw"], 1)), axis=1)


def shuffled(draws, orders):
    """Raw draws whose labels are in disorder: permuted, and without a record of it."""
    from bayesgmm.draws.permute import permute

    new = permute(draws, orders)
    new["sample_stats"].dataset = new["sample_stats"].to_dataset().drop_vars("permutation")
    return new


def with_chain(draws, chain, other):
    """The draws with one chain taken from another posterior."""
    new = draws.copy(deep=True)
    for group in ("posterior", "sample_stats"):
        for name in draws[group].data_vars:
            new[group][name].values[chain] = other[group][name].values[chain]
    return new


def tree(**variables):
    """A posterior of these variables (chain, draw[, obs])."""
    import xarray as xr

    dims = ("chain", "draw", "obs")
    arrays = {name: (dims[: np.ndim(v)], np.asarray(v)) for name, v in variables.items()}
    return xr.DataTree.from_dict({"posterior": xr.Dataset(arrays)})
