"""Many climbs over the same rows, in compiled code from start to end; what they found becomes a mixture only if asked.

Over few rows a climb takes less time than a mixture takes to be made, so most of them are never made. Starts are
climbed a few steps each, and only the highest of them to the end.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from bayesgmm.data import Table
from bayesgmm.families import Family
from bayesgmm.fit.begin import Beginning
from bayesgmm.fit.climbs import climb_from, nowhere
from bayesgmm.fit.compiled import FLAT, Units, is_compiled
from bayesgmm.fit.degenerate import Degeneracy
from bayesgmm.fit.em import Posterior, Target
from bayesgmm.fit.wanted import HIERARCHY
from bayesgmm.kernel import Stats, ascents
from bayesgmm.kernel.ascents import COLLAPSED, CONVERGED
from bayesgmm.mixture import Mixture

# Newton's decrement at which a climb ends: twice the log-likelihood that is left, a hundredth of what a table shows. At
# ten times as much climbs end on plateaus, and lower modes that are none are taken for some.
TOLERANCE, _MOST = 1e-4, 2000
# Steps after which starts are compared.
_ROUGH = 12
_WITHOUT_ROWS = nowhere("a component has lost all its points")[0].note


@dataclass(frozen=True, eq=False)
class Summit:
    """Where a climb ended: a mixture, or log π, μ and factors in the units of the climb; nowhere if it collapsed."""

    kind: str
    objective: float
    n_iter: int
    converged: bool
    note: str = ""
    place: Mixture | tuple | None = None
    degeneracy: Degeneracy | None = None


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
            parts = self.units(target.family)[0].back(means, factors, target.family)
            found = Mixture.from_whitening(weights / weights.sum(), *parts, features=target.features)
        return found.permute(np.lexsort(found.means.T[::-1]))

    def climb(self, begin: list[Beginning], target: Target, keep: int) -> list[Summit]:
        """Climb from each beginning a few steps, and from the highest, so many of them, to the end."""
        if not begin:
            return []
        if not is_compiled(self.table.rows, target) or self.units(target.family) is None:
            return self._slowly(begin, target)
        places = self._begun([one.stats for one in begin], target)
        lost = [Summit(one.kind, np.nan, 0, False, why) for one, why in zip(begin, places) if isinstance(why, str)]
        kinds = [one.kind for one, place in zip(begin, places) if not isinstance(place, str)]
        places = [np.array(part) for part in zip(*(place for place in places if not isinstance(place, str)))]
        if not places:
            return lost
        rough, after = self._ascended(kinds, places, target, _ROUGH if len(kinds) > keep else _MOST)
        unfinished = [i for i, one in enumerate(rough) if not one.converged and one.place is not None]
        if len(kinds) <= keep:
            return [*rough, *lost]
        best = sorted(unfinished, key=lambda i: -rough[i].objective)[:keep]
        best += [i for i in unfinished if i not in best and kinds[i].startswith(HIERARCHY)]
        done = [one for i, one in enumerate(rough) if i not in unfinished]
        if best:
            some, _ = self._ascended([kinds[i] for i in best], [part[best] for part in after], target, _MOST)
            done += [replace(one, n_iter=one.n_iter + _ROUGH) for one in some]
        return [*done, *lost]

    def _begun(self, some: list[Stats], target: Target) -> list[tuple | str]:
        """Of each start log π, μ and factors, in z, of the first M-step; or why there are none."""
        units, family = self.units(target.family)[0], target.family
        if isinstance(target, Posterior):
            return [self._begun_below(stats, target, units) for stats in some]
        counts, means, scatters = (
            np.array([getattr(s, name) for s in some]) for name in ("counts", "means", "scatters")
        )
        means, scatters = (means - units.centre) @ units.turn.T, units.turn @ scatters @ units.turn.T
        shares = np.log(np.maximum(counts / counts.sum(axis=1, keepdims=True), np.finfo(float).tiny))
        return [self._first(family, *parts) for parts in zip(shares, means, scatters, counts)]

    def _first(self, family: Family, log_weights, means, scatters, counts) -> tuple | str:
        if not (counts > 0).all():
            return _WITHOUT_ROWS
        try:
            factors = family.whitening(family.m_step(scatters, counts)).factors
        except np.linalg.LinAlgError as error:
            return nowhere(str(error))[0].note
        if not family.is_shared and len(factors) < len(counts):
            factors = np.broadcast_to(factors, (len(counts), *factors.shape[1:]))
        return log_weights, means, factors

    def _begun_below(self, stats: Stats, target: Posterior, units: Units) -> tuple | str:
        """The same under a prior."""
        try:
            start = target.update(stats)
        except np.linalg.LinAlgError as error:
            return nowhere(str(error))[0].note
        return start.log_weights, (start.means - units.centre) @ units.turn.T, units.factors(start, target.family)

    def _ascended(self, kinds, places, target: Target, most: int) -> tuple[list[Summit], list]:
        units, z = self.units(target.family)
        prior = units.penalty(target, places[0].shape[1])
        floor = np.zeros(z.shape[1]) if prior else FLAT * np.diag(units.factor) ** 2
        found = ascents(z, self.weights, *places, target.family.letters, penalty=prior, floor=floor,
                        tolerance=TOLERANCE, most=most, workers=1)  # fmt: skip
        # Densities of z, in units of x.
        shift = self.whole.total * float(np.linalg.slogdet(units.turn)[1])
        after = [found.log_weights, found.means, found.factors]
        summits = []
        for i, kind in enumerate(kinds):
            if found.ends[i] == COLLAPSED:
                summits.append(Summit(kind, np.nan, 0, False, nowhere("its rows have no volume")[0].note))
                continue
            place = tuple(part[i] for part in after)
            summits.append(Summit(kind, float(found.objectives[i]) + shift, int(found.n_iter[i]),
                                  bool(found.ends[i] == CONVERGED), "", place))  # fmt: skip
        return summits, after

    def _slowly(self, begin: list[Beginning], target: Target) -> list[Summit]:
        found = climb_from(self.table.rows, [one.stats for one in begin], target, case_weights=self.weights,
                           tolerance=TOLERANCE, most=_MOST)  # fmt: skip
        return [Summit(one.kind, c.objective, c.n_iter, c.converged, c.note, c.mixture)
                for one, c in zip(begin, found, strict=True)]  # fmt: skip
