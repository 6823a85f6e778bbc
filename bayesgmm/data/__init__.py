"""How data arrive: arrays, frames and files become one checked value, a :class:`Table`.

Every error is a :class:`DataError` of one sentence: what is wrong, where, and what to do about it.
"""

from .errors import ColumnError, DataError
from .sets import load_dataset
from .table import Table, as_table, check_components

__all__ = ["ColumnError", "DataError", "Table", "as_table", "check_components", "load_dataset"]
