"""`Selection`: every fit of a sweep as a table, the best of them, and how sure that choice is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from bayesgmm.families import family, univariate
from bayesgmm.fit.result import Fit
from bayesgmm.selection.merging import Merging
from bayesgmm.selection.sweep import Cell
from bayesgmm.selection.words import CRITERIA, paragraphs, shown

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class Selection:
    """Fits of several numbers of components and covariance families; what `select` returns.

    Attributes
    ----------
    fits : mapping
        (K, code of the family) → `Fit`, of those that came through; among them, with a `Fit.degeneracy`, some that hold
        a component with hardly any rows, which is never the best.
    table : pandas.DataFrame
        A row a fit that was tried: ``n_components``, ``covariance_type`` (mclust's code; E and V for one feature),
        ``log_likelihood``, ``n_parameters``, ``bic``, ``icl``, ``aic``, ``entropy``, ``converged``, ``degenerate``, and
        a ``note`` that says why there is none.
    criterion : {"bic", "icl", "aic"}
    n_obs : float
        N, or the sum of the case weights.
    incomplete : bool
        Somebody interrupted: fits are missing.
    merging : Merging
        The components of the best fit by BIC, merged into clusters.
    """

    fits: Mapping[tuple[int, str], Fit]
    table: pd.DataFrame
    criterion: str
    n_obs: float
    incomplete: bool
    merging: Merging

    @property
    def best(self) -> Fit:
        """The fit with the lowest value of the criterion."""
        return self._first(self.criterion)

    def _first(self, criterion: str) -> Fit:
        row = self.ranked(criterion).iloc[0]
        return self.fits[int(row["n_components"]), row["covariance_type"]]

    def fit(self, n_components: int, covariance_type="full") -> Fit:
        """The fit of so many components of a family, by any of its names.

        Raises
        ------
        KeyError
            If there is none; the message says why.
        """
        one = "E" in set(self.table["covariance_type"]) or "V" in set(self.table["covariance_type"])
        key = n_components, (univariate if one else family)(covariance_type).code
        if key in self.fits:
            return self.fits[key]
        t = self.table
        rows = t[(t["n_components"] == key[0]) & (t["covariance_type"] == key[1])]
        why = rows["note"].iloc[0] if len(rows) else "it was not tried"
        raise KeyError(f"there is no fit of {key[0]} components of family {key[1]}: {why}")

    @property
    def ranking(self) -> pd.DataFrame:
        """The fits that are not degenerate, best first, with their ``difference`` from the best."""
        return self.ranked(self.criterion)

    def ranked(self, criterion: str) -> pd.DataFrame:
        """The same by another criterion."""
        if criterion not in CRITERIA:
            raise ValueError(f"criterion must be one of {', '.join(map(repr, CRITERIA))}, not {criterion!r}")
        sound = self.table["log_likelihood"].notna() & ~self.table["degenerate"]
        found = self.table[sound].sort_values(criterion, kind="stable")
        found = found.reset_index(drop=True)
        found.insert(3, "difference", found[criterion] - found[criterion].iloc[0])
        return found

    def top(self, n: int = 3) -> list[Fit]:
        """The best fits, so many of them."""
        keys = self.ranking.head(n)[["n_components", "covariance_type"]]
        return [self.fits[key] for key in keys.itertuples(index=False, name=None)]

    @cached_property
    def choices(self) -> pd.DataFrame:
        """What each criterion chooses, and the clusters after merging the components of BIC's choice."""
        import pandas as pd

        rows = {name: self.ranked(c).iloc[0] for c, name in CRITERIA.items()}
        found = {name: {"n_clusters": row["n_components"], "n_components": row["n_components"],
                        "covariance_type": row["covariance_type"]} for name, row in rows.items()}  # fmt: skip
        found["BIC, merged"] = found["BIC"] | {"n_clusters": self.merging.n_clusters}
        return pd.DataFrame.from_dict(found, orient="index")

    @property
    def text(self) -> str:
        """What was chosen and how sure that is, in sentences, with a table of the best three."""
        first, *others = paragraphs(self)
        best = shown(self.ranking.head(3), self.criterion).to_string(index=False)
        return "\n\n".join([first, best, "\n".join(others)])

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from bayesgmm.comparison.shown import as_html

        first, *others = (f"<p>{escape(line)}</p>" for line in paragraphs(self))
        return "\n".join([first, as_html(shown(self.ranking.head(10), self.criterion)), *others])


def table_of(cells: list[Cell], fits: Mapping[tuple[int, str], Fit], n_features: int) -> pd.DataFrame:
    """A row a cell, with the fit's numbers where it has one."""
    import pandas as pd

    rows = []
    for cell in cells:
        fit = fits.get(cell.key)
        row = {"n_components": cell.n_components, "covariance_type": cell.family.code}
        row |= {name: np.nan if fit is None else getattr(fit, name) for name in _NUMBERS}
        row["n_parameters"] = cell.n_parameters(n_features)
        row |= {"converged": fit is not None and fit.converged, "degenerate": cell.degenerate, "note": cell.note}
        rows.append(row)
    return pd.DataFrame(rows)


_NUMBERS = ("log_likelihood", "n_parameters", "bic", "icl", "aic", "entropy")
