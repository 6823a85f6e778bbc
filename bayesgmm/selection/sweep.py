"""One mixture after another: the fits that `select` chooses from.

A cell is a number of components and a family. Its climbs begin where all families of that number begin, and then where
other cells have ended: so that a larger model is not left below one that it contains.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from threading import Event
from typing import NamedTuple

import numpy as np

from bayesgmm.data import DataError, Table, check_components
from bayesgmm.families import Family
from bayesgmm.fit.begin import Beginning
from bayesgmm.fit.best import before_the_collapse
from bayesgmm.fit.census import End
from bayesgmm.fit.climbs import climb_from
from bayesgmm.fit.degenerate import Degeneracy, diagnose_fit
from bayesgmm.fit.em import Likelihood, Posterior, Target
from bayesgmm.fit.hierarchy import Tree
from bayesgmm.fit.mle import climbable
from bayesgmm.fit.moves import splits
from bayesgmm.fit.scaling import scale_prior
from bayesgmm.fit.starts import starts_for
from bayesgmm.kernel import Stats, e_step
from bayesgmm.mixture import Mixture
from bayesgmm.priors import Prior
from bayesgmm.selection.workers import Stopped

# Newton's decrement at which a climb ends: twice the log-likelihood that is left, a hundredth of what a table shows.
TOLERANCE = 1e-4


class Beginnings(NamedTuple):
    """What the climbs of all families of K components begin at, and the prior with its constants; or why not."""

    found: tuple[Beginning, ...]
    prior: Prior | None
    note: str = ""


@dataclass(frozen=True, eq=False)
class Cell:
    """What became of one number of components and one family.

    ``best`` is the highest end that is not degenerate; where there is none, the highest whose covariances have not
    collapsed, and ``degenerate`` is true; None where all have, or where nothing could be tried.
    """

    n_components: int
    family: Family
    target: Target | None
    ends: tuple[End, ...] = ()
    best: End | None = None
    note: str = ""
    degenerate: bool = False
    lost: Beginning | None = None  # what the first climb that broke off began at

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
    """What all cells share: rows that count and their frequencies, moments of all rows, a prior, and kinds of start."""

    table: Table
    weights: np.ndarray | None
    whole: Stats
    prior: Prior | None
    starts: object
    seed: np.random.SeedSequence
    tree: Tree
    stopped: Event

    def begin(self, n_components: int) -> Beginnings:
        """Where the climbs of all families of K components begin."""
        try:
            check_components(self.table, n_components)
            least = n_components * (self.table.n_features + 1)
            if self.prior is None and self.whole.total < least:
                raise DataError(f"{self.whole.total:g} rows are too few: {n_components} components need {least}")
            prior = self._scaled(n_components)
        except ValueError as error:
            return Beginnings((), None, str(error))
        # The same starts for a K whatever other numbers are asked for.
        rng = np.random.default_rng(np.random.SeedSequence(self.seed.entropy, spawn_key=(n_components,)))
        found = starts_for(self.table.rows, n_components, self.starts, rng, self.weights, tree=self.tree,
                           whole=self.whole)  # fmt: skip
        return Beginnings(tuple(found), prior)

    def _scaled(self, n_components: int) -> Prior | None:
        if self.prior is None:
            return None
        return scale_prior(self.prior, self.table, n_components, case_weights=self.weights, missing="marginalise")

    def first(self, n_components: int, begin: Beginnings, family: Family) -> Cell:
        """A cell climbed from its own starts."""
        try:
            if begin.note:
                raise DataError(begin.note)
            if begin.prior is None:
                target = Likelihood(family, self.table.features)
            else:
                target = Posterior(family, self.table.features, climbable(begin.prior, family))
        except ValueError as error:
            return Cell(n_components, family, None, note=str(error))
        return self._climbed(Cell(n_components, family, target), begin.found)

    def again(self, cells: Mapping[tuple[int, str], Cell], cell: Cell) -> Cell:
        """A cell climbed from where others have ended, too."""
        rows, weights, begin = self.table.rows, self.weights, []
        for (k, code), other in cells.items():
            if k == cell.n_components and other is not cell and other.best is not None:
                stats = e_step(rows, other.best.mixture, weights, pointwise=False)[1]
                begin.append(Beginning(f"fit of {code}", stats))
        fewer = cells.get((cell.n_components - 1, cell.family.code))
        if fewer is not None and fewer.best is not None:
            begin += splits(rows, fewer.best.mixture, weights, whole=self.whole)
        return self._climbed(cell, begin)

    def _climbed(self, cell: Cell, begin) -> Cell:
        if self.stopped.is_set():
            raise Stopped
        found = climb_from(self.table.rows, [one.stats for one in begin], cell.target, case_weights=self.weights,
                           tolerance=TOLERANCE)  # fmt: skip
        lost = next((one for one, c in zip(begin, found) if c.mixture is None), None)
        ends = (End(one.kind, c.mixture, c.objective, c.log_likelihood, c.n_iter, c.converged, c.note)
                for one, c in zip(begin, found, strict=True))  # fmt: skip
        return self._settled(replace(cell, ends=(*cell.ends, *ends), lost=cell.lost or lost))

    def _settled(self, cell: Cell) -> Cell:
        """The best of a cell's ends: from the highest down, the first that is not degenerate."""
        ends, spare = list(cell.ends), None
        for i in sorted((i for i, e in enumerate(ends) if e.mixture is not None), key=lambda i: -ends[i].objective):
            wrong = ends[i].degeneracy or self.diagnose(ends[i].mixture, cell.target)
            if wrong is None:
                note = "" if ends[i].converged else f"not converged after {ends[i].n_iter} steps"
                return replace(cell, ends=tuple(ends), best=ends[i], note=note, degenerate=False)
            ends[i] = ends[i]._replace(degeneracy=wrong, note=wrong.text)
            if spare is None and not wrong.collapsed:
                spare = ends[i]
        note = spare.note if spare else next((end.note for end in ends if end.degeneracy), "") or self._lost(cell)
        return replace(cell, ends=tuple(ends), best=spare, note=note, degenerate=True)

    def _lost(self, cell: Cell) -> str:
        """Why a cell has no end at all: what its first climb looked like before it broke off."""
        why = before_the_collapse(self.table, cell.target, cell.lost, self.weights, self.whole)
        return why.text if why else cell.ends[0].note

    def diagnose(self, mixture: Mixture, target: Target) -> Degeneracy | None:
        """What is wrong with a maximum of the likelihood; under a prior nothing is."""
        if not isinstance(target, Likelihood):
            return None
        return diagnose_fit(mixture, self.table.rows, self.weights, whole=self.whole)
