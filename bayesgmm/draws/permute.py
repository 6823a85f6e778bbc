"""Components put in another order, in every variable at once, with a note of it."""

from __future__ import annotations

import numpy as np

from bayesgmm.draws.mixtures import group_of, posterior_of

_PERMUTED_DIMS = ("component", "component_other")
_PERMUTED_GROUPS = ("posterior", "posterior_predictive", "predictions", "sample_stats", "log_joint")


def permute(draws, orders: np.ndarray):
    """The draws with their components in other orders (M, K), or all in one order (K,), and a note of it.

    Parameters
    ----------
    draws : xarray.DataTree
    orders : ndarray of int (M, K) or (K,)

    Returns
    -------
    xarray.DataTree
        A new tree, ``permutation`` composed with an earlier one.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm.draws import from_arrays
    >>> draws = from_arrays([[[0.2, 0.8]]], np.zeros((1, 1, 2, 1)), np.ones((1, 1, 2, 1, 1)))
    >>> permute(draws, [1, 0]).posterior["weights"].values
    array([[[0.8, 0.2]]])
    """
    sizes = posterior_of(draws).sizes
    shape = (sizes["chain"], sizes["draw"], sizes["component"])
    orders = np.array(np.broadcast_to(np.asarray(orders).reshape(-1, shape[2]), (shape[0] * shape[1], shape[2])))
    orders = orders.reshape(shape)
    new = draws.copy()
    for name in _PERMUTED_GROUPS:
        dataset = group_of(draws, name)
        if dataset is not None:
            new[name].dataset = _permuted(dataset, orders)
    return _with_permutation(new, orders)


def _permuted(dataset, orders: np.ndarray):
    new = {}
    for name, variable in dataset.data_vars.items():
        if name != "permutation":
            new[name] = (variable.dims, _along(name, variable, orders), variable.attrs, variable.encoding)
    return dataset.assign(new)


def _along(name, variable, orders: np.ndarray) -> np.ndarray:
    """A variable's values with every axis that counts components permuted; by axis, for a dim may occur twice."""
    lengths = dict(zip(("chain", "draw", *_PERMUTED_DIMS), (*orders.shape, orders.shape[2])))
    axes = [i for i, dim in enumerate(variable.dims) if dim in _PERMUTED_DIMS]
    values, sizes = variable.values, dict(zip(variable.dims, variable.shape))
    odd = [d for d, n in sizes.items() if str(d).startswith("component") and lengths.get(d) != n]
    if odd or (axes and any(sizes.get(d) != lengths[d] for d in ("chain", "draw"))):
        dims = ", ".join(f"{d}: {n}" for d, n in sizes.items())
        _warn(f"{name} ({dims}) keeps its labels: how its dims relate to the components of the draws is not known")
        return values
    lead = [variable.dims.index(dim) for dim in ("chain", "draw")] if axes else []
    for axis in axes:
        moved = np.moveaxis(values, [*lead, axis], [0, 1, 2])
        index = orders.reshape(orders.shape + (1,) * (moved.ndim - 3))
        values = np.moveaxis(np.take_along_axis(moved, index, axis=2), [0, 1, 2], [*lead, axis])
    return values


def _with_permutation(draws, orders: np.ndarray):
    stats = group_of(draws, "sample_stats")
    if stats is not None and "permutation" in stats:
        earlier = stats["permutation"].transpose("chain", "draw", "component").values
        orders = np.take_along_axis(earlier, orders, axis=2)
    return with_statistic(draws, "permutation", orders)


def with_statistic(draws, name: str, values: np.ndarray):
    """The draws with one more variable (chain, draw, component) in ``sample_stats``, which is made if need be."""
    import xarray as xr

    posterior = posterior_of(draws)
    coords = {dim: posterior[dim] for dim in ("chain", "draw", "component")}
    stats = group_of(draws, "sample_stats")
    stats = xr.Dataset(coords={dim: coords[dim] for dim in ("chain", "draw")}) if stats is None else stats
    values = values.reshape([len(coord) for coord in coords.values()])
    draws["sample_stats"] = xr.DataTree(stats.assign({name: xr.DataArray(values, coords, tuple(coords))}))
    return draws


def _warn(text: str):
    import warnings

    warnings.warn(text, UserWarning, stacklevel=4)
