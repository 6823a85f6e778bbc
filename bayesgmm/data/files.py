"""Tables in files: CSV and Parquet."""

from __future__ import annotations

import csv
import json
import os
import warnings
from pathlib import Path

from .errors import DataError

__all__ = ["read_frame"]


def read_frame(path: str | os.PathLike):
    """The table in a CSV or Parquet file, as a data frame.

    Parameters
    ----------
    path : path
        ``*.csv``: comma-separated UTF-8 text with a header line; numbers are read to the last bit.
        ``*.parquet``: without the index that pandas may have saved beside the columns.

    Returns
    -------
    pandas.DataFrame for CSV, pyarrow.Table for Parquet

    Raises
    ------
    DataError
        The file is missing, empty, a folder, not readable, of another kind, has no rows, or its header repeats a
        name or holds numbers.

    Examples
    --------
    >>> read_frame("no-such-file.csv")
    Traceback (most recent call last):
    bayesgmm.data.errors.DataError: no-such-file.csv: there is no such file; check the path
    """
    path = Path(path)
    reader = {".csv": _read_csv, ".parquet": _read_parquet}.get(path.suffix.lower())
    _require_file(path, reader)
    try:
        frame = reader(path)
    except OSError as error:
        reason = error.strerror or _first_line(error)
        raise DataError(f"{path.name} cannot be read ({reason}); check the file and its permissions") from None
    if len(frame) == 0:
        raise DataError(f"{path.name} has a header but no rows; add data")
    return frame


def _require_file(path: Path, reader) -> None:
    if not path.exists():
        raise DataError(f"{path}: there is no such file; check the path")
    if path.is_dir():
        raise DataError(f"{path} is a folder; give a CSV or Parquet file in it")
    if reader is None:
        kind = f"ends in {path.suffix!r}" if path.suffix else "has no extension"
        raise DataError(f"{path.name} {kind}; give a file that ends in .csv or .parquet")
    if path.stat().st_size == 0:
        raise DataError(f"{path.name} is empty; give a file with a header line and rows")


def _read_csv(path: Path):
    import pandas as pd

    try:
        _check_header(path)
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            # index_col=False: pandas would otherwise take a first column that the header does not name as row labels
            return pd.read_csv(path, encoding="utf-8-sig", index_col=False, low_memory=False, skipinitialspace=True)
    except UnicodeDecodeError:
        raise DataError(f"{path.name} is not UTF-8 text; save it as UTF-8 CSV or as Parquet") from None
    except pd.errors.ParserWarning:
        raise DataError(f"{path.name} has rows with more cells than its header; give every column a name") from None
    except (pd.errors.ParserError, csv.Error) as error:
        raise DataError(f"{path.name} is not a CSV table ({_first_line(error)}); mend that line") from None


def _check_header(path: Path) -> None:
    with open(path, encoding="utf-8-sig", newline="") as file:
        header = next((row for row in csv.reader(file, skipinitialspace=True) if row), [])
    names = [name.strip() for name in header]
    if not any(names):
        raise DataError(f"{path.name} has no header line; give its columns names in the first line")
    if all(_is_number(name) for name in names):
        raise DataError(f"{path.name} starts with numbers; give its columns names in a first line")
    repeated = [name for name in names if name and names.count(name) > 1]
    if repeated:
        raise DataError(f"{path.name} has two columns named {repeated[0]!r}; give each column a name of its own")
    if len(names) == 1 and any(sign in names[0] for sign in ";\t|"):
        raise DataError(f"{path.name} seems to be separated by something else than commas; save it with commas")


def _read_parquet(path: Path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path).read()
    except pa.ArrowException as error:
        raise DataError(f"{path.name} is not a readable Parquet file ({_first_line(error)}); write it again") from None
    repeated = [name for name in table.column_names if table.column_names.count(name) > 1]
    if repeated:
        raise DataError(f"{path.name} has two columns named {repeated[0]!r}; give each column a name of its own")
    return table.drop_columns(_index_columns(table))


def _index_columns(table) -> list[str]:
    """The columns in which pandas saved a frame's row labels."""
    metadata = (table.schema.metadata or {}).get(b"pandas")
    saved = json.loads(metadata)["index_columns"] if metadata else []
    return [name for name in saved if isinstance(name, str) and name in table.column_names]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
