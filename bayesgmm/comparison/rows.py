"""The rows that fits and posteriors are compared on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayesgmm.comparison.items import Item
from bayesgmm.data import Table, as_table
from bayesgmm.draws.invariants import case_weights as recorded_weights
from bayesgmm.draws.invariants import observed_rows


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows, and how often each counts.

    Attributes
    ----------
    table : Table
    weights : ndarray (N,) or None
        None where each counts once.
    """

    table: Table
    weights: np.ndarray | None

    @property
    def values(self) -> np.ndarray:
        """(N, D), NaN where a cell is missing."""
        return self.table.values

    @property
    def counts(self) -> np.ndarray:
        """(N,)."""
        return np.ones(self.table.n_obs) if self.weights is None else self.weights


def rows_of(items: list[Item], x, case_weights) -> Rows | None:
    """The rows x, or those that the first posterior holds, with its case weights; None without either.

    Raises
    ------
    DataError, ValueError
        If they cannot be read, or there are not as many weights as rows.
    """
    features = items[0].mixture.features
    held = [i.draws for i in items if i.draws is not None and observed_rows(i.draws, features) is not None]
    if x is None:
        if not held:
            return None
        x = observed_rows(held[0], features)
        case_weights = recorded_weights(held[0], len(x)) if case_weights is None else case_weights
    table = as_table(x, features=features, missing="marginalise")
    if case_weights is None:
        return Rows(table, None)
    weights = np.asarray(case_weights, dtype=float)
    if weights.shape != (table.n_obs,):
        raise ValueError(f"case_weights has shape {weights.shape}, but x has {table.n_obs} rows: give one weight a row")
    return Rows(table, weights)
