"""`Incomplete`: rows with missing cells, grouped by what they have, and the pass over them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bayesgmm.kernel import plan
from bayesgmm.kernel.evaluate import HARD, Moments, Pass, address, own_memory, together
from bayesgmm.kernel.library import MERGE, PATTERNS, function
from bayesgmm.kernel.threads import threads
from bayesgmm.kernel.whitening import Whitening


@dataclass(frozen=True, eq=False)
class Incomplete:
    """Rows x (N, D) some of whose cells are missing at random, in G groups of rows that have the same features.

    Make one with `Incomplete.of`.

    Parameters
    ----------
    cells : ndarray
        The observed cells, float64: group after group, row after row.
    order : ndarray (N,)
        Numbers of the rows, group after group.
    starts : ndarray (G + 1,)
        Where each group begins in ``order``.
    features : ndarray (G, D + 1)
        How many features a group has, and then which.

    Examples
    --------
    >>> import numpy as np
    >>> rows = Incomplete.of(np.array([[1.0, 2.0], [np.nan, 3.0], [4.0, 5.0]]))
    >>> rows.order, rows.starts, rows.cells
    (array([0, 2, 1]), array([0, 2, 3]), array([1., 2., 4., 5., 3.]))
    """

    cells: np.ndarray
    order: np.ndarray
    starts: np.ndarray
    features: np.ndarray

    @classmethod
    def of(cls, x) -> Incomplete:
        """Group rows x (N, D), NaN where a cell is missing."""
        x = np.asarray(x, dtype=float)
        observed = ~np.isnan(x)
        patterns, group = np.unique(np.packbits(~observed, axis=1), axis=0, return_inverse=True)
        group = group.ravel()
        order = np.argsort(group, kind="stable")
        starts = np.concatenate(([0], np.cumsum(np.bincount(group, minlength=len(patterns)))))
        features = np.zeros((len(patterns), x.shape[1] + 1), dtype=np.int64)
        for row, first in zip(features, order[starts[:-1]], strict=True):
            have = np.flatnonzero(observed[first])
            row[0], row[1 : 1 + len(have)] = len(have), have
        return cls.grouped(x, order, starts, features)

    @classmethod
    def grouped(cls, x, order, starts, features) -> Incomplete:
        """The same where the groups are known; what stands in missing cells is not looked at."""
        blocks = [x[np.ix_(order[a:b], f[1 : 1 + f[0]])].ravel() for a, b, f in zip(starts, starts[1:], features)]
        cells = np.concatenate([*blocks, np.empty(0)])
        return cls(cells, *(np.ascontiguousarray(a, dtype=np.int64) for a in (order, starts, features)))

    @property
    def shape(self) -> tuple[int, int]:
        """(N, D)."""
        return len(self.order), self.features.shape[1] - 1

    @property
    def dtype(self) -> np.dtype:
        """float64."""
        return self.cells.dtype

    def __len__(self) -> int:
        return len(self.order)

    @cached_property
    def offsets(self) -> np.ndarray:
        """Where the cells of each group begin (G + 1,)."""
        return np.concatenate(([0], np.cumsum(np.diff(self.starts) * self.features[:, 0])))

    def blocks(self):
        """Each group: the numbers of its rows (n,), which features it has (D,) bool, and their cells (n, O)."""
        for g, features in enumerate(self.features):
            have = np.zeros(self.shape[1], dtype=bool)
            have[features[1 : 1 + features[0]]] = True
            rows = self.order[self.starts[g] : self.starts[g + 1]]
            yield rows, have, self.cells[self.offsets[g] : self.offsets[g + 1]].reshape(len(rows), features[0])

    def to_array(self) -> np.ndarray:
        """x (N, D), NaN where a cell is missing."""
        x = np.full(self.shape, np.nan)
        for rows, have, cells in self.blocks():
            x[np.ix_(rows, have)] = cells
        return x

    def pieces(self, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(offsets, starts, features) of groups cut into pieces of at most so many rows."""
        cuts = [np.arange(a, b, rows) for a, b in zip(self.starts, self.starts[1:])]
        group = np.repeat(np.arange(len(cuts)), [len(c) for c in cuts])
        starts = np.concatenate([*cuts, [len(self)]])
        features = self.features[group]
        offsets = self.offsets[group] + (starts[:-1] - self.starts[group]) * features[:, 0]
        return np.append(offsets, len(self.cells)), starts, features


def evaluate_incomplete(x: Incomplete, log_weights, means, whitening: Whitening, row_weights=None, *, assign=0,
                        pointwise=True, responsibilities=False) -> Pass:  # fmt: skip
    """`evaluate` for rows with missing cells, in double precision: moments are expected given what is observed."""
    (n, d), k = x.shape, len(log_weights)
    factors = np.ascontiguousarray(whitening.factors, dtype=float)
    log_weights, means = (np.ascontiguousarray(v, dtype=float) for v in (log_weights, means))
    f, width = len(factors), d if factors.ndim == 3 else 1
    weights = None if row_weights is None else np.ascontiguousarray(row_weights[x.order], dtype=float)
    log_prob = np.empty(n) if pointwise else None
    r = np.zeros((n, k)) if responsibilities else None
    ranges = plan.n_ranges(n, k, d, width)
    offsets, starts, features = x.pieces(-(-n // ranges))
    firsts = np.searchsorted(starts[:-1], np.arange(ranges + 1) * n // ranges)
    parts = [np.zeros((ranges, *shape)) for shape in ((), (k,), (k, d), (k, d, width))]
    given = [v for array in (log_prob, r) for v in ((0, 0) if array is None else (address(array), n))]
    fixed = [address(log_weights), address(means), address(factors), 0 if weights is None else address(weights),
             0 if weights is None else n, int(assign == HARD), *given]  # fmt: skip
    size, walk, todo = plan.pattern_memory(k, d, f, width).bytes, function(PATTERNS), deque(range(ranges))

    def work():
        while todo:
            try:
                i = todo.popleft()
            except IndexError:  # another thread took the last one
                return
            g = firsts[i]
            walk(address(x.cells), address(offsets) + 8 * g, address(starts) + 8 * g,
                 address(features) + 8 * (d + 1) * g, firsts[i + 1] - g, d, k, f, width, *fixed,
                 *(address(part[i : i + 1]) for part in parts), own_memory(size))  # fmt: skip

    together(work, min(ranges, plan.n_workers(threads(), n, k, d, width)))
    totals = [np.zeros(part.shape[1:]) for part in parts]
    function(MERGE)(k, d, width, ranges, *map(address, parts), *map(address, totals))
    if log_prob is not None:
        log_prob[x.order] = log_prob.copy()
    if r is not None:
        r[x.order] = r.copy()
    return Pass(float(totals[0]), Moments(*totals[1:]), log_prob, r)
