"""Rows, what they belong to, and their classes: read and checked; and sums over rows that belong together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bayesgmm.data import DataError, Table, as_table

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Grouped:
    """Rows, and the group of each: an object that is classified as one. Without groups every row is its own.

    Attributes
    ----------
    table : Table
    at : ndarray of int (N,)
        The position of each row's group.
    index : pandas.Index (G,)
        Names of the groups, in the order in which they first appear.
    """

    table: Table
    at: np.ndarray
    index: pd.Index

    @classmethod
    def of(cls, x, groups=None, *, features=None, missing="raise") -> Grouped:
        """Read rows and groups, a name a row."""
        import pandas as pd

        table = as_table(x, features=features, missing=missing)
        if groups is None:
            return cls(table, np.arange(table.n_obs), pd.RangeIndex(table.n_obs, name="obs"))
        at, found = pd.factorize(_one_each(groups, table.n_obs, "groups"))
        return cls(table, at, pd.Index(found, name=getattr(groups, "name", None) or "group"))

    @property
    def n_groups(self) -> int:
        """G."""
        return len(self.index)

    def take(self, keep: np.ndarray) -> Grouped:
        """The groups that are kept (G,) bool, with all their rows."""
        rows, place = keep[self.at], np.cumsum(keep) - 1
        table = Table(np.ascontiguousarray(self.table.values[rows]), self.table.features)
        return Grouped(table, place[self.at[rows]], self.index[keep])

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sums (…, G) of values (…, N) over the rows of each group."""
        if self.n_groups == len(self.at):
            return values
        order = np.argsort(self.at, kind="stable")
        first = np.searchsorted(self.at[order], np.arange(self.n_groups))
        return np.add.reduceat(values[..., order], first, axis=-1)

    def by_group(self, codes: np.ndarray, names, what: str = "labels") -> np.ndarray:
        """One code (G,) a group, from one a row (N,); a sentence where a group has two."""
        first = np.empty(self.n_groups, dtype=int)
        first[self.at[::-1]] = codes[::-1]
        wrong = np.flatnonzero(codes != first[self.at])
        if wrong.size:
            n = wrong[0]
            raise DataError(
                f"{what} has both {names[first[self.at[n]]]!r} and {names[codes[n]]!r} in group "
                f"{self.index.tolist()[self.at[n]]!r} (row {n + 1}): all rows of a group need one label"
            )
        return first


@dataclass(frozen=True, eq=False)
class Labelled:
    """Groups whose classes are known.

    Attributes
    ----------
    rows : Grouped
    classes : tuple
        The class names, sorted.
    of_row : ndarray of int (N,)
    of_group : ndarray of int (G,)
    """

    rows: Grouped
    classes: tuple
    of_row: np.ndarray
    of_group: np.ndarray

    @classmethod
    def of(cls, x, labels, groups=None, *, classes=None, features=None, missing="raise") -> Labelled:
        """Read rows, labels and groups; where the classes are known, labels may be no others."""
        rows = Grouped.of(x, groups, features=features, missing=missing)
        names = _one_each(labels, rows.table.n_obs, "labels")
        if classes is None:
            classes = _classes(names)
        codes = codes_of(names, classes)
        return cls(rows, classes, codes, rows.by_group(codes, classes))

    def of_class(self, code: int, keep: np.ndarray | None = None) -> Table:
        """The rows of a class, of all groups or of some (G,) bool; a sentence where they cannot be fitted."""
        chosen = self.of_row == code
        if keep is not None:
            chosen &= keep[self.rows.at]
        table, name = self.rows.table, f"x in class {self.classes[code]!r}"
        some = Table(np.ascontiguousarray(table.values[chosen]), table.features)
        return as_table(some, name=name, fitting=True, missing="marginalise")

    def check(self) -> None:
        """A sentence where a class cannot be fitted, before anything is."""
        for code in range(len(self.classes)):
            self.of_class(code)

    @property
    def numbers(self) -> np.ndarray:
        """Groups of each class."""
        return np.bincount(self.of_group, minlength=len(self.classes))


def codes_of(names: np.ndarray, classes: tuple) -> np.ndarray:
    """Positions of names among the classes; a sentence for one that is none."""
    place = {name: c for c, name in enumerate(classes)}
    codes = np.array([place.get(name, -1) for name in names.tolist()])
    if (codes < 0).any():
        n = int((codes < 0).argmax())
        known = ", ".join(map(repr, classes[:10])) + (", …" if len(classes) > 10 else "")
        raise DataError(f"labels has {names.tolist()[n]!r} in row {n + 1}, which is no class here; they are {known}")
    return codes


def _classes(names: np.ndarray) -> tuple:
    found = set(names.tolist())
    if len(found) < 2:
        raise DataError(f"labels names one class alone, {next(iter(found))!r}: a classifier needs two or more")
    try:
        return tuple(sorted(found))
    except TypeError:
        raise DataError("labels mixes kinds of names, such as numbers and text: use one") from None


def _one_each(values, n_obs: int, what: str) -> np.ndarray:
    """A name a row (N,), none of them missing."""
    import pandas as pd

    values = np.asarray(values)
    if values.shape != (n_obs,):
        raise DataError(f"{what} must name one for each of the {n_obs} rows of x, and has shape {values.shape}")
    if pd.isna(values).any():
        raise DataError(f"{what} is missing in row {int(pd.isna(values).argmax()) + 1}: leave out rows without one")
    return values
