"""Partitions of least expected loss, searched for from many starts at once; and how often rows are together."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from bayesgmm.kernel.evaluate import address, together
from bayesgmm.kernel.library import PAIRS, SEARCH, function
from bayesgmm.kernel.threads import threads

#: What is searched for; as `clusters` numbers them.
TABLE, RATIO, BOUND, PAIR = 0, 1, 2, 3
#: How far: looked at only; sweeps of single items; whole clusters too.
LOOK, SWEEP, DEEP = 0, 1, 2
# Rows that are compared with all others together, so that these are read once for all of them.
_BLOCK = 16


class Found(NamedTuple):
    """Where a search ended: labels (N,), numbered anyhow, and the objective."""

    labels: np.ndarray
    value: float


@dataclass(frozen=True, eq=False)
class Problem:
    """What a search works on, shared by all starts; made with `of_draws` or `of_similarity`.

    The objective, for a cost G(n) of a cluster or cell of n items, is

        Σ_k G(n_k) − 2/M Σ_m Σ_kl G(n_kl)            TABLE; with n_kl the items that cluster k shares with l of a draw
        N/M Σ_m VI(c, c_m) / H(c, c_m)                RATIO; with G(n) = n log₂ n
        Σ_k G(n_k) − 2 Σ_i log₂ Σ_j∈c(i) p_ij         BOUND; the same G
        Σ_k G(n_k) − 2 Σ_i Σ_j∈c(i) p_ij              PAIR; with G(n) = n² what TABLE is, by similarities

    Parameters
    ----------
    kind : {TABLE, RATIO, BOUND, PAIR}
    total : ndarray (N + 1,)
        G(0), …, G(N).
    n_slots : int
        Clusters that a candidate may have.
    cells : ndarray of uint32 (N, M), optional
        The cluster of each item in each draw, numbered through all draws.
    n_cells : int
    similarity : ndarray (N, N), optional
    """

    kind: int
    total: np.ndarray
    n_slots: int
    cells: np.ndarray | None = None
    n_cells: int = 0
    similarity: np.ndarray | None = None

    @classmethod
    def of_draws(cls, labels: np.ndarray, total: np.ndarray, *, n_slots: int, ratio=False) -> Problem:
        """From draws (M, N), the clusters of each numbered from 0 without gaps."""
        sizes = labels.max(axis=1) + 1
        first = np.concatenate(([0], np.cumsum(sizes)))
        cells = np.ascontiguousarray((labels + first[:-1, None]).T, dtype=np.uint32)
        return cls(RATIO if ratio else TABLE, np.ascontiguousarray(total), n_slots, cells, int(first[-1]))

    @classmethod
    def of_similarity(cls, similarity: np.ndarray, total: np.ndarray, *, n_slots: int, pairs=False) -> Problem:
        """From similarities (N, N), symmetric, with ones along the diagonal: for Binder's loss with ``pairs``."""
        kind, p = PAIR if pairs else BOUND, np.ascontiguousarray(similarity)
        return cls(kind, np.ascontiguousarray(total), n_slots, similarity=p)

    @property
    def n(self) -> int:
        """N."""
        return len(self.total) - 1

    @cached_property
    def _step(self) -> np.ndarray:
        return np.append(np.diff(self.total), 0.0)

    @cached_property
    def _whole(self) -> np.ndarray:
        """B_m = Σ_l G(n_l) of each draw, for ratios."""
        if self.kind != RATIO:
            return np.zeros(1)
        sizes = np.bincount(self.cells.ravel(), minlength=self.n_cells)
        first = self.cells.min(axis=0).astype(np.int64)
        return np.add.reduceat(self.total[sizes], first)

    def search(self, key, start=None, *, deep: int = DEEP, halt=None) -> Found:
        """From one start, a partition (N,) into at most ``n_slots``, or item by item; what it finds depends on the key.

        ``halt``, an array with one whole number, ends it early once another thread sets it.

        Laws: the objective is never above the start's; the answer has no two labels for one cluster.
        """
        n, k, n_draws = self.n, self.n_slots, 0 if self.cells is None else self.cells.shape[1]
        label = np.zeros(n, dtype=np.int64) if start is None else np.array(start, dtype=np.int64)
        # The compiled loops check no bounds.
        if label.shape != (n,) or not (0 <= label.min() and label.max() < k):
            raise ValueError(f"a start is a partition of {n} items into at most {k} clusters, numbered from 0")
        count = np.zeros((self.n_cells, k), dtype=np.uint32)
        joint, value = np.zeros(k * n if self.kind == PAIR else n_draws), np.zeros(1)
        integers, reals = np.zeros(k + 2 + 3 * n, dtype=np.int64), np.zeros(3 * k + 2 + n)
        halt = np.zeros(1, dtype=np.int64) if halt is None else halt
        key = np.asarray(key, dtype=np.uint64)
        given = [0 if a is None else address(a) for a in (self.cells, count, self.similarity)]
        function(SEARCH)(self.kind, n, n_draws, self.n_cells, k, *given, address(label), int(start is not None), deep,
                         address(self.total), address(self._step), address(self._whole), address(joint), address(key),
                         address(integers), address(reals), address(halt), address(value))  # fmt: skip
        return Found(label, float(value[0]))


def co_clustering(labels: np.ndarray) -> np.ndarray:
    """The share of draws in which two rows are in one cluster.

    Parameters
    ----------
    labels : ndarray of int (M, N)
        Not negative.

    Returns
    -------
    ndarray (N, N)

    Examples
    --------
    >>> co_clustering(np.array([[0, 0, 1], [0, 1, 1]]))
    array([[1. , 0.5, 0. ],
           [0.5, 1. , 0.5],
           [0. , 0.5, 1. ]])
    """
    lines = np.ascontiguousarray(labels.T, dtype=np.uint32)
    (n, n_draws), routine = lines.shape, function(PAIRS)
    shares = np.empty((n, n))
    todo = deque(range(0, n, _BLOCK))

    def work():
        while todo:
            try:
                first = todo.popleft()
            except IndexError:  # another thread took the last one
                return
            routine(n, n_draws, first, min(n, first + _BLOCK), address(lines), address(shares))

    together(work, max(1, min(threads(), n // _BLOCK)))
    return shares
