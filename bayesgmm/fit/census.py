"""Where the climbs ended: the same mode or others, how high, how often, and how much is around each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bayesgmm.fit.degenerate import Degeneracy
from bayesgmm.kernel import best_orders
from bayesgmm.mixture import Mixture

if TYPE_CHECKING:
    import pandas as pd

# Ends are one mode if their heights differ by no more than this, and the mixtures by so many squared standard errors.
_HEIGHT, _APART = 1e-3, 1.0
# A mode that one start alone found is near-spurious if a component has fewer rows' worth than this times D + 1, or the
# smallest eigenvalue of its Σ_k, in units in which all rows have unit covariance, is below that, and it has fewer rows'
# worth than the last times D + 1: where many rows lie in a thin sheet, they do.
_FEW, _THIN, _MANY = 2.0, 1e-4, 50.0
_DEGENERATE = "degenerate"
# How the note of a start begins that was left before it climbed over all rows.
LEFT = "left on a sample"
# Other modes that are told one by one.
_TOLD = 3


class End(NamedTuple):
    """Where one climb ended; no mixture if it collapsed on the way."""

    kind: str
    mixture: Mixture | None
    objective: float
    log_likelihood: float
    n_iter: int
    converged: bool
    note: str = ""
    history: Sequence[float] = ()
    degeneracy: Degeneracy | None = None


@dataclass(frozen=True, eq=False)
class Mode:
    """A maximum that starts ended in.

    Attributes
    ----------
    mixture : Mixture
    objective : float
        Log-likelihood, or log posterior density, of the best of its ends.
    kinds : mapping of str to int
        How many starts of which kind ended here.
    log_mass : float
        The logarithm of about how much of a likelihood or a posterior lies around it, up to a constant that is the
        same for all modes: objective − ½ V Σ_k log N_k, as if the V variables of component k were known from N_k rows
        (the V of a covariance that components share is spread over them).
    doubt : str
        Why it is not to be taken for an estimate: degenerate, or "near-spurious" (McLachlan & Peel 2000, section
        3.10): one start alone came here, and a component is small, or thin and not large. Empty if there is no reason.
    """

    mixture: Mixture
    objective: float
    kinds: Mapping[str, int]
    log_mass: float
    doubt: str = ""

    @property
    def n_starts(self) -> int:
        """How many starts ended here."""
        return sum(self.kinds.values())

    @property
    def is_degenerate(self) -> bool:
        """A component has no volume, or hardly any rows."""
        return self.doubt.startswith(_DEGENERATE)


def gather(ends: Sequence[End], n_obs: float, per_component: float, thinnest) -> tuple[list[int], list[Mode]]:
    """The modes that ends are in, highest first, degenerate ones last; and of each end the position of its mode.

    ``thinnest`` gives the smallest eigenvalue of covariances, in units of all rows.
    """
    of_end, groups = [-1] * len(ends), []
    order = sorted((i for i, e in enumerate(ends) if e.mixture is not None),
                   key=lambda i: (ends[i].degeneracy is not None, -ends[i].objective))  # fmt: skip
    for i in order:
        same = (g for g, group in enumerate(groups) if _same(ends[group[0]], ends[i], n_obs))
        of_end[i] = next(same, len(groups))
        if of_end[i] == len(groups):
            groups.append([])
        groups[of_end[i]].append(i)
    return of_end, [_mode([ends[i] for i in group], n_obs, per_component, thinnest) for group in groups]


def _same(a: End, b: End, n_obs: float) -> bool:
    """Whether two ends are one mode; degenerate ones are none."""
    if a.mixture is b.mixture:
        return True
    if abs(a.objective - b.objective) > _HEIGHT or (a.degeneracy is None) != (b.degeneracy is None):
        return False
    return apart(a.mixture, b.mixture, n_obs) <= _APART


def apart(a: Mixture, b: Mixture, n_obs: float) -> float:
    """How far a mixture lies from another, labels matched: squared, in standard errors if labels were known.

    Examples
    --------
    >>> a = Mixture([0.5, 0.5], [[0.0], [4.0]], [[[1.0]], [[1.0]]])
    >>> round(apart(a, a.permute([1, 0]), 100), 12)
    0.0
    """
    costs = np.array([_moved(a, k, b) for k in range(a.n_components)])
    order = best_orders(-costs[None])[0]
    return float(n_obs * costs[order, np.arange(len(order))].sum())


def _moved(a: Mixture, k: int, b: Mixture) -> np.ndarray:
    """N⁻¹ times the squared length of the way from component k of one mixture to each of another."""
    factor, weight = a.scale_trils[k], max(a.weights[k], np.finfo(float).tiny)
    with np.errstate(all="ignore"):
        shift = np.linalg.solve(factor, (b.means - a.means[k]).T)
        turned = np.linalg.solve(factor, b.scale_trils)
        change = turned @ turned.mT - np.eye(a.n_features)
        odds = np.log(np.maximum(b.weights, np.finfo(float).tiny) / weight)
        way = weight * ((shift**2).sum(axis=0) + 0.5 * (change**2).sum(axis=(1, 2)) + odds**2)
    return np.where(np.isfinite(way), np.minimum(way, 1e100), 1e100)


def _mode(ends: list[End], n_obs: float, per_component: float, thinnest) -> Mode:
    best = ends[0]
    counts = np.maximum(best.mixture.weights * n_obs, 1.0)
    mass = best.objective - 0.5 * per_component * float(np.log(counts).sum())
    kinds = Counter(end.kind for end in ends)
    return Mode(best.mixture, best.objective, dict(kinds), mass, _doubt(best, len(ends), n_obs, thinnest))


def _doubt(end: End, n_starts: int, n_obs: float, thinnest) -> str:
    if end.degeneracy is not None:
        return f"{_DEGENERATE}: {end.degeneracy.text}"
    mixture, points = end.mixture, end.mixture.weights * n_obs
    if n_starts > 1 or mixture.n_components == 1:
        return ""
    k, values = int(points.argmin()), thinnest(mixture.covariances)
    if points[k] < _FEW * (mixture.n_features + 1):
        return f"near-spurious: one start alone came here, and component {k} has about {points[k]:.1f} rows"
    values = np.where(points < _MANY * (mixture.n_features + 1), values, np.inf)
    k = int(values.argmin())
    if values[k] < _THIN:
        return f"near-spurious: one start alone came here, and component {k} is thin ({values[k]:.1e} of all rows)"
    return ""


def tabulated(census: Sequence[Mode]) -> pd.DataFrame:
    """A row a mode, highest first."""
    import pandas as pd

    best = max((m.log_mass for m in census if not m.is_degenerate), default=0.0)
    rows = [
        {
            "objective": m.objective,
            "below": census[0].objective - m.objective,
            "starts": m.n_starts,
            "kinds": ", ".join(f"{n} {kind}" for kind, n in m.kinds.items()),
            "log_mass": np.nan if m.is_degenerate else m.log_mass - best,
            "doubt": m.doubt,
        }
        for m in census
    ]
    return pd.DataFrame(rows, columns=["objective", "below", "starts", "kinds", "log_mass", "doubt"])


def told(census: Sequence[Mode], mixture: Mixture, notes: Sequence[str]) -> str:
    """In a line or two: how many starts reached a mode, and where the others ended; ``notes`` has one of each."""
    n_starts, left = len(notes), [note for note in notes if note.startswith(LEFT)]
    if not census:
        return f"{n_starts} starts"
    here = next((m for m in census if m.mixture is mixture), census[0])
    lines = [f"{here.n_starts} of {n_starts} starts reached this mode"]
    sound = [m for m in census if m is not here and not m.is_degenerate]
    lost = n_starts - here.n_starts - sum(m.n_starts for m in sound) - len(left)
    others = [f"{here.objective - m.objective:.3g} lower ({_starts(m.n_starts)})" for m in sound[:_TOLD]]
    if len(sound) > _TOLD:
        others.append(f"{len(sound) - _TOLD} more still lower")
    others += [f"lower {left[0].partition(',')[0].removeprefix('left ')} ({_starts(len(left))})"] if left else []
    others += [f"{_starts(lost)} degenerate"] if lost else []
    if others:
        lines.append(f"  others ended: {', '.join(others)}")
    if here.doubt:
        lines.append(f"  {here.doubt}")
    return "\n".join(lines)


def _starts(n: int) -> str:
    return f"{n} start" if n == 1 else f"{n} starts"
