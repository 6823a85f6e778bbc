"""The data sets that come with the package.

``faithful``: 272 eruptions of the Old Faithful geyser in Yellowstone National Park, the length of each and the
waiting time to the next, both in minutes. R's ``datasets::faithful``; A. Azzalini and A. W. Bowman (1990), A look
at some data on the Old Faithful geyser, *Applied Statistics* 39, 357-365.

``galaxies``: velocities of 82 galaxies of the region of Corona Borealis, in 1000 km/s; groups of them would be clusters
of galaxies, or superclusters. R's ``MASS::galaxies``, its 78th value, 26.69, corrected to 26.96 as that package's help
says; M. Postman, J. P. Huchra and M. J. Geller (1986), Probes of large-scale structure in the Corona Borealis region,
*Astronomical Journal* 92, 1238-1247; K. Roeder (1990), Density estimation with confidence sets exemplified by
superclusters and voids in the galaxies, *Journal of the American Statistical Association* 85, 617-624.

``penguins``: 342 penguins of three species near Palmer Station, Antarctica: species, sex (empty where it is not known),
length and depth of the bill and length of a flipper in millimetres, body mass in grams. Released under CC0; K. B.
Gorman, T. D. Williams and W. R. Fraser (2014), Ecological sexual dimorphism and environmental variability within a
community of Antarctic penguins, *PLoS ONE* 9(3), e90081; A. M. Horst, A. P. Hill and K. B. Gorman (2020),
palmerpenguins; two rows without measurements are left out.

``japanese_vowels``: 640 utterances of the vowels /ae/ by nine men, each 7 to 29 frames of 12 LPC cepstrum coefficients;
270 of them, 30 a speaker, are the training part, and 370 the test part. Sampled at 10 kHz, frames of 25.6 ms every
6.4 ms. The UCI Machine Learning Repository's "Japanese Vowels", doi:10.24432/C5NS47, CC BY 4.0, in the copy of the
package aeon (BSD-3-Clause), whose numbers ``tools/japanese_vowels.py`` copies digit by digit; M. Kudo, J. Toyama and
M. Shimbo (1999), Multidimensional curve classification using passing-through regions, *Pattern Recognition Letters* 20,
1103-1111.
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
    name : {"faithful", "galaxies", "japanese_vowels", "penguins"}
        ``faithful``: Old Faithful, 272 rows of ``eruptions`` and ``waiting`` in minutes. ``galaxies``: 82 rows of
        ``velocity`` in 1000 km/s. ``japanese_vowels``: 9961 frames of 640 utterances, with ``utterance``, ``part``
        ("train" or "test"), ``speaker`` (1 to 9), ``frame`` and ``lpc1`` to ``lpc12``. ``penguins``: 342 rows of
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
    known = {entry.name.partition(".csv")[0]: entry for entry in folder.iterdir() if ".csv" in entry.name}
    if name not in known:
        raise DataError(f"there is no data set {name!r}; load one of {', '.join(map(repr, sorted(known)))}")
    import pandas as pd

    with known[name].open("rb") as file:
        return pd.read_csv(file, compression="gzip" if known[name].name.endswith(".gz") else None)
