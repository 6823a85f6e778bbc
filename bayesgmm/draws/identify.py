"""Draws of one number of clusters with their labels matched: where K is not known, a posterior as if it were."""

from __future__ import annotations

import warnings

import numpy as np

from bayesgmm.draws.confidence import confidence
from bayesgmm.draws.mixtures import DIMS, group_of, posterior_of, read
from bayesgmm.draws.permute import permute, with_statistic
from bayesgmm.draws.point_process import are_permutations, grouped

#: Where a larger share of the draws is left out, the rest is a selection.
MOST_LEFT_OUT = 0.1


def identify(draws, n_clusters: int | None = None):
    """The draws that have K₊ clusters, labels matched: a posterior that everything for a known number takes.

    The clusters of all these draws are points in the space of Gaussians. They are grouped around K₊ centres
    (`bayesgmm.draws.point_process` has the formulas), and a draw is kept if it has one cluster in each group. Else it
    is no permutation of them, and is left out.

    Laws: does not depend on the order of components in the draws, nor on the units of the features; the weights sum
    to one.

    Parameters
    ----------
    draws : xarray.DataTree
        Of `sample_components`, with ``keep="all"`` or ``"filled"``.
    n_clusters : int, optional
        K₊; its posterior mode without.

    Returns
    -------
    xarray.DataTree
        ``posterior``: ``weights``, ``means``, ``covariances`` of the K₊ clusters, the heaviest on average first;
        ``allocations`` in the same numbers, and what else the draws hold. Weights are those of the clusters among
        each other: what a draw gave to components without rows is left out, and ``weight_left_out`` of
        ``sample_stats`` says how much that was.

        Chains keep unequal numbers of draws. So that none is lost, and a chain counts by what it kept, the draws are
        put one chain after another and cut anew into as many chains of equal length, less than one draw a chain left
        over; ``from_chain`` and ``from_draw`` of ``sample_stats`` say where each was.

        Attributes: ``n_clusters``; ``posterior_share``, the probability of K₊, which is how much of the posterior the
        answer is about; ``non_permutation_rate``, the share of the draws with K₊ clusters that is left out; and
        ``identified``, the same in a sentence.

    Raises
    ------
    ValueError
        If `draws` does not come from `sample_components` or keeps no parameters, if no draw has so many clusters, or
        if none of those is a permutation.

    Warns
    -----
    UserWarning
        If more than 10 % of the draws are no permutations. What is kept is then a selection of draws, those in which
        the clusters happen to lie apart.

    Notes
    -----
    With static weights, Dirichlet(α), the answer is the posterior of a mixture with K = K₊ known, given that none of
    its components is empty, whatever the prior of K: that prior says how probable K₊ is, and no more.

    References
    ----------
    Frühwirth-Schnatter (2006), section 3.7, for the point process of components; Malsiner-Walli, Frühwirth-Schnatter
    & Grün (2016) for the rate of non-permutations; Davis & Dhillon (2006) for the grouping of Gaussians.

    Examples
    --------
    >>> import bayesgmm as bg
    >>> x = np.random.default_rng(0).normal(size=(90, 1)) + np.repeat([0.0, 9.0], [60, 30])[:, None]
    >>> found = bg.sample_components(x, draws=100, tune=300, seed=1, progress=False)
    >>> two = identify(found, 2)
    >>> two.attrs["non_permutation_rate"]
    0.0
    >>> two["posterior"]["weights"].mean(["chain", "draw"]).values.round(1)
    array([0.7, 0.3])
    """
    numbers = _numbers(draws)
    k = _mode(numbers) if n_clusters is None else int(n_clusters)
    places = np.flatnonzero(numbers.ravel() == k)
    if not len(places):
        seen = ", ".join(f"{value} ({share:.1%})" for value, share in _shares(numbers))
        raise ValueError(f"no draw has {k} clusters; n_clusters may be one of {seen}")
    groups = grouped(read(_clusters(draws, places[None], k)))
    kept = are_permutations(groups)
    share, rate = len(places) / numbers.size, float(1.0 - kept.mean())
    if not kept.any():
        raise ValueError(f"none of the {len(places)} draws of {k} clusters has one in each of {k} groups: they are "
                         "not the same clusters from draw to draw; use partition, which needs no labels")  # fmt: skip
    said = f"K₊ = {k} in {share:.1%} of the draws; {rate:.1%} of these are no permutations, and left out."
    if rate > MOST_LEFT_OUT:
        warnings.warn(f"{said} The clusters overlap, or are not the same from draw to draw, and the draws kept are "
                      "those in which they happen to lie apart: trust similarity and partition, which need no labels, "
                      "or look at another number of clusters", stacklevel=2)  # fmt: skip
    cut = _cut(np.flatnonzero(kept), len(numbers))
    tree = _matched(_clusters(draws, places[cut], k), np.argsort(groups[cut], axis=2))
    told = {"n_clusters": k, "posterior_share": share, "non_permutation_rate": rate, "identified": said}
    tree.attrs = {**draws.attrs, **told, "labelling": "identify"}
    return tree


def _matched(tree, orders: np.ndarray):
    """A tree of clusters in orders (chain, draw, K) of their groups, the heaviest group first."""
    weights = np.take_along_axis(tree["posterior"]["weights"].values, orders, axis=2)
    orders = orders[..., np.argsort(-weights.mean(axis=(0, 1)), kind="stable")]
    if "allocations" in tree["posterior"]:
        labels, new = tree["posterior"]["allocations"], np.argsort(orders, axis=2)
        values = np.take_along_axis(new, labels.values.astype(np.int64), axis=2).astype(labels.dtype)
        tree["posterior"] = tree["posterior"].to_dataset().assign(allocations=(labels.dims, values))
    tree = permute(tree, orders)
    return with_statistic(tree, "label_confidence", confidence(read(tree)))


def _clusters(draws, places: np.ndarray, k: int):
    """Draws at places (chain, draw), counted through the chains, with their first k components alone."""
    import xarray as xr

    posterior, stats = posterior_of(draws), group_of(draws, "sample_stats")
    chosen = _taken(posterior.isel(component=slice(0, k)), places)
    total = chosen["weights"].sum("component")
    origin = np.divmod(places, posterior.sizes["draw"])
    kept = _taken(stats, places) if stats is not None else xr.Dataset(coords=chosen[["chain", "draw"]].coords)
    kept = kept.drop_vars(["permutation", "label_confidence"], errors="ignore")
    kept = kept.assign(from_chain=(("chain", "draw"), origin[0]), from_draw=(("chain", "draw"), origin[1]),
                       weight_left_out=1.0 - total)  # fmt: skip
    groups = {name: group_of(draws, name) for name in ("observed_data", "constant_data") if name in draws.children}
    chosen = chosen.assign(weights=chosen["weights"] / total)
    return xr.DataTree.from_dict({"posterior": chosen, "sample_stats": kept, **groups})


def _taken(group, places: np.ndarray):
    """The variables of a group that have a value a draw, at places (chain, draw) counted through the chains."""
    import xarray as xr

    chain, draw = (xr.DataArray(one, dims=("chain_", "draw_")) for one in np.divmod(places, group.sizes["draw"]))
    with_draws = group[[name for name, v in group.data_vars.items() if {"chain", "draw"} <= set(v.dims)]]
    taken = with_draws.drop_vars(("chain", "draw"), errors="ignore").isel(chain=chain, draw=draw)
    named = taken.rename(chain_="chain", draw_="draw").transpose("chain", "draw", ...)
    return named.assign_coords(chain=np.arange(places.shape[0]), draw=np.arange(places.shape[1]))


def _cut(kept: np.ndarray, n_chains: int) -> np.ndarray:
    """Positions as (chain, draw), in their order: as many chains as there were, or as there are draws."""
    n_chains = min(n_chains, len(kept))
    return kept[: len(kept) // n_chains * n_chains].reshape(n_chains, -1)


def _numbers(draws) -> np.ndarray:
    """K₊ (chain, draw)."""
    posterior = posterior_of(draws)
    if "n_clusters" not in posterior:
        raise ValueError("the draws do not count their clusters (n_clusters): identify is for those of "
                         "sample_components; where K is known, relabel matches labels")  # fmt: skip
    if not set(DIMS) <= set(posterior.data_vars):
        raise ValueError("the draws hold no parameters of their clusters: draw with keep='all' or keep='filled'")
    return posterior["n_clusters"].transpose("chain", "draw").values


def _shares(numbers: np.ndarray) -> list[tuple[int, float]]:
    values, counts = np.unique(numbers, return_counts=True)
    return list(zip(values.tolist(), (counts / numbers.size).tolist()))


def _mode(numbers: np.ndarray) -> int:
    return max(_shares(numbers), key=lambda one: one[1])[0]
