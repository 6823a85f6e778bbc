"""Many climbs over the same rows, in compiled code from start to end; what they found becomes a mixture only if asked.

Over few rows a climb takes less time than a mixture takes to be made, so most of them are never made. Starts are
climbed a few steps each, and only the highest of them to the end.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from bayesgmm.data import Table
from bayesgmm.families import Family
from bayesgmm.fit.begin import Beginning
from bayesgmm.fit.climbs import climb_from, nowhere
from bayesgmm.fit.compiled import FLAT, Units, is_compiled
from bayesgmm.fit.degenerate import THINNEST, Flaw, flaw, thinnest
from bayesgmm.fit.em import Likelihood, Posterior, Target
from bayesgmm.fit.wanted import HIERARCHY
from bayesgmm.kernel import Stats, Whitening, ascents
from bayesgmm.kernel.ascents import COLLAPSED, CONVERGED, LEFT, Ascents, Moments, Trial
from bayesgmm.mixture import Mixture

# Newton's decrement at which a climb ends: twice the log-likelihood that is left, a hundredth of what a table shows. At
# ten times as much climbs end on plateaus, and lower modes that are none are taken for some.
TOLERANCE, _MOST = 1e-4, 2000
# Steps after which starts are compared.
_ROUGH = 12
_WITHOUT_ROWS = nowhere("a component has lost all its points")[0].note
_OF_STATS = ("counts", "means", "scatters")
_FLAT_ROWS = nowhere("its rows have no volume")[0].note


@dataclass(frozen=True, eq=False)
class Summit:
    """Where a climb ended: a mixture, or log π, μ and factors in the units of the climb; nowhere if it collapsed."""

    kind: str
    objective: float
    n_iter: int
    converged: bool
    note: str = ""
    place: Mixture | tuple | None = None
    flaw: Flaw | None = None


@dataclass(frozen=True, eq=False)
class Ground:
    """Rows that count, their frequencies and moments, and the same rows in the units of each kind of family."""

    table: Table
    weights: np.ndarray | None
    whole: Stats
    _units: dict = field(default_factory=dict)

    def units(self, family: Family) -> tuple[Units, np.ndarray] | None:
        """Units that suit a family, and the rows in them; None where the rows lie in a plane."""
        if family.units not in self._units:
            found, x = Units.of(self.table.rows, self.weights, family), self.table.rows
            self._units[family.units] = found and (found, np.ascontiguousarray((x - found.centre) @ found.turn.T))
        return self._units[family.units]

    def mixture(self, summit: Summit, target: Target) -> Mixture:
        """The mixture of a summit, components in the order of their first feature's mean."""
        found = summit.place
        if not isinstance(found, Mixture):
            log_weights, means, factors = found
            weights = np.exp(log_weights)
            means, factors = self.units(target.family)[0].back(means, factors, target.family)
            found = Mixture.from_whitening(weights / weights.sum(), means, Whitening.of(factors),
                                           features=target.features)  # fmt: skip
        return found.permute(np.lexsort(found.means.T[::-1]))

    def climb(self, begin: list[Beginning], target: Target, keep: int) -> list[Summit | None]:
        """Climb from each beginning a few steps, and from the highest, so many, to the end; the others are None."""
        if not begin:
            return []
        if not is_compiled(self.table.rows, target) or self.units(target.family) is None:
            return self._slowly(begin, target)
        some, places, ends = self._begun(begin, target)
        if some:
            found = self._ascended([begin[i].kind for i in some], places, target, keep)
            for i, end in zip(some, found, strict=True):
                ends[i] = end
        return ends

    def _begun(self, begin: list[Beginning], target: Target) -> tuple[list[int], list[np.ndarray], list[Summit | None]]:
        """Which starts have a first step; of those log π and μ in z, with N and S there, or under a prior the factors;
        and of the others what is wrong.
        """
        if isinstance(target, Posterior):
            found = [self._begun_below(one.stats, target, self.units(target.family)[0]) for one in begin]
        else:
            found = [None if (one.stats.counts > 0).all() else _WITHOUT_ROWS for one in begin]
        lost = [Summit(one.kind, np.nan, 0, False, why) if isinstance(why, str) else None
                for one, why in zip(begin, found, strict=True)]  # fmt: skip
        some = [i for i, end in enumerate(lost) if end is None]
        if isinstance(target, Posterior):
            places = [np.array(part) for part in zip(*(found[i] for i in some))]
        else:
            places = self._moved([begin[i].stats for i in some], target.family) if some else []
        return some, places, lost

    def _moved(self, some: list[Stats], family: Family) -> list[np.ndarray]:
        """log π, μ, N and S of statistics, in z."""
        (centre, turn, *_), _ = self.units(family)
        counts, means, scatters = (np.array([getattr(s, name) for s in some]) for name in _OF_STATS)
        shares = np.log(counts / counts.sum(axis=1, keepdims=True))
        return [shares, (means - centre) @ turn.T, counts, turn @ scatters @ turn.T]

    def _begun_below(self, stats: Stats, target: Posterior, units: Units) -> tuple | str:
        """The same under a prior."""
        try:
            start = target.update(stats)
        except np.linalg.LinAlgError as error:
            return nowhere(str(error))[0].note
        return start.log_weights, (start.means - units.centre) @ units.turn.T, units.factors(start, target.family)

    def _ascended(self, kinds, places, target: Target, keep: int) -> list[Summit | None]:
        units, z = self.units(target.family)
        log_weights, means, *begin = places
        prior = units.penalty(target, means.shape[1])
        floor = np.zeros(z.shape[1]) if prior else FLAT * np.diag(units.factor) ** 2
        trial = Trial(_ROUGH, keep, np.array([kind.startswith(HIERARCHY) for kind in kinds]))
        found = ascents(z, self.weights, log_weights, means, begin[0] if prior else Moments(*begin),
                        target.family.letters, penalty=prior, floor=floor, tolerance=TOLERANCE, most=_MOST,
                        trial=trial, workers=1)  # fmt: skip
        # Densities of z, in units of x.
        shift = self.whole.total * float(np.log(np.diag(units.turn)).sum())
        flaws = [None] * len(kinds) if prior else self._flaws(found, units.factor)
        return [None if found.ends[i] == LEFT else _summit(kind, found, i, shift, flaws[i])
                for i, kind in enumerate(kinds)]  # fmt: skip

    def _flaws(self, found: Ascents, whole: np.ndarray) -> list[Flaw | None]:
        """What is wrong with places of likelihoods, as far as that is seen without the rows."""
        flaws, done = [None] * len(found.ends), np.flatnonzero((found.ends != COLLAPSED) & (found.ends != LEFT))
        if len(done):
            weights, factors = np.exp(found.log_weights[done]), found.factors[done]
            thin = _thin(factors if factors.ndim == 4 else factors[..., None] * np.eye(len(whole)), whole)
            points = weights * (self.whole.total / weights.sum(axis=1, keepdims=True))
            thin = np.broadcast_to(thin, points.shape)
            # A glance at all is cheaper than a look at each.
            for i in np.flatnonzero((thin < THINNEST).any(axis=1) | (points < self.table.n_features + 1).any(axis=1)):
                flaws[done[i]] = flaw(thin[i], points[i], self.table.n_features)
        return flaws

    def _slowly(self, begin: list[Beginning], target: Target) -> list[Summit]:
        found = climb_from(self.table.rows, [one.stats for one in begin], target, case_weights=self.weights,
                           tolerance=TOLERANCE, most=_MOST)  # fmt: skip
        return [Summit(one.kind, c.objective, c.n_iter, c.converged, c.note, c.mixture, self._flaw(c.mixture, target))
                for one, c in zip(begin, found, strict=True)]  # fmt: skip

    def _flaw(self, mixture: Mixture | None, target: Target) -> Flaw | None:
        if mixture is None or not isinstance(target, Likelihood):
            return None
        thin = thinnest(mixture.covariances, self.whole)
        return flaw(thin, mixture.weights * self.whole.total, self.table.n_features)


def _thin(lower: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """The smallest eigenvalue of each Σ = L Lᵀ in units of all rows; where that is of no interest, a lower bound."""
    with np.errstate(divide="ignore", over="ignore"):
        thin = 1 / (np.linalg.solve(lower, whole) ** 2).sum(axis=(-1, -2))
    some = ~(thin > THINNEST)
    if some.any():
        turned = np.linalg.solve(whole, lower[some])
        thin[some] = np.linalg.eigvalsh(turned @ turned.mT)[:, 0]
    return thin


def _summit(kind: str, found: Ascents, i: int, shift: float, wrong: Flaw | None) -> Summit:
    if found.ends[i] == COLLAPSED:
        return Summit(kind, np.nan, 0, False, _FLAT_ROWS)
    place = found.log_weights[i], found.means[i], found.factors[i]
    return Summit(kind, float(found.objectives[i]) + shift, int(found.n_iter[i]), bool(found.ends[i] == CONVERGED),
                  wrong.text if wrong else "", place, wrong)  # fmt: skip
