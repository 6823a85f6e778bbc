"""Responsibilities r (M, N, K) of all draws, block by block, however many there are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bayesgmm.draws.mixtures import MixtureDraws
from bayesgmm.draws.parts import PartDraws, read_any
from bayesgmm.kernel import add_in_order, log_probs, overlaps

# Numbers that are kept from one pass to the next (256 MB); where there are more, a pass makes them anew, in blocks.
HELD = 32_000_000
_BLOCK = 2_000_000
# Draws × rows × K that are looked at; where there are more, labels are matched on some of the rows.
MOST = 200_000_000


@dataclass(frozen=True, eq=False)
class Responsibilities:
    """What matching asks of responsibilities: two sums, each in one pass, with memory that is bounded.

    Make them with `of` from mixtures and rows, or from an array.

    Parameters
    ----------
    values : ndarray (M, N, K) or None
        None where they are made as they are needed.
    case_weights : ndarray (N,)
    source : tuple, optional
        Mixtures and rows to make them from.

    Examples
    --------
    >>> import numpy as np
    >>> r = Responsibilities(np.array([[[0.2, 0.8]], [[0.7, 0.3]]]), np.ones(1))
    >>> r.total(np.array([[0, 1], [1, 0]]))
    array([[0.5, 1.5]])
    """

    values: np.ndarray | None
    case_weights: np.ndarray
    source: tuple[MixtureDraws, np.ndarray] | None = None

    @classmethod
    def of(cls, mixtures: MixtureDraws | PartDraws, rows: np.ndarray, case_weights=None) -> Responsibilities:
        """Those of rows (N, D), NaN where a cell is missing, under M mixtures; of `PartDraws`, rows by position."""
        if isinstance(mixtures, PartDraws):
            values = mixtures.responsibilities
            return cls(values if len(rows) == values.shape[1] else values[:, rows], mixtures.case_weights[rows])
        weights = np.ones(len(rows)) if case_weights is None else np.asarray(case_weights, dtype=float)
        lazy = cls(None, weights, (mixtures, rows))
        if np.prod(lazy.shape, dtype=float) > HELD:
            return lazy
        values = np.empty(lazy.shape)
        for draws, r in lazy.blocks():
            values[draws] = r
        return cls(values, weights)

    @classmethod
    def of_draws(cls, draws) -> Responsibilities:
        """Those of the rows that draws hold, whatever the components are: Gaussians, or a story's own.

        Raises
        ------
        ValueError
            If the draws hold no rows.

        Examples
        --------
        >>> from bayesgmm.draws import from_arrays
        >>> draws = from_arrays([[[0.5, 0.5]]], [[[[-1.0], [1.0]]]], np.ones((1, 1, 2, 1, 1)), x=[[0.0], [9.0]])
        >>> Responsibilities.of_draws(draws).values.round(2)
        array([[[0.5, 0.5],
                [0. , 1. ]]])
        """
        from bayesgmm.draws.invariants import case_weights, rows_of

        mixtures = read_any(draws)
        rows = rows_of(draws, mixtures)
        if rows is None:
            raise ValueError("the draws hold no rows, a variable (obs, feature) in observed_data")
        return cls.of(mixtures, rows, case_weights(draws, len(rows)))

    @property
    def held(self) -> bool:
        """Whether a pass need not make them anew."""
        return self.values is not None

    def part(self) -> Responsibilities:
        """Those of so many of the rows that they are held."""
        mixtures, rows = self.source
        chosen = some_rows(len(rows), *mixtures.weights.shape, most=HELD // 4)
        return Responsibilities.of(mixtures, rows[chosen], self.case_weights[chosen])

    @property
    def shape(self) -> tuple[int, int, int]:
        """(M, N, K)."""
        if self.held:
            return self.values.shape
        mixtures, rows = self.source
        return len(mixtures), len(rows), mixtures.n_components

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Which draws, and their responsibilities (m, N, K)."""
        if self.held:
            yield slice(0, len(self.values)), self.values
            return
        mixtures, rows = self.source
        if isinstance(mixtures, PartDraws):
            yield slice(0, len(mixtures)), mixtures.responsibilities[:, rows]
            return
        (m, n, k), rows = self.shape, _grouped(rows)
        step = max(1, _BLOCK // (n * k))
        for draws in (slice(first, min(first + step, m)) for first in range(0, m, step)):
            parts = mixtures.log_weights[draws], mixtures.means[draws], mixtures.factors[draws]
            yield draws, log_probs(rows, *parts, responsibilities=True)[1]

    def total(self, orders: np.ndarray) -> np.ndarray:
        """Σ_m r[m, n, orders[m, j]] (N, K)."""
        total = np.zeros(self.shape[1:])
        for draws, r in self.blocks():
            add_in_order(r, orders[draws], total)
        return total

    def step(self, table: np.ndarray, choose) -> tuple[np.ndarray, np.ndarray]:
        """Orders (M, K) that ``choose(draws, gains)`` makes of Σ_n w_n r[m, n, a] table[n, b], and the total of them.

        Both in one pass.
        """
        weighted = self.case_weights[:, None] * table
        orders, total = np.empty((self.shape[0], self.shape[2]), dtype=np.int64), np.zeros(self.shape[1:])
        for draws, r in self.blocks():
            orders[draws] = choose(draws, overlaps(r, weighted))
            add_in_order(r, orders[draws], total)
        return orders, total


def some_rows(n_rows: int, n_draws: int, n_components: int, most: int | None = None) -> np.ndarray:
    """Positions of the rows that labels are matched on: all, or so many at random that the passes stay short.

    Examples
    --------
    >>> len(some_rows(272, 4000, 2)), len(some_rows(1_000_000, 4000, 5))
    (272, 10000)
    """
    size = max(1, (MOST if most is None else most) // (n_draws * n_components))
    if n_rows <= size:
        return np.arange(n_rows)
    return np.sort(np.random.default_rng(0).choice(n_rows, size, replace=False))


def _grouped(rows: np.ndarray):
    from bayesgmm.kernel import Incomplete

    return Incomplete.of(rows) if np.isnan(rows).any() else rows
