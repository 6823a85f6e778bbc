"""One value for numbers in rows and named columns, whatever they came in."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bayesgmm.kernel import Incomplete

from .errors import ColumnError, DataError

__all__ = ["Table", "as_table", "check_components"]

# Cells looked at in one go: small enough to stay in cache, so that no check allocates anything of the data's size.
BLOCK = 1 << 16


@dataclass(frozen=True, eq=False, repr=False)
class Table:
    """Finite numbers in rows (points) and named columns (features), NaN where a cell is missing.

    Make one with :func:`as_table`, which checks; the class itself does not.

    Attributes
    ----------
    values : ndarray of float64, shape (N, D), C-contiguous
        The caller's own array where that already had this form: treat it as read-only. With ``keep=True`` it may be
        float32 too, and of any memory layout.
    features : tuple of str, length D

    Examples
    --------
    >>> table = as_table([[3.6, 79], [1.8, 54]])
    >>> table
    Table(2 rows of x0, x1)
    >>> table.n_obs, table.n_features
    (2, 2)
    """

    values: np.ndarray
    features: tuple[str, ...]

    @property
    def n_obs(self) -> int:
        """N, the number of rows."""
        return self.values.shape[0]

    @property
    def n_features(self) -> int:
        """D, the number of columns."""
        return self.values.shape[1]

    @cached_property
    def rows(self) -> np.ndarray | Incomplete:
        """The rows as `bayesgmm.kernel.e_step` takes them: the values, or groups of them where cells are missing."""
        return Incomplete.of(self.values) if _has_missing(self.values) else self.values

    def __repr__(self) -> str:
        return f"Table({_count(self.n_obs, 'row')} of {', '.join(self.features)})"


def as_table(x, *, features: Sequence[str] | None = None, name: str = "x", fitting: bool = False,
             keep: bool = False, missing: str = "raise") -> Table:  # fmt: skip
    """The numbers of `x` as a :class:`Table`, checked.

    Laws: ``as_table(as_table(x))`` is ``as_table(x)``; a float64 C-contiguous array is not copied; the
    checks allocate nothing of the data's size.

    Parameters
    ----------
    x : array_like, data frame, path or Table
        Shape (N, D), or (N,) for one feature. Arrays and nested lists; frames and series of pandas, Polars
        or PyArrow; the path of a CSV or Parquet file. Columns of integers, floats and booleans are numbers.
    features : sequence of str, optional
        Columns to take from a frame, a file or a Table, in this order (all of them if not given). An array has no
        names to choose by: there they *name* its D columns, which are x0, x1, … otherwise.
    name : str
        What error messages call `x`; a file goes by its own name.
    fitting : bool
        Hold the data to what a fit needs as well: two rows or more and no constant column. New points to be
        scored need neither.
    keep : bool
        Leave float32 and float64 arrays as they are, in whatever memory layout: the kernel reads them in place.
    missing : {"raise", "marginalise"}
        What NaN, None or an empty cell of a file means: an error, or a cell that is missing at random.

    Returns
    -------
    Table

    Raises
    ------
    DataError
        No rows or columns; infinite cells; missing cells, or with "marginalise" and `fitting` columns that have no
        others; complex, object or more than 2-D arrays; unknown or repeated
        features; files that are missing, empty or unreadable.
    ColumnError
        Columns of text or dates, without a name, or constant (if `fitting`).

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> as_table(pd.DataFrame({"a": [1, 2], "b": [True, False]}))
    Table(2 rows of a, b)
    >>> x = np.zeros((3, 2))
    >>> as_table(x).values is x
    True
    >>> as_table(np.arange(6.0).reshape(3, 2) * [1, 0], fitting=True)
    Traceback (most recent call last):
    bayesgmm.data.errors.ColumnError: x: column 'x1' is constant (0.0); choose columns with features=('x0',)
    """
    if missing not in ("raise", "marginalise"):
        raise DataError(f"missing={missing!r} is not known; use 'raise' or 'marginalise'")
    if isinstance(x, Table):
        table = x if features is None else _choose(x, features, name)
    else:
        if isinstance(x, (str, os.PathLike)):
            from .files import read_frame

            x, name = read_frame(x), os.path.basename(x)
        table = _read(x, features, name)
        _require_cells(table, name)
        _require_finite(table, name, missing)
    if fitting and missing == "marginalise":
        _require_observed(table, name)
    if missing == "raise" and isinstance(x, Table) and _has_missing(table.values):
        _require_finite(table, name, missing)
    if fitting:
        _require_spread(table, name)
    return table if keep else _plain(table)


def _plain(table: Table) -> Table:
    """The table as float64 in rows, the same one where it is that already."""
    values = np.ascontiguousarray(table.values, dtype=np.float64)
    return table if values is table.values else Table(values, table.features)


def check_components(table: Table, n_components, *, name: str = "x") -> int:
    """The number of components K as an int, if `table` can hold that many.

    Parameters
    ----------
    table : Table
    n_components : int
    name : str
        What error messages call the data.

    Returns
    -------
    int

    Raises
    ------
    DataError
        K is not a whole number, less than 1, or larger than the number of distinct rows: a component
        needs a place of its own.

    Examples
    --------
    >>> check_components(as_table([[1.0], [1.0], [2.0]]), 2)
    2
    >>> check_components(as_table([[1.0], [1.0], [2.0]]), 3)
    Traceback (most recent call last):
    bayesgmm.data.errors.DataError: n_components is 3, but x has only 2 distinct rows; ask for at most 2
    """
    k = _whole_number(n_components)
    distinct = _distinct_rows(table.values, k)
    if distinct < k:
        rows = _count(distinct, "distinct row")
        raise DataError(f"n_components is {k}, but {name} has only {rows}; ask for at most {distinct}")
    return k


def _whole_number(value) -> int:
    try:
        k = operator.index(value)
    except TypeError:
        k = 0
    if k < 1 or isinstance(value, (bool, np.bool_)):
        raise DataError(f"n_components must be a whole number of at least 1, not {value!r}")
    return k


def _distinct_rows(values: np.ndarray, enough: int) -> int:
    """The number of distinct rows, or `enough` as soon as there are that many."""
    seen = set()
    for block in _blocks(values):
        for row in block + 0.0:  # -0.0 and 0.0 are one number with two spellings
            seen.add(row.tobytes())
            if len(seen) >= enough:
                return enough
    return len(seen)


def _read(x, features, name: str) -> Table:
    if isinstance(x, (np.ndarray, list, tuple)):
        return _from_array(x, features, name)
    from . import frames

    frame = frames.as_frame(x)
    return _from_array(x, features, name) if frame is None else frames.table_of(frame, features, name)


def _from_array(x, features, name: str) -> Table:
    values = _numbers(x, name)
    values = values[:, None] if values.ndim == 1 else values
    names = tuple(f"x{j}" for j in range(values.shape[1])) if features is None else feature_names(features)
    if len(names) != values.shape[1]:
        columns = _count(values.shape[1], "column")
        raise DataError(f"{name} has {columns} but features names {len(names)}; give an array's columns one name each")
    return Table(values if values.dtype in (np.float32, np.float64) else values.astype(np.float64), names)


def _numbers(x, name: str) -> np.ndarray:
    """`x` as an array of real numbers with one or two dimensions."""
    if isinstance(x, np.ma.MaskedArray):
        x = np.ma.filled(x.astype(np.float64), np.nan)
    try:
        array = np.asarray(x)
    except ValueError:
        raise DataError(f"{name} has rows of different lengths; give every row the same columns") from None
    if array.ndim not in (1, 2):
        kind = f"a {array.ndim}-dimensional array" if array.ndim else f"a {type(x).__name__}"
        raise DataError(f"{name} is {kind}; give rows and columns: an array, a data frame or a CSV or Parquet file")
    if array.dtype.kind not in "fiub":
        kinds = {"c": "complex numbers", "U": "text", "S": "text", "M": "dates", "m": "durations"}
        kind = kinds.get(array.dtype.kind, "Python objects")
        raise DataError(f"{name} is an array of {kind}; give real numbers, for instance with x.astype(float)")
    return array


def feature_names(features) -> tuple[str, ...]:
    """`features` as a tuple of different strings; a single string is one name."""
    names = (features,) if isinstance(features, str) else tuple(map(str, features))
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(f"features names {repeated[0]!r} twice; give each column once")
    if not names:
        raise DataError("features is empty; name one column or more, or leave it out to take them all")
    return names


def require_known(names: Sequence[str], columns: Sequence[str], name: str) -> None:
    """Raise unless every one of `names` is a column."""
    for wanted in names:
        if wanted not in columns:
            raise DataError(f"{name} has no column {wanted!r}; its columns are {', '.join(map(repr, columns))}")


def _choose(table: Table, features, name: str) -> Table:
    names = feature_names(features)
    require_known(names, table.features, name)
    chosen = [table.features.index(wanted) for wanted in names]
    return Table(np.ascontiguousarray(table.values[:, chosen]), names)


def _require_cells(table: Table, name: str) -> None:
    for count, kind in ((table.n_features, "columns"), (table.n_obs, "rows")):
        if count == 0:
            raise DataError(f"{name} has no {kind}; give at least one")


def _has_missing(values: np.ndarray) -> bool:
    with np.errstate(all="ignore"):
        if np.isfinite(values.sum()):  # one pass without a temporary: NaN survives a sum
            return False
    return any(np.isnan(block).any() for block in _blocks(values))


def _require_finite(table: Table, name: str, missing: str) -> None:
    with np.errstate(all="ignore"):
        if np.isfinite(table.values.sum()):  # one pass without a temporary: NaN and infinity survive a sum
            return
    if missing == "marginalise":
        blocks = ((start, np.where(np.isnan(block), 0, block)) for start, block in _numbered_blocks(table.values))
    else:
        blocks = _numbered_blocks(table.values)
    bad = [_first_bad(block, start) for start, block in blocks]
    count = sum(n for n, *_ in bad)
    if count == 0:  # finite cells whose sum overflows
        return
    _, row, column, value = next(found for found in bad if found[0])
    more = f" (and {_count(count - 1, 'more cell')})" if count > 1 else ""
    where = f"row {row + 1} (of {table.n_obs}, counted from 1), column {table.features[column]!r}"
    if np.isnan(value):
        advice = "fill or drop missing cells, or sum them out with missing='marginalise'"
        raise DataError(f"{name} has NaN in {where}{more}; {advice}")
    raise DataError(f"{name} has {value} in {where}{more}; fill or drop infinite cells")


def _require_observed(table: Table, name: str) -> None:
    observed = np.zeros(table.n_features, dtype=bool)
    for block in _blocks(table.values):
        observed |= ~np.isnan(block).all(axis=0)
    if not observed.all():
        usable = [feature for feature, some in zip(table.features, observed, strict=True) if some]
        raise ColumnError(f"{name}: column {table.features[int(observed.argmin())]!r} has no observed cell", usable)


def _first_bad(block: np.ndarray, start: int) -> tuple[int, int, int, float]:
    """(how many cells are not finite, row and column of the first of them, its value)."""
    bad = ~np.isfinite(block)
    row, column = divmod(int(bad.argmax()), block.shape[1])
    return int(bad.sum()), start + row, column, float(block[row, column])


def _require_spread(table: Table, name: str) -> None:
    if table.n_obs < 2:
        raise DataError(f"{name} has 1 row, where a fit needs at least 2; add rows")
    constant = np.flatnonzero(_constant_columns(table.values))
    if constant.size:
        j = constant[0]
        usable = [feature for i, feature in enumerate(table.features) if i not in constant]
        seen = table.values[:, j]
        value = float(seen[~np.isnan(seen)][0]) if not np.isnan(seen).all() else "no observed cell"
        raise ColumnError(f"{name}: column {table.features[j]!r} is constant ({value})", usable)


def _constant_columns(values: np.ndarray) -> np.ndarray:
    constant, first = np.ones(values.shape[1], dtype=bool), np.array(values[0], dtype=float)
    for block in _blocks(values):
        if np.isnan(first).any():  # the first cell of a column that is observed, if that one is not
            have = ~np.isnan(block)
            at = block[have.argmax(axis=0), np.arange(len(first))]
            first = np.where(np.isnan(first), at, first)
        constant &= ((block == first) | np.isnan(block)).all(axis=0)
        if not constant.any():  # nearly always after the first block
            break
    return constant


def _blocks(values: np.ndarray) -> Iterator[np.ndarray]:
    return (block for _, block in _numbered_blocks(values))


def _numbered_blocks(values: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    rows = max(1, BLOCK // values.shape[1])
    return ((start, values[start : start + rows]) for start in range(0, len(values), rows))


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
