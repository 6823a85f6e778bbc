"""One mixture after another: the fits that `select` chooses from.

A cell is a number of components and a family. Its climbs begin where all families of that number begin, where a
component of the fit of one fewer is split, which finds most of the highest modes, and then where the most similar
families have ended: so that a larger model is not left below one that it contains.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from threading import Event
from typing import NamedTuple

import numpy as np

from bayesgmm.data import DataError, check_components
from bayesgmm.families import Family
from bayesgmm.fit.begin import Beginning
from bayesgmm.fit.best import CHUNK, before_the_collapse, certainty, certainty_of
from bayesgmm.fit.degenerate import Degeneracy, diagnose_fit
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
_KEEP, _KEEP_AGAIN = 8, 4
# Families whose ends are tried: so many of the next higher and of the next lower likelihood.
_SIMILAR = 4


class Beginnings(NamedTuple):
    """What the climbs of all families of K components begin at, and the prior with its constants; or why not."""

    found: tuple[Beginning, ...]
    prior: Prior | None
    note: str = ""


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
        return Beginnings(tuple(found), prior)

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
        return self._climbed(Cell(n_components, family, target), [*begin.found, *split], _KEEP)

    def again(self, cells: Mapping[tuple[int, str], Cell], cell: Cell) -> Cell:
        """A cell climbed from where similar families have ended, too."""
        others = [c for key, c in cells.items() if key[0] == cell.n_components and c is not cell and c.best is not None]
        height = -np.inf if cell.best is None else cell.best.objective
        if cell.degenerate:  # lower ends may be sound: all that are somewhere else are tried, and to the end
            begin = [Beginning(f"fit of {c.family.code}", c.seen.stats) for c in others if not c.degenerate]
            return self._climbed(cell, begin, len(begin))
        higher = sorted((c for c in others if c.best.objective > height), key=lambda c: c.best.objective)
        lower = sorted((c for c in others if c.best.objective <= height), key=lambda c: -c.best.objective)
        begin = [Beginning(f"fit of {c.family.code}", c.seen.stats) for c in higher[:_SIMILAR] + lower[:_SIMILAR]]
        return self._climbed(cell, begin, _KEEP_AGAIN)

    def _climbed(self, cell: Cell, begin: list[Beginning], keep: int) -> Cell:
        if self.stopped.is_set():
            raise Stopped
        summits = self.ground.climb(begin, cell.target, keep)
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
            if found[i].degeneracy is not None:
                continue
            seen = self.look(found[i], cell.target)
            if seen.degeneracy is None:
                note = "" if found[i].converged else f"not converged after {found[i].n_iter} steps"
                return replace(cell, summits=tuple(found), best=found[i], seen=seen, note=note, degenerate=False)
            found[i] = replace(found[i], degeneracy=seen.degeneracy, note=seen.degeneracy.text)
            if not seen.degeneracy.collapsed and (spare is None or found[i].objective > spare[0].objective):
                spare = found[i], seen
        if spare is None or (cell.best is not None and cell.best.objective >= spare[0].objective):
            spare = cell.best, cell.seen
        best, seen = spare
        note = best.note if best else next((s.note for s in found if s.degeneracy), "") or self._lost(cell)
        return replace(cell, summits=tuple(found), best=best, seen=seen, note=note, degenerate=True)

    def look(self, summit: Summit, target: Target) -> Seen:
        """The mixture of a summit, what the rows say under it, and what is wrong with it; under a prior nothing is."""
        rows, weights, whole = self.ground.table.rows, self.ground.weights, self.ground.whole
        mixture = self.ground.mixture(summit, target)
        is_small = len(rows) <= CHUNK
        height, stats, *r = e_step(rows, mixture, weights, pointwise=False, responsibilities=is_small, single=False)
        wrong, r = None, r[0] if r else None
        if isinstance(target, Likelihood):
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
