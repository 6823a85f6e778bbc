"""Data frames of any library, through narwhals: choose the numeric columns, refuse the others by name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .errors import ColumnError, DataError
from .table import BLOCK, Table, feature_names, require_known

__all__ = ["as_frame", "table_of"]


def as_frame(x):
    """`x` as a narwhals DataFrame, or None if it is no data frame or series.

    Examples
    --------
    >>> import pandas as pd
    >>> as_frame(pd.Series([1.0, 2.0], name="a")).columns
    ['a']
    >>> as_frame([[1.0], [2.0]]) is None
    True
    """
    import narwhals as nw

    frame = nw.from_native(_with_string_names(x), eager_only=True, allow_series=True, pass_through=True)
    if isinstance(frame, nw.Series):
        frame = (frame if frame.name else frame.alias("x0")).to_frame()
    return frame if isinstance(frame, nw.DataFrame) else None


def table_of(frame, features: Sequence[str] | None, name: str) -> Table:
    """The chosen columns of a narwhals DataFrame as a Table, not yet checked cell by cell.

    Raises
    ------
    DataError
        Unknown or repeated `features`.
    ColumnError
        A chosen column holds something else than numbers, or has no name.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = as_frame(pd.DataFrame({"a": [1, 2], "kind": ["p", "q"]}))
    >>> table_of(frame, None, "x")
    Traceback (most recent call last):
    bayesgmm.data.errors.ColumnError: x: column 'kind' holds text ('p' in row 1); choose columns with features=('a',)
    >>> table_of(frame, ["a"], "x")
    Table(2 rows of a)
    """
    names = tuple(frame.columns) if features is None else feature_names(features)
    require_known(names, frame.columns, name)
    wrong = [column for column in names if _kind(frame, column) != "numbers"]
    if wrong:
        raise ColumnError(f"{name}: {_problem(frame, wrong)}", _usable(frame))
    if features is None:
        _require_names(frame, name)
    return Table(_matrix([_column(frame, column) for column in names], len(frame)), names)


def _with_string_names(x):
    """pandas allows any object as a column's name, and the same one twice: narwhals and we do not."""
    columns = getattr(x, "columns", None)
    if columns is None or not hasattr(x, "set_axis"):
        return x
    names = [str(column) for column in columns]
    repeated = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if repeated:
        raise DataError(f"two columns are named {repeated[0]!r}; give each column a name of its own")
    return x if names == list(columns) else x.set_axis(names, axis=1)


def _kind(frame, column: str) -> str:
    import narwhals as nw

    dtype = frame.schema[column]
    if dtype.is_numeric() or dtype == nw.Boolean:
        return "numbers"
    if dtype.is_temporal():
        return "dates or times"
    if dtype in (nw.String, nw.Categorical, nw.Enum, nw.Object):
        return "text"
    return f"{dtype} values"


def _problem(frame, wrong: list[str]) -> str:
    """Names every column in question and shows the first cell that is no number."""
    kind = _kind(frame, wrong[0])
    example = _first_text(frame, wrong[0]) if kind == "text" else ""
    if len(wrong) == 1:
        return f"column {wrong[0]!r} holds {kind}{example}"
    return f"columns {', '.join(map(repr, wrong))} do not hold numbers but, {wrong[0]!r} for one, {kind}{example}"


def _first_text(frame, column: str) -> str:
    for row, cell in enumerate(frame[column].to_list(), start=1):
        try:
            float("nan" if cell is None else cell)
        except (TypeError, ValueError):
            return f" ({str(cell)[:40]!r} in row {row})"
    return ""


def _require_names(frame, name: str) -> None:
    """A column without a name is most often the row numbers that a table was saved with: no feature."""
    for place, column in enumerate(frame.columns, start=1):
        if _unnamed(column):
            problem = f"{name}: column {place} has no name, so it may be row numbers and not data"
            raise ColumnError(problem, _usable(frame))


def _unnamed(column: str) -> bool:
    return not column.strip() or column.startswith("Unnamed: ")  # the latter is pandas' word for it


def _usable(frame) -> list[str]:
    return [column for column in frame.columns if _kind(frame, column) == "numbers" and not _unnamed(column)]


def _column(frame, column: str) -> np.ndarray:
    """The column as floats, with NaN where a cell is missing."""
    import narwhals as nw

    return frame[column].cast(nw.Float64).to_numpy()


def _matrix(columns: list[np.ndarray], n_obs: int) -> np.ndarray:
    """Columns side by side, a block of rows at a time: each cache line of the result is written once."""
    values = np.empty((n_obs, len(columns)))
    rows = max(1, BLOCK // max(1, len(columns)))
    for start in range(0, n_obs, rows):
        for j, column in enumerate(columns):
            values[start : start + rows, j] = column[start : start + rows]
    return values
