"""The data sets that come with the package.

``faithful``: 272 eruptions of the Old Faithful geyser in Yellowstone National Park, the length of each and the
waiting time to the next, both in minutes. R's ``datasets::faithful``; A. Azzalini and A. W. Bowman (1990), A look
at some data on the Old Faithful geyser, *Applied Statistics* 39, 357-365.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from .errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["load_dataset"]


def load_dataset(name: str) -> pd.DataFrame:
    """One of the data sets that come with the package.

    Parameters
    ----------
    name : {"faithful"}
        ``faithful``: Old Faithful, 272 rows of ``eruptions`` and ``waiting`` in minutes.

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    DataError
        There is no data set of that name; the message lists those there are.

    Examples
    --------
    >>> load_dataset("faithful").head(2)
       eruptions  waiting
    0        3.6       79
    1        1.8       54
    """
    folder = files(__package__) / "sets"
    known = sorted(entry.name.removesuffix(".csv") for entry in folder.iterdir() if entry.name.endswith(".csv"))
    if name not in known:
        raise DataError(f"there is no data set {name!r}; load one of {', '.join(map(repr, known))}")
    import pandas as pd

    with (folder / f"{name}.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file)
