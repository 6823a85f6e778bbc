"""The data sets that come with the package.

``faithful``: 272 eruptions of the Old Faithful geyser in Yellowstone National Park, the length of each and the
waiting time to the next, both in minutes. R's ``datasets::faithful``; A. Azzalini and A. W. Bowman (1990), A look
at some data on the Old Faithful geyser, *Applied Statistics* 39, 357-365.

``penguins``: 342 penguins of three species near Palmer Station, Antarctica: species, sex (empty where it is not known),
length and depth of the bill and length of a flipper in millimetres, body mass in grams. Released under CC0; K. B.
Gorman, T. D. Williams and W. R. Fraser (2014), Ecological sexual dimorphism and environmental variability within a
community of Antarctic penguins, *PLoS ONE* 9(3), e90081; A. M. Horst, A. P. Hill and K. B. Gorman (2020),
palmerpenguins; two rows without measurements are left out.
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
    name : {"faithful", "penguins"}
        ``faithful``: Old Faithful, 272 rows of ``eruptions`` and ``waiting`` in minutes. ``penguins``: 342 rows of
        ``species``, ``sex`` and four measurements, in millimetres and grams.

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
