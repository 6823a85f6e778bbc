"""Draws of mixtures of unequal numbers of components as a DataTree: the filled ones first, NaN where there is none."""

from __future__ import annotations

import numpy as np

from bayesgmm.engines.unknown.chain import Chain, Problem
from bayesgmm.priors import Hierarchical

# Numbers up to which all components are padded to the largest K; beyond, the filled ones alone are.
_MOST = 100_000_000


def tree_of(chains: list[Chain], problem: Problem, features):
    """Groups ``posterior``, ``sample_stats`` and ``observed_data`` of chains, as many draws of each as the shortest has
    or zeros where there are none yet."""
    import xarray as xr

    n = max(chain.length for chain in chains)
    each = [chain.drawn(chain.length) for chain in chains]
    numbers = np.stack([_padded(one[0], n) for one in each])
    coords = {"chain": np.arange(len(chains)), "draw": np.arange(n), "obs": np.arange(len(problem.rows)),
              "feature": list(features), "feature_other": list(features)}  # fmt: skip
    lead = ("chain", "draw")
    found = {"n_clusters": (lead, numbers[..., 1].astype(int)), "concentration": (lead, numbers[..., 2])}
    stats = {"log_likelihood": (lead, numbers[..., 4])}
    if problem.spec.is_finite:
        found = {"n_components": (lead, numbers[..., 0].astype(int)), **found}
    else:
        stats |= {"n_held": (lead, numbers[..., 0].astype(int)), "rest": (lead, numbers[..., 5])}
    if problem.spec.process == "py":
        found["discount"] = lead, numbers[..., 3]
    if isinstance(problem.prior, Hierarchical):
        found["rate"] = _rate(np.stack([_padded(one[2], n) for one in each]), problem)
    if problem.keep != "numbers":
        found["allocations"] = (*lead, "obs"), np.stack([_padded(one[1], n) for one in each])
    if problem.column is not None:
        found |= _components(each, numbers, problem)
        coords["component"] = np.arange(found["weights"][1].shape[-1])
    known = {name: value for name, value in coords.items() if any(name in dims for dims, _ in found.values())}
    rows = xr.Dataset({"x": (("obs", "feature"), problem.rows)}, {name: coords[name] for name in ("obs", "feature")})
    return xr.DataTree.from_dict({
        "posterior": xr.Dataset(found, known),
        "sample_stats": xr.Dataset(stats, {name: coords[name] for name in lead}),
        "observed_data": rows,
    })  # fmt: skip


def _padded(values, n):
    return np.concatenate([values, np.zeros((n - len(values), *values.shape[1:]), values.dtype)])


def _rate(above, problem):
    """C₀ as the story declares it: (D, D), or a number a feature, or one."""
    layout, lead = problem.layout, ("chain", "draw")
    if layout.is_dense:
        factor = np.linalg.cholesky(np.linalg.inv(problem.prior.rate_rate)) @ above
        return (*lead, "feature", "feature_other"), 0.5 * factor @ factor.mT
    if layout.is_spherical:
        return lead, np.exp(above[..., 0, 0])
    return (*lead, "feature"), np.exp(above[..., 0, :])


def _components(each, numbers, problem):
    """Weights, means and covariances, padded."""
    d, dense = problem.rows.shape[1], problem.layout.is_dense
    written = numbers[..., problem.column].astype(int)
    filled = numbers[..., 1].astype(int)
    many = written.size * written.max() * d * d > _MOST
    shown = filled if many else written
    place = np.arange(max(1, shown.max()))
    # Of what was written draw after draw, component after component, what is shown.
    taken = [part[3][_within(w[: len(part[0])], s)] for part, w, s in zip(each, written, shown)]
    mask, theta = place < shown[..., None], np.concatenate(taken)
    arrays = {
        "weights": np.exp(theta[:, 0]),
        "means": theta[:, 1 : 1 + d],
        "covariances": _covariances(theta[:, 1 + d :], d, dense),
    }
    found = {}
    for name, value in arrays.items():
        whole = np.full((*mask.shape, *value.shape[1:]), np.nan)
        whole[mask] = value
        dims = {"weights": (), "means": ("feature",), "covariances": ("feature", "feature_other")}[name]
        found[name] = ("chain", "draw", "component", *dims), whole
    return found


def _within(written, shown):
    """Of components written one draw after another, whether each is among its draw's first that are shown."""
    first = np.repeat(np.cumsum(written) - written, written)
    return np.arange(written.sum()) - first < np.repeat(shown[: len(written)], written)


def _covariances(entries, d, dense):
    if dense:
        factors = entries.reshape(-1, d, d)
        return factors @ factors.mT
    return (entries**2)[:, :, None] * np.eye(d)
