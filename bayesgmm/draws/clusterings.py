"""A posterior read as partitions of the rows: every draw of the allocations is one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bayesgmm.draws.invariants import observed_rows
from bayesgmm.draws.mixtures import MixtureDraws, group_of, posterior_of, read
from bayesgmm.draws.parts import PartDraws, is_open, read_any
from bayesgmm.draws.responsibilities import Responsibilities

# Labels that are held, four bytes each; of more, every second draw is kept, or every third, ….
MOST = 50_000_000


@dataclass(frozen=True, eq=False)
class Clusterings:
    """M partitions of N rows, in the order of the chains.

    Make them with `clusterings`, which checks.

    Attributes
    ----------
    labels : ndarray of int32 (M, N)
        The clusters of a draw are numbered from 0 without gaps.
    n_chains : int
    obs : ndarray (N,)
        What the rows are called.
    source : str
        Where the labels come from, in words.
    component : ndarray of int (N,) or None
        The component that each row most probably belongs to, where labels are those of components.
    """

    labels: np.ndarray
    n_chains: int
    obs: np.ndarray
    source: str
    component: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def n_obs(self) -> int:
        """N."""
        return self.labels.shape[1]

    @property
    def n_clusters(self) -> np.ndarray:
        """Of each draw (M,)."""
        return self.labels.max(axis=1) + 1


def clusterings(draws, seed=None, *, most: int = MOST) -> Clusterings:
    """The partitions of a posterior, checked.

    Parameters
    ----------
    draws : xarray.DataTree or array_like of int
        With ``allocations`` (chain, draw, obs) in the posterior; or a posterior of a mixture with its rows, whose
        allocations are drawn by their responsibilities, once a draw. Or labels (M, N), or (chain, draw, N).
    seed : int, optional
        For allocations that are drawn.
    most : int
        Draws are thinned evenly until draws × N is not more than this.

    Raises
    ------
    ValueError
        If there are neither labels nor rows, or labels are not whole numbers.

    Examples
    --------
    >>> clusterings([[7, 7, 3], [1, 2, 2]]).labels
    array([[1, 1, 0],
           [0, 1, 1]], dtype=int32)
    """
    if not hasattr(draws, "children"):
        return _of_array(_whole_numbers(np.asarray(draws), "draws"), None, "labels that were given", most)
    posterior = posterior_of(draws)
    if "allocations" in posterior:
        values = posterior["allocations"]
        if set(values.dims) != {"chain", "draw", "obs"}:
            raise ValueError(f"allocations has the dims {values.dims}, not chain, draw and obs; rename them")
        labels = _whole_numbers(values.transpose("chain", "draw", "obs").values, "allocations")
        obs = values["obs"].values if "obs" in values.coords else None
        return _of_array(labels, obs, "the allocations of the draws", most)
    return _drawn(draws, np.random.default_rng(seed), most)


def responsibility_blocks(draws) -> tuple[Iterator[np.ndarray], int, np.ndarray]:
    """Responsibilities (m, N, K) of a posterior without allocations, block by block; M; and what rows are called."""
    mixtures, rows, obs = _parts(draws)
    lazy = Responsibilities(None, np.ones(len(rows)), (mixtures, rows))
    return (r for _, r in lazy.blocks()), len(mixtures), obs


def numbered(labels: np.ndarray) -> np.ndarray:
    """One partition (N,), its clusters numbered from 0 in the order in which they first appear.

    Examples
    --------
    >>> numbered(np.array([5, 5, 2, 5]))
    array([0, 0, 1, 0])
    """
    _, first, place = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[place]


def as_partition(labels, name: str) -> np.ndarray:
    """Labels (N,) of any kind as numbers from 0 without gaps, or a sentence."""
    labels = np.asarray(getattr(labels, "labels", labels))
    if labels.ndim != 1 or not labels.size:
        raise ValueError(f"{name} must have one label a row (N,), not the shape {labels.shape}")
    if labels.dtype.kind == "f" and np.isnan(labels).any():
        raise ValueError(f"{name} has no label (NaN) in row {int(np.isnan(labels).argmax())}; give every row one")
    return numbered(labels)


def _of_array(labels: np.ndarray, obs, source: str, most: int) -> Clusterings:
    if labels.ndim not in (2, 3) or not labels.size:
        raise ValueError(f"draws must be labels (M, N) or (chain, draw, N), not an array of the shape {labels.shape}")
    labels = labels[None] if labels.ndim == 2 else labels
    labels, note = _thinned(labels, most)
    flat = labels.reshape(-1, labels.shape[2])
    compact = np.empty(flat.shape, dtype=np.int32)
    for m, row in enumerate(flat):
        compact[m] = _without_gaps(row)
    return Clusterings(compact, len(labels), np.arange(flat.shape[1]) if obs is None else obs, source + note)


def _without_gaps(row: np.ndarray) -> np.ndarray:
    low, high = row.min(), row.max()
    if high - low > 10 * len(row) + 1000:  # too sparse for a table of which there are
        return np.unique(row, return_inverse=True)[1]
    there = np.bincount(row - low) > 0
    return (np.cumsum(there) - 1)[row - low]


def _thinned(labels: np.ndarray, most: int) -> tuple[np.ndarray, str]:
    """Every s-th draw (chain, draw, …) so that they fit, and what to say of it."""
    step = -(-labels.size // most)
    return (labels, "") if step <= 1 else (labels[:, ::step], f", one draw in {step}")


def _drawn(draws, rng: np.random.Generator, most: int) -> Clusterings:
    mixtures, rows, obs = _parts(draws)
    places, note = _thinned(np.arange(len(mixtures)).reshape(mixtures.n_chains, -1, 1), -(-most // len(rows)))
    chosen = places.ravel()
    lazy = Responsibilities(None, np.ones(len(rows)), (mixtures.take(chosen), rows))
    labels, shares = np.empty((len(chosen), len(rows)), dtype=np.int32), np.zeros((len(rows), mixtures.n_components))
    for some, r in lazy.blocks():
        shares += r.sum(axis=0)
        level = rng.random(r.shape[:2])
        component = (np.cumsum(r, axis=2) <= level[..., None] * r.sum(axis=2, keepdims=True)).sum(axis=2)
        labels[some] = np.minimum(component, r.shape[2] - 1)
    for row in labels:
        row[:] = _without_gaps(row)
    source = "allocations drawn by their responsibilities" + note
    return Clusterings(labels, mixtures.n_chains, obs, source, shares.argmax(axis=1))


def _parts(draws) -> tuple[MixtureDraws | PartDraws, np.ndarray, np.ndarray]:
    if is_open(draws):
        parts = read_any(draws)
        return parts, np.arange(len(parts.obs)), parts.obs
    mixtures = read(draws) if "weights" in posterior_of(draws) else None
    rows = None if mixtures is None else observed_rows(draws, mixtures.features)
    if rows is None:
        raise ValueError("the draws hold neither allocations (chain, draw, obs) in the posterior, nor a mixture's "
                         "weights and its rows (obs, feature) in observed_data; add them, or give labels")  # fmt: skip
    group = group_of(draws, "observed_data")
    labelled = "obs" in group.coords and group.sizes["obs"] == len(rows)
    return mixtures, rows, group["obs"].values if labelled else np.arange(len(rows))


def _whole_numbers(labels: np.ndarray, name: str) -> np.ndarray:
    if labels.dtype.kind == "f" and np.isfinite(labels).all() and (labels == np.rint(labels)).all():
        return labels.astype(np.int64)
    if labels.dtype.kind not in "iub":
        where = ""
        if labels.dtype.kind == "f":
            wrong = np.argwhere(~(np.isfinite(labels) & (labels == np.rint(labels))))[0]
            where = f"; the first that is not is at {tuple(int(w) for w in wrong)}"
        raise ValueError(f"{name} must hold whole numbers, the cluster of each row in each draw{where}")
    return labels.astype(np.int64) if labels.dtype.kind == "b" else labels
