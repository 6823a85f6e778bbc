"""One mixture after another: the fits that `select` chooses from.

A cell is a number of components and a family. Its climbs begin where all families of that number begin, where a
component of the fit of one fewer is split, which finds most of the highest modes, and then where the most similar
families have ended: so that a larger model is not left below one that it contains.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from threading import Event
from typing import NamedTuple

import numpy as np

from bayesgmm.data import DataError, check_components
from bayesgmm.families import Family
from bayesgmm.fit.begin import Beginning
from bayesgmm.fit.best import CHUNK, LEAST_RISE, before_the_collapse, certainty, certainty_of
from bayesgmm.fit.degenerate import Degeneracy, Flaw, diagnose_fit, rests_on_enough
from bayesgmm.fit.em import Likelihood, Posterior, Target
from bayesgmm.fit.hierarchy import Tree
from bayesgmm.fit.mle import climbable
from bayesgmm.fit.moves import splits_of
from bayesgmm.fit.scaling import scale_prior
from bayesgmm.fit.starts import starts_for
from bayesgmm.kernel import Stats, e_step
from bayesgmm.mixture import Mixture
from bayesgmm.priors import Prior
from bayesgmm.selection.ground import TOLERANCE, Ground, Summit
from bayesgmm.selection.workers import Stopped

# Climbs of a cell that go all the way: of its own starts, and of where others have ended.
_KEEP, _KEEP_AGAIN = 6, 3
# Climbs of a cell that, if they agree, are taken at their word.
_SEVERAL = 5
# Families whose ends are tried: so many of the next higher and of the next lower likelihood.
_SIMILAR = 4


class Beginnings(NamedTuple):
    """What the climbs of all families of K components begin at, and the prior with its constants; or why not.

    Each is there once; ``same`` has the kinds of others that are the same, with the position of the one that is there.
    """

    found: tuple[Beginning, ...]
    prior: Prior | None
    note: str = ""
    same: tuple[tuple[int, str], ...] = ()

    @classmethod
    def of(cls, begin: Iterable[Beginning], prior: Prior | None) -> Beginnings:
        """Those of some beginnings that differ by more than rounding and the order of their components."""
        at, found, same = {}, [], []
        for one in begin:
            order = np.lexsort(one.stats.means.T)
            parts = (one.stats.counts[order], one.stats.means[order], one.stats.scatters[order])
            i = at.setdefault(np.concatenate(parts, axis=None).astype(np.float32).tobytes(), len(found))
            if i < len(found):
                same.append((i, one.kind))
            else:
                found.append(one)
        return cls(tuple(found), prior, "", tuple(same))


@dataclass(frozen=True, eq=False)
class Seen:
    """A mixture, and what the rows say under it: `Stats`, and what a `Fit` tells of memberships."""

    mixture: Mixture
    log_likelihood: float
    stats: Stats
    degeneracy: Degeneracy | None
    certainty: dict


@dataclass(frozen=True, eq=False)
class Cell:
    """What became of one number of components and one family.

    ``best`` is the highest summit that is not degenerate; where there is none, the highest whose covariances have not
    collapsed, and ``degenerate`` is true; None where all have, or where nothing could be tried. ``seen`` is the mixture
    of the best.
    """

    n_components: int
    family: Family
    target: Target | None
    summits: tuple[Summit, ...] = ()
    best: Summit | None = None
    seen: Seen | None = None
    note: str = ""
    degenerate: bool = False
    lost: Beginning | None = None  # what the first climb that collapsed began at

    @property
    def key(self) -> tuple[int, str]:
        """(K, the family's code)."""
        return self.n_components, self.family.code

    @property
    def is_agreed(self) -> bool:
        """Several climbs have ended, and all as high."""
        heights = [s.objective for s in self.summits if s.place is not None]
        return not self.degenerate and len(heights) >= _SEVERAL and max(heights) - min(heights) < LEAST_RISE

    def n_parameters(self, n_features: int) -> int:
        """Free parameters of weights, means and covariances."""
        k = self.n_components
        return k - 1 + k * n_features + self.family.n_parameters(k, n_features)


@dataclass(frozen=True, eq=False)
class Problem:
    """What all cells share: the ground that is climbed, a prior, kinds of start, and a tree of the rows."""

    ground: Ground
    prior: Prior | None
    starts: object
    seed: np.random.SeedSequence
    tree: Tree
    stopped: Event

    def begin(self, n_components: int) -> Beginnings:
        """Where the climbs of all families of K components begin."""
        table, whole = self.ground.table, self.ground.whole
        try:
            check_components(table, n_components)
            least = n_components * (table.n_features + 1)
            if self.prior is None and whole.total < least:
                raise DataError(f"{whole.total:g} rows are too few: {n_components} components need {least}")
            prior = self._scaled(n_components)
        except ValueError as error:
            return Beginnings((), None, str(error))
        # The same starts for a K whatever other numbers are asked for.
        rng = np.random.default_rng(np.random.SeedSequence(self.seed.entropy, spawn_key=(n_components,)))
        found = starts_for(table.rows, n_components, self.starts, rng, self.ground.weights, tree=self.tree, whole=whole)
        return Beginnings.of(found, prior)

    def _scaled(self, n_components: int) -> Prior | None:
        if self.prior is None:
            return None
        return scale_prior(self.prior, self.ground.table, n_components, case_weights=self.ground.weights,
                           missing="marginalise")  # fmt: skip

    def first(self, cells: Mapping, n_components: int, begin: Beginnings, family: Family) -> Cell:
        """A cell climbed from its own starts, and from the fit of one component fewer."""
        features = self.ground.table.features
        try:
            if begin.note:
                raise DataError(begin.note)
            if begin.prior is None:
                target = Likelihood(family, features)
            else:
                target = Posterior(family, features, climbable(begin.prior, family))
        except ValueError as error:
            return Cell(n_components, family, None, note=str(error))
        fewer = cells.get((n_components - 1, family.code))
        split = [] if fewer is None or fewer.seen is None else splits_of(fewer.seen.stats, self.ground.whole)
        return self._climbed(Cell(n_components, family, target), [*begin.found, *split], _KEEP, begin.same)

    def again(self, cells: Mapping[tuple[int, str], Cell], cell: Cell) -> Cell:
        """A cell climbed from where similar families have ended, too; not where all its climbs have one end."""
        if cell.n_components == 1 or cell.is_agreed:
            return cell
        others = [c for key, c in cells.items() if key[0] == cell.n_components and c is not cell and c.best is not None]
        height = -np.inf if cell.best is None else cell.best.objective
        if cell.degenerate:  # lower ends may be sound: all that are somewhere else are tried, and to the end
            begin = [Beginning(f"fit of {c.family.code}", c.seen.stats) for c in others if not c.degenerate]
            return self._climbed(cell, begin, len(begin))
        higher = sorted((c for c in others if c.best.objective > height), key=lambda c: c.best.objective)
        lower = sorted((c for c in others if c.best.objective <= height), key=lambda c: -c.best.objective)
        begin = [Beginning(f"fit of {c.family.code}", c.seen.stats) for c in higher[:_SIMILAR] + lower[:_SIMILAR]]
        return self._climbed(cell, begin, _KEEP_AGAIN)

    def _climbed(self, cell: Cell, begin: list[Beginning], keep: int, same: tuple = ()) -> Cell:
        if self.stopped.is_set():
            raise Stopped
        ends = self.ground.climb(begin, cell.target, keep)
        ends += [ends[i] and replace(ends[i], kind=kind) for i, kind in same]
        summits = [end for end in ends if end is not None]
        lost = cell.lost or (begin[0] if begin and all(s.place is None for s in summits) else None)
        return self._settled(replace(cell, summits=(*cell.summits, *summits), lost=lost))

    def _settled(self, cell: Cell) -> Cell:
        """The best of a cell's summits: from the highest down, the first that is not degenerate."""
        found, spare = list(cell.summits), None
        # One that is no higher than a climb leaves below itself is where the best is already.
        height = {id(cell.best): TOLERANCE}
        order = sorted((i for i, s in enumerate(found) if s.place is not None),
                       key=lambda i: -found[i].objective - height.get(id(found[i]), 0.0))  # fmt: skip
        for i in order:
            if found[i] is cell.best and not cell.degenerate:
                return replace(cell, summits=tuple(found))
            if found[i].flaw is None:
                seen = self.look(found[i], cell.target, flawless=True)
                if seen.degeneracy is None:
                    note = "" if found[i].converged else f"not converged after {found[i].n_iter} steps"
                    return replace(cell, summits=tuple(found), best=found[i], seen=seen, note=note, degenerate=False)
                found[i] = _flawed(found[i], seen.degeneracy)
            if not found[i].flaw.collapsed and (spare is None or found[i].objective > spare.objective):
                spare = found[i]
        return self._at_worst(replace(cell, summits=tuple(found)), spare)

    def _at_worst(self, cell: Cell, spare: Summit | None) -> Cell:
        """A cell none of whose summits is sound, with the highest that has not collapsed, and what is wrong."""
        best, seen = cell.best, cell.seen
        if spare is not None and (best is None or spare.objective > best.objective):
            best, seen = spare, self.look(spare, cell.target)
        if best is not None:
            return replace(cell, best=best, seen=seen, note=seen.degeneracy.text, degenerate=True)
        flawed = next((s for s in cell.summits if s.flaw), None)
        note = self.look(flawed, cell.target).degeneracy.text if flawed else self._lost(cell)
        return replace(cell, note=note, degenerate=True)

    def look(self, summit: Summit, target: Target, flawless: bool = False) -> Seen:
        """The mixture of a summit, what the rows say under it, and what is wrong with it; under a prior nothing is.

        ``flawless``: it is known to have no `Flaw`, so that only which rows it rests on is still to be asked.
        """
        rows, weights, whole = self.ground.table.rows, self.ground.weights, self.ground.whole
        mixture = self.ground.mixture(summit, target)
        is_small = len(rows) <= CHUNK
        height, stats, *r = e_step(rows, mixture, weights, pointwise=False, responsibilities=is_small, single=False)
        wrong, r = None, r[0] if r else None
        if isinstance(target, Likelihood) and not (flawless and rests_on_enough(mixture, rows, r)):
            wrong = diagnose_fit(mixture, rows, weights, whole=whole, responsibilities=r)
        sure = certainty(rows, mixture, weights) if r is None else certainty_of(r, weights)
        return Seen(mixture, height, stats, wrong, sure)

    def _lost(self, cell: Cell) -> str:
        """Why a cell has no end at all: what its first climb looked like before it broke off."""
        if cell.lost is None:
            return cell.summits[0].note
        ground = self.ground
        why = before_the_collapse(ground.table, cell.target, cell.lost, ground.weights, ground.whole)
        return why.text if why else cell.summits[0].note


def _flawed(summit: Summit, wrong: Degeneracy) -> Summit:
    flaw = Flaw(wrong.component, wrong.collapsed, wrong.points)
    return replace(summit, flaw=flaw, note=flaw.text)
