"""Draws of three Gaussians, and the same ones as those of a story whose components are its own."""

import numpy as np
import xarray as xr

from bayesgmm.draws import from_arrays
from bayesgmm.draws.mixtures import read

K, N, SHAPE = 3, 40, (4, 150)


def gaussian_draws(switch=True, weights=None):
    """Draws around three clusters, their labels in a random order; as a tree of Gaussians."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(N, 2)) + 4.0 * rng.integers(3, size=N)[:, None]
    means = 4.0 * np.arange(K)[:, None] + 0.3 * rng.normal(size=(*SHAPE, K, 2))
    pi = rng.dirichlet([20, 15, 10], size=SHAPE)
    covariances = np.exp(0.2 * rng.normal(size=(*SHAPE, K)))[..., None, None] * np.eye(2)
    if switch:
        orders = rng.permuted(np.broadcast_to(np.arange(K), (*SHAPE, K)), axis=2)
        pi, means = np.take_along_axis(pi, orders, 2), np.take_along_axis(means, orders[..., None], 2)
        covariances = np.take_along_axis(covariances, orders[..., None, None], 2)
    lp = rng.normal(size=SHAPE)
    tree = from_arrays(pi, means, covariances, x=x, sample_stats={"lp": lp})
    if weights is not None:
        tree["constant_data"] = xr.DataTree(xr.Dataset({"case_weights": ("obs", weights)}))
    return tree


def by_rows(tree):
    """The same draws as those of a story whose components are its own: log p(x, z) instead of Gaussians."""
    mixtures = read(tree)
    rows = tree["observed_data"]["x"].values
    log_p, r = mixtures.log_prob(rows, responsibilities=True)
    with np.errstate(divide="ignore"):
        joint = log_p[..., None] + np.log(r)
    posterior = tree["posterior"].to_dataset().rename(feature="axis", feature_other="axis_other")
    lead = ("chain", "draw", "component")
    posterior["volumes"] = (lead, np.linalg.det(posterior["covariances"].transpose(*lead, "axis", "axis_other").values))
    posterior = posterior.drop_vars("covariances")
    group = xr.Dataset({"x": (("chain", "draw", "obs", "component"), joint.reshape(*SHAPE, N, K))})
    group = group.assign_coords(obs=np.arange(N), chain=posterior["chain"], draw=posterior["draw"])
    if "constant_data" in tree.children:
        group["case_weights"] = ("obs", tree["constant_data"]["case_weights"].values)
    group.attrs["rows"] = N
    groups = {"posterior": posterior, "log_joint": group, "sample_stats": tree["sample_stats"].to_dataset()}
    return xr.DataTree.from_dict(groups)
