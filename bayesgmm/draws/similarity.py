"""How probable it is that two rows belong to one cluster."""

from __future__ import annotations

import numpy as np

from bayesgmm.draws.clusterings import clusterings, responsibility_blocks
from bayesgmm.draws.mixtures import posterior_of
from bayesgmm.kernel import co_clustering


def similarity(draws, *, memory: float = 1.0):
    """The posterior probability that two rows belong to one cluster, for all pairs.

    From allocations it is the share of draws in which they are together. A posterior with a fixed number of components
    that holds none has it from responsibilities, E Σ_k r_nk r_mk, which averages over the labels and has a smaller
    Monte Carlo error.

    Laws: symmetric, with ones along the diagonal; does not depend on how clusters are numbered; rows in another order
    give the answer in that order.

    Parameters
    ----------
    draws : xarray.DataTree or array_like of int
        With ``allocations`` (chain, draw, obs) in the posterior, or a mixture's posterior with its rows; or labels
        (M, N) or (chain, draw, N).
    memory : float
        The answer may take so many gigabytes (10⁹ bytes).

    Returns
    -------
    xarray.DataArray (obs, obs_other)

    Raises
    ------
    ValueError
        If `draws` holds neither labels nor rows, or N rows need more memory. `partition` needs no N × N numbers.

    References
    ----------
    Binder (1978); Fritsch & Ickstadt (2009).

    Examples
    --------
    >>> similarity([[0, 0, 1], [0, 1, 1]]).values
    array([[1. , 0.5, 0. ],
           [0.5, 1. , 0.5],
           [0. , 0.5, 1. ]])
    """
    import xarray as xr

    if hasattr(draws, "children") and "allocations" not in posterior_of(draws):
        values, obs = _by_responsibilities(draws, memory)
    else:
        found = clusterings(draws)
        require_memory(found.n_obs, memory)
        values, obs = co_clustering(found.labels), found.obs
    coords = {"obs": obs, "obs_other": obs}
    return xr.DataArray(values, coords, ("obs", "obs_other"), name="similarity")


def require_memory(n: int, memory: float) -> None:
    """A sentence if N × N doubles do not fit."""
    needed = 8.0 * n * n / 1e9
    if needed > memory:
        raise ValueError(f"the similarities of {n} rows take {needed:.1f} GB, more than memory={memory:g} allows; "
                         "raise it, or use partition, which needs none for loss='vi', 'binder' or 'nvi'")  # fmt: skip


def _by_responsibilities(draws, memory: float) -> tuple[np.ndarray, np.ndarray]:
    blocks, n_draws, obs = responsibility_blocks(draws)
    require_memory(len(obs), memory)
    total = np.zeros((len(obs), len(obs)))
    for r in blocks:
        flat = np.ascontiguousarray(r.transpose(1, 0, 2)).reshape(len(obs), -1)
        total += flat @ flat.T
    total /= n_draws
    np.fill_diagonal(total, 1.0)
    return np.minimum(total, 1.0, out=total), obs
