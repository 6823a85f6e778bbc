"""When a fit is no fit: a component that has collapsed, or that hardly any rows stand behind."""

from __future__ import annotations

from dataclasses import dataclass

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
ADVICE = "give prior='conjugate', use fewer components, or a covariance_type with fewer parameters"


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
    turn = sphere(rows.scatters[0] / rows.total)
    return np.linalg.eigvalsh(turn.T @ covariances @ turn)


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
    collapsed = spectra[:, 0] < THINNEST
    few = points < mixture.n_features + 1 - _ROUNDING
    r = responsibilities
    if r is None:
        r = e_step(x, mixture, responsibilities=True, single=False)[2]
    labels, distinct = r.argmax(axis=1), None
    if not (collapsed | few).any():
        distinct = _n_distinct(x, labels, mixture.n_components, mixture.n_features + 1)
        few = distinct <= mixture.n_features
    if collapsed.any():
        k = int(spectra[:, 0].argmin())
    elif few.any():
        k = int(points.argmin() if distinct is None else distinct.argmin())
    else:
        return None
    rows = np.flatnonzero(labels == k)
    some = _values(x, rows)
    n_distinct = len(np.unique(some, axis=0))
    ratio = float(spectra[k, -1] / max(spectra[k, 0], np.finfo(float).tiny))
    return Degeneracy(k, bool(collapsed[k]), float(points[k]), rows, n_distinct, float(spectra[k, 0]), ratio,
                      describe(some, mixture.features, np.sqrt(np.diag(whole.scatters[0]) / whole.total)))  # fmt: skip


def _n_distinct(x, labels, k: int, enough: int) -> np.ndarray:
    """How many different rows each component has, or ``enough``."""
    found = np.full(k, enough)
    counts = np.bincount(labels, minlength=k)
    for j in range(k):
        rows, seen = np.flatnonzero(labels == j) if counts[j] else [], set()
        for row in rows:
            seen.add((_values(x, row) + 0.0).tobytes())
            if len(seen) >= enough:
                break
        found[j] = len(seen)
    return found


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
