"""The one place where labels are matched: which component of a mixture is which component of a reference.

A mixture is matched by the permutation τ that maximises  Σ_j h(k = τ(j), j),  where

    h(k, j) = √(π_k π′_j) · [ exp(−B_kj) + δ / (1 + B_kj) ],
    B_kj = ⅛ (μ_k − μ′_j)ᵀ Σ̄⁻¹ (μ_k − μ′_j) + ½ log( |Σ̄| / √(|Σ_k| |Σ′_j|) ),   Σ̄ = ½ (Σ_k + Σ′_j),

is Bhattacharyya's distance of two Gaussians. The first term alone, √(π_k π′_j) ∫ √(N_k N′_j), sums to the
Bhattacharyya coefficient of the two *joint* distributions of (x, z), so that its maximiser brings the joints
as close as they come in Hellinger's distance. It is bounded: a nearly empty component that lies anywhere cannot
outvote the others, as it would if distances were added up. But it underflows when components are far from all
of the reference, where every permutation would tie; the second term, never more than δ, falls off slowly
enough to order them still.
"""

from __future__ import annotations

import numpy as np

from bayesgmm.draws.invariants import log_density, log_likelihood, overall_moments
from bayesgmm.draws.mixtures import MixtureDraws, group_of, posterior_of, read
from bayesgmm.mixture import Mixture

METHODS = ("pivot",)

_TAIL = 1e-3
_LEAST_WEIGHT = 1e-12
# Doubles held at once while distances are computed.
_BLOCK = 1_000_000
_PERMUTED_DIMS = ("component", "component_other")
_PERMUTED_GROUPS = ("posterior", "posterior_predictive", "predictions", "sample_stats")


def match(mixtures, reference: Mixture) -> np.ndarray:
    """The permutations that bring mixtures closest to a reference, as this module's text defines it.

    Laws: permuting a mixture's components permutes the answer with them, so that what is matched does not
    change; a mixture matched to itself keeps its order; neither changes under an affine map of the data.

    Parameters
    ----------
    mixtures : MixtureDraws or Mixture
        M mixtures (one, for a `Mixture`) of K components.
    reference : Mixture
        With the same K and features.

    Returns
    -------
    ndarray of int (M, K)
        Component j of the reference is component ``order[m, j]`` of mixture m, as `Mixture.permute` takes it.

    Raises
    ------
    ValueError
        If the numbers of components or the features differ.

    References
    ----------
    The pivotal reordering of Marin, Mengersen & Robert (2005), with the affinity of Bhattacharyya (1943) in place
    of the scalar product; optimal assignment as in Papastamoulis (2016).

    Examples
    --------
    >>> import numpy as np
    >>> a = Mixture([0.3, 0.7], [[0.0], [5.0]], np.ones((2, 1, 1)))
    >>> match(a.permute([1, 0]), a)
    array([[1, 0]])
    """
    mixtures = _as_draws(mixtures)
    _require_alike(mixtures, reference)
    gains = _gains(mixtures, reference)
    orders = gains.argmax(axis=1)
    # Where every reference component prefers a different one, that is the optimum already.
    clashing = (np.sort(orders, axis=1) != np.arange(mixtures.n_components)).any(axis=1)
    if clashing.any():
        from scipy.optimize import linear_sum_assignment

        for m in np.flatnonzero(clashing):
            orders[m] = linear_sum_assignment(gains[m].T, maximize=True)[1]
    return orders


def relabel(draws, *, method: str = "pivot", reference: Mixture | None = None):
    """The same draws with the labels of their components matched. Every draw is kept, and the model is unchanged.

    ``"pivot"`` matches each draw to one reference (see `match`). All variables that carry the dim ``component``
    (or ``component_other``) are permuted together. Laws: undoes any permutation of the draws' components;
    doing it twice is doing it once.

    Parameters
    ----------
    draws : xarray.DataTree
        As `bayesgmm.sample` returns them; from elsewhere, ``weights``, ``means`` and ``covariances`` suffice.
    method : {"pivot"}
    reference : Mixture, optional
        What to match to. Without it, the draw with the highest log density: ``lp`` or ``logp`` of
        ``sample_stats``; or else the highest log-likelihood; or else the draw whose overall mean and covariance
        are closest to their posterior medians.

    Returns
    -------
    xarray.DataTree
        A new tree. ``sample_stats/permutation`` (chain, draw, component) says where each component came from,
        ``relabelled[j] = raw[permutation[j]]``, counted from the draws as they were first sampled even if they
        are relabelled again; the attributes ``labelling`` and ``labelling_reference`` say how it was done.

    Raises
    ------
    ValueError
        If `draws` is no posterior of a mixture, `method` is unknown, or `reference` has other components.

    Warns
    -----
    UserWarning
        If a variable has a dim such as ``component_pair`` whose relation to the components is not known: it is
        left as it is.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm.draws import from_arrays
    >>> means = np.array([[0.0, 9.0], [9.1, 0.1], [0.2, 9.2]]).reshape(1, 3, 2, 1)
    >>> draws = from_arrays(np.full((1, 3, 2), 0.5), means, np.ones((1, 3, 2, 1, 1)), sample_stats={"lp": [[2, 1, 0]]})
    >>> matched = relabel(draws)
    >>> matched.posterior["means"].values[0, :, :, 0]
    array([[0. , 9. ],
           [0.1, 9.1],
           [0.2, 9.2]])
    >>> matched.sample_stats["permutation"].values[0].tolist()
    [[0, 1], [1, 0], [0, 1]]
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(map(repr, METHODS))}, not {method!r}")
    mixtures, origin = read(draws), "given"
    if reference is None:
        m, rule = _pivot(draws, mixtures)
        reference, origin = mixtures.mixture(m), f"{mixtures._where(m)} ({rule})"
    return _noted(permute(draws, match(mixtures, reference)), method, origin)


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


def margins(mixtures: MixtureDraws) -> np.ndarray:
    """How clearly each draw's labels are the right ones: from 0 (a tie) to 1, the least over pairs of components.

    With h of this module's text, taken to the mixture at the posterior means, exchanging components j and k would lose
    1 − (h(j, k) + h(k, j)) / (h(j, j) + h(k, k)) of the pair's affinity. Where components stand apart every draw
    loses nearly all. Where they overlap, matching cuts one cloud of draws in two, and draws near the cut lose
    little: R-hat does not see that, this does. Negative if an exchange would be a gain.

    Examples
    --------
    >>> import numpy as np
    >>> means = np.array([[[0.0], [9.0]], [[0.1], [9.1]]])
    >>> apart = MixtureDraws(np.full((2, 2), 0.5), means, np.ones((2, 2, 1, 1)), ("x0",))
    >>> margins(apart).round(2)
    array([1., 1.])
    """
    first, second = np.triu_indices(mixtures.n_components, 1)
    if not first.size:
        return np.ones(len(mixtures))
    gains = _gains(mixtures, mixtures.mean())
    own = np.diagonal(gains, axis1=1, axis2=2)
    exchanged = gains[:, first, second] + gains[:, second, first]
    return (1.0 - exchanged / (own[:, first] + own[:, second])).min(axis=1)


def _as_draws(mixtures) -> MixtureDraws:
    if isinstance(mixtures, MixtureDraws):
        return mixtures
    m = mixtures
    return MixtureDraws(m.weights[None], m.means[None], m.covariances[None], m.features)


def _require_alike(mixtures: MixtureDraws, reference: Mixture):
    if mixtures.n_components != reference.n_components:
        numbers = f"{mixtures.n_components} and {reference.n_components}"
        raise ValueError(f"components can only be matched between mixtures with the same number of them, not {numbers}")
    if mixtures.features != reference.features:
        have = f"({', '.join(mixtures.features)}) and ({', '.join(reference.features)})"
        raise ValueError(f"components can only be matched between mixtures of the same features, not {have}")


def _gains(mixtures: MixtureDraws, reference: Mixture) -> np.ndarray:
    """h (M, K, K) of this module's text: component of the draw, component of the reference."""
    k, d = reference.n_components, reference.n_features
    step = max(1, _BLOCK // (k * k * d * d))
    blocks = (_distances(mixtures, slice(m, m + step), reference) for m in range(0, len(mixtures), step))
    distances = np.concatenate(list(blocks))
    shares = np.maximum(mixtures.weights, _LEAST_WEIGHT)[:, :, None] * np.maximum(reference.weights, _LEAST_WEIGHT)
    return np.sqrt(shares) * (np.exp(-distances) + _TAIL / (1.0 + distances))


def _distances(mixtures: MixtureDraws, rows: slice, reference: Mixture) -> np.ndarray:
    """Bhattacharyya's distances (m, K, K) of some draws' components to the reference's."""
    middle = np.linalg.cholesky(0.5 * (mixtures.covariances[rows][:, :, None] + reference.covariances))
    shift = mixtures.means[rows][:, :, None] - reference.means
    z = _forward(middle, shift)
    logs = _log_dets(mixtures.scale_trils[rows])[:, :, None] + _log_dets(reference.scale_trils)
    return 0.125 * (z * z).sum(axis=-1) + _log_dets(middle) - 0.5 * logs


def _forward(factors: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """L⁻¹ v for stacks of lower triangular L and vectors v; a loop over D, vectorised over the stack."""
    z = np.empty(np.broadcast_shapes(vectors.shape, factors.shape[:-1]))
    for i in range(z.shape[-1]):
        inner = (factors[..., i, :i] * z[..., :i]).sum(axis=-1)
        z[..., i] = (vectors[..., i] - inner) / factors[..., i, i]
    return z


def _log_dets(factors: np.ndarray) -> np.ndarray:
    return np.log(np.diagonal(factors, axis1=-2, axis2=-1)).sum(axis=-1)


def _pivot(draws, mixtures: MixtureDraws) -> tuple[int, str]:
    """The draw to match the others to, and the rule that chose it."""
    for density, rule in ((log_density(draws), "highest log density"), (log_likelihood(draws), "highest likelihood")):
        if density is not None and not np.isnan(density).all():
            return int(np.nanargmax(density)), rule
    moments = np.concatenate([part.reshape(len(mixtures), -1) for part in overall_moments(mixtures)], axis=1)
    apart = np.abs(moments - np.median(moments, axis=0))
    return int((apart / np.where(apart.any(axis=0), apart.mean(axis=0), 1.0)).sum(axis=1).argmin()), "most central"


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
    import xarray as xr

    posterior = posterior_of(draws)
    coords = {dim: posterior[dim] for dim in ("chain", "draw", "component")}
    stats = group_of(draws, "sample_stats")
    stats = xr.Dataset(coords={dim: coords[dim] for dim in ("chain", "draw")}) if stats is None else stats
    if "permutation" in stats:
        earlier = stats["permutation"].transpose("chain", "draw", "component").values
        orders = np.take_along_axis(earlier, orders, axis=2)
    stats = stats.assign(permutation=xr.DataArray(orders, coords, ("chain", "draw", "component")))
    draws["sample_stats"] = xr.DataTree(stats)
    return draws


def _noted(draws, method: str, origin: str):
    draws.attrs = {**draws.attrs, "labelling": method, "labelling_reference": origin}
    return draws


def _warn(text: str):
    import warnings

    warnings.warn(text, UserWarning, stacklevel=4)
