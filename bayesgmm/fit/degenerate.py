"""When a fit is no fit: a component that has collapsed, or that hardly any rows stand behind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from bayesgmm.fit.moments import moments
from bayesgmm.fit.relations import describe
from bayesgmm.fit.sphering import sphere
from bayesgmm.kernel import Incomplete, Stats, e_step
from bayesgmm.mixture import Mixture

# Smallest eigenvalue of Σ_k, in units in which all rows together have unit covariance.
THINNEST = 1e-6
# Rounding of a component's weight: three rows that no other component claims are three.
_ROUNDING = 1e-6
# Rows of a component of which all pairs are compared.
_PAIRED = 32
# Rows whose responsibilities are held at once.
_CHUNK = 1 << 16
ADVICE = "give prior='conjugate', use fewer components, or a covariance_type with fewer parameters"


class Flaw(NamedTuple):
    """The component that is worst off, before rows are looked at: it has no volume, or this many rows' worth."""

    component: int
    collapsed: bool
    points: float

    @property
    def text(self) -> str:
        """It in a few words."""
        what = "collapsed" if self.collapsed else f"rests on about {self.points:.1f} rows"
        return f"component {self.component} {what}"


class DegenerateFit(ValueError):
    """Every start ended in a component with no volume, where the likelihood has no maximum.

    Attributes
    ----------
    degeneracy : Degeneracy or None
        What happened to the first of them.
    starts : tuple of Start
        All of them.
    """

    def __init__(self, message: str, degeneracy: Degeneracy | None = None, starts: tuple = ()):
        super().__init__(message)
        self.degeneracy, self.starts = degeneracy, starts


@dataclass(frozen=True, eq=False)
class Degeneracy:
    """What is wrong with a component of a fit.

    Attributes
    ----------
    component : int
        k.
    collapsed : bool
        Σ_k has no volume: the likelihood has no maximum there. Otherwise too few rows stand behind it.
    points : float
        N π_k, how many rows' worth of weight.
    rows : ndarray of int
        Positions of the rows that are most probably its own, of those with a case weight above 0.
    n_distinct : int
        How many different ones they are.
    eigenvalue, ratio : float
        The smallest eigenvalue of Σ_k in units in which all rows have unit covariance, and the largest over it.
    relation : str
        What its rows have in common: that they are equal, or in which hyperplane they lie.
    """

    component: int
    collapsed: bool
    points: float
    rows: np.ndarray
    n_distinct: int
    eigenvalue: float
    ratio: float
    relation: str

    @property
    def text(self) -> str:
        """All of it in a sentence or two, and what to do."""
        what = "collapsed onto" if self.collapsed else "rests on"
        found = f"component {self.component} {what} about {self.points:.1f} rows ({_listed(self.rows)})"
        found += f": {self.relation}" if self.relation else ""
        return f"{found}; smallest eigenvalue {self.eigenvalue:.1e} of all rows', ratio {self.ratio:.1e}; {ADVICE}"

    def __str__(self):
        return self.text


def thinnest(covariances: np.ndarray, rows: Stats) -> np.ndarray:
    """The smallest eigenvalue of each Σ (…, D, D), in units in which all rows, with these `moments`, have unit Σ."""
    return _spectra(covariances, rows)[..., 0]


def _spectra(covariances, rows: Stats) -> np.ndarray:
    turn = _turn(rows)
    return np.linalg.eigvalsh(turn.T @ covariances @ turn)


# All climbs of a fit ask for the same.
@lru_cache(maxsize=16)
def _turn(rows: Stats) -> np.ndarray:
    return sphere(rows.scatters[0] / rows.total)


def flaw(thin: np.ndarray, points: np.ndarray, n_features: int) -> Flaw | None:
    """What the rule of `diagnose_fit` says where rows need not be looked at.

    ``thin`` are the smallest eigenvalues (K,), in units of all rows, and ``points`` (K,) the rows' worth of weight.
    """
    k = None
    if (thin < THINNEST).any():
        k = int(thin.argmin())
    elif (points < n_features + 1 - _ROUNDING).any():
        k = int(points.argmin())
    return None if k is None else Flaw(k, bool(thin[k] < THINNEST), float(points[k]))


def diagnose_fit(mixture: Mixture, x, case_weights=None, *, whole: Stats | None = None,
                 responsibilities=None) -> Degeneracy | None:  # fmt: skip
    """Look for a component without volume, or with hardly any rows.

    One rule: in units in which all rows have unit covariance the smallest eigenvalue of Σ_k is below 1e-6; or the
    component has fewer than D + 1 rows' worth of weight; or the rows that are most probably its own are at most D
    different ones.

    Parameters
    ----------
    mixture : Mixture
        Of maximum likelihood.
    x : ndarray (N, D) or Incomplete
    case_weights : ndarray (N,), optional
    whole : Stats, optional
        The rows' `moments`, if known.
    responsibilities : ndarray (N, K), optional
        If known.

    Returns
    -------
    Degeneracy or None
        Of the component that is worst off; None if all is well.

    References
    ----------
    McLachlan & Peel (2000), sections 3.8 and 3.10.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[0.0], [1.0], [3.0], [7.0], [7.0], [7.0]])
    >>> m = Mixture([0.5, 0.5], [[4 / 3], [7.0]], [[[1.5]], [[1e-9]]])
    >>> diagnose_fit(m, x).text.split(";")[0]
    'component 1 collapsed onto about 3.0 rows (rows 3, 4 and 5, counted from 0): they are all equal'
    """
    whole = moments(x, case_weights) if whole is None else whole
    spectra, points = _spectra(mixture.covariances, whole), mixture.weights * whole.total
    k = _worst(spectra[:, 0], points, x, mixture, responsibilities)
    if k is None:
        return None
    parts = _labels(x, mixture, responsibilities)
    rows = np.concatenate([first + np.flatnonzero(labels == k) for first, labels in parts])
    some, sds = _values(x, rows), np.sqrt(np.diag(whole.scatters[0]) / whole.total)
    smallest, largest = float(spectra[k, 0]), float(spectra[k, -1])
    return Degeneracy(
        component=k,
        collapsed=smallest < THINNEST,
        points=float(points[k]),
        rows=rows,
        n_distinct=len(np.unique(some, axis=0)),
        eigenvalue=smallest,
        ratio=largest / smallest if smallest > np.finfo(float).eps * largest else np.inf,
        relation=describe(some, mixture.features, sds),
    )


def rests_on_enough(mixture: Mixture, x, responsibilities=None) -> bool:
    """The last part of the rule of `diagnose_fit`: every component has more than D different rows of its own."""
    return bool((_n_distinct(x, mixture, responsibilities) > mixture.n_features).all())


def _worst(thin, points, x, mixture, responsibilities) -> int | None:
    """The component that is worst off, by the rule; rows are looked at only if need be."""
    found = flaw(thin, points, mixture.n_features)
    if found is not None:
        return found.component
    distinct = _n_distinct(x, mixture, responsibilities)
    return int(distinct.argmin()) if (distinct <= mixture.n_features).any() else None


def _labels(x, mixture, responsibilities) -> Iterator[tuple[int, np.ndarray]]:
    """The most probable component of each row, so many rows at once, and the first one's position."""
    step = len(x) if isinstance(x, Incomplete) else _CHUNK
    for first in range(0, len(x), step):
        if responsibilities is None:
            some = x if len(x) <= step else x[first : first + step]
            r = e_step(some, mixture, pointwise=False, responsibilities=True, single=False)[2]
        else:
            r = responsibilities[first : first + step]
        yield first, r.argmax(axis=1)


def _n_distinct(x, mixture, responsibilities) -> np.ndarray:
    """How many different rows each component has, counted up to D + 1."""
    enough, seen = mixture.n_features + 1, [set() for _ in range(mixture.n_components)]
    for first, labels in _labels(x, mixture, responsibilities):
        order = np.argsort(labels, kind="stable")
        sizes = np.bincount(labels, minlength=mixture.n_components)
        ends = np.cumsum(sizes).tolist()
        if first == 0 and sizes.min() >= enough and enough <= _PAIRED:
            some = _values(x, order[np.subtract(ends, sizes)[:, None] + np.arange(enough)])
            if (some[:, :, None] == some[:, None]).all(axis=3).sum() == enough * len(sizes):  # each with itself alone
                return np.full(len(sizes), enough)
        for own, at, end in zip(seen, [0, *ends], ends, strict=False):
            # Nearly always the first D + 1 are different.
            while len(own) < enough and at < end:
                some = order[at : min(at + enough, end)]
                own.update(row.tobytes() for row in _values(x, first + some) + 0.0)
                at += enough
        if all(len(found) >= enough for found in seen):
            break
    return np.array([min(len(found), enough) for found in seen])


def _values(x, rows) -> np.ndarray:
    return np.asarray(x.to_array()[rows] if isinstance(x, Incomplete) else x[rows], dtype=float)


def _listed(rows, most: int = 6) -> str:
    names = [str(row) for row in rows[:most]]
    if len(rows) > most:
        return f"rows {', '.join(names)}, …, counted from 0"
    if len(names) < 2:
        return f"row {names[0]}, counted from 0" if names else "no row is most probably its own"
    return f"rows {', '.join(names[:-1])} and {names[-1]}, counted from 0"


def explain(starts: tuple, n_components: int, covariance_type: str, degeneracy: Degeneracy | None) -> DegenerateFit:
    """The error for a fit none of whose starts came through."""
    why = degeneracy.text if degeneracy else f"a component lost all its rows; {ADVICE}"
    return DegenerateFit(
        f"all {len(starts)} starts of n_components={n_components}, covariance_type={covariance_type!r} ended in a "
        f"degenerate mixture: {why}",
        degeneracy,
        starts,
    )
