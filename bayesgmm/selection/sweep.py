"""One mixture after another: the fits that `select` chooses from.

A cell is a number of components and a family. Its climbs begin where all families of that number begin, and then where
other families, and one component fewer, have ended: so that a larger model is not found below one that it contains.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from threading import Event
from typing import NamedTuple

import numpy as np

from bayesgmm.data import DataError, Table, check_components
from bayesgmm.families import Family
from bayesgmm.fit.climbs import Climbed, climb_from
from bayesgmm.fit.degenerate import collapse
from bayesgmm.fit.em import Likelihood, Posterior, Target
from bayesgmm.fit.mle import climbable
from bayesgmm.fit.scaling import scale_prior
from bayesgmm.fit.starts import start_statistics
from bayesgmm.kernel import Stats, e_step
from bayesgmm.mixture import Mixture
from bayesgmm.priors import Prior
from bayesgmm.selection.workers import Stopped

# Newton's decrement at which a climb ends: twice the log-likelihood that is left, a hundredth of what a table shows.
TOLERANCE = 1e-4


class End(NamedTuple):
    """Where a climb ended, and what kind of start it began at."""

    kind: str
    climbed: Climbed


@dataclass(frozen=True, eq=False)
class Cell:
    """What became of one number of components and one family."""

    n_components: int
    family: Family
    target: Target | None
    ends: tuple[End, ...] = ()
    best: End | None = None
    note: str = ""
    degenerate: bool = False

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
    """What all cells share: the rows that count and their frequencies, the moments of all of them, and a prior."""

    table: Table
    weights: np.ndarray | None
    whole: Stats
    prior: object
    starts: object
    seed: np.random.SeedSequence
    stopped: Event

    @property
    def n_obs(self) -> float:
        """N, or the sum of the case weights."""
        return self.whole.total

    def begin(self, n_components: int) -> Beginnings:
        """Where the climbs of all families of K components begin; and the prior, scaled by the data."""
        try:
            check_components(self.table, n_components)
            least = n_components * (self.table.n_features + 1)
            if self.prior is None and self.n_obs < least:
                raise DataError(f"{self.n_obs:g} rows are too few for {n_components} components, which need {least}")
            prior = self._scaled(n_components)
        except ValueError as error:
            return Beginnings((), None, str(error))
        # The same starts for a K whatever other numbers are asked for.
        rng = np.random.default_rng(np.random.SeedSequence(self.seed.entropy, spawn_key=(n_components,)))
        begin = start_statistics(self.table.rows, n_components, self.starts, rng, self.weights, self.whole)
        return Beginnings(tuple(("k-means++", stats) for stats in begin), prior, "")

    def _scaled(self, n_components: int):
        if self.prior is None:
            return None
        return scale_prior(self.prior, self.table, n_components, case_weights=self.weights, missing="marginalise")

    def target(self, family: Family, prior) -> Target:
        """What a family's climbs maximise; ValueError where its M-step under the prior is not known."""
        if prior is None:
            return Likelihood(family, self.table.features)
        return Posterior(family, self.table.features, climbable(prior, family))

    def first(self, n_components: int, family: Family, begin: Beginnings) -> Cell:
        """A cell climbed from its own starts."""
        if begin.note:
            return Cell(n_components, family, None, note=begin.note)
        try:
            target = self.target(family, begin.prior)
        except ValueError as error:
            return Cell(n_components, family, None, note=str(error))
        return self._settled(Cell(n_components, family, target), begin.starts)

    def again(self, cell: Cell, others: list[tuple[str, Mixture]]) -> Cell:
        """The same cell climbed from what other cells found, too."""
        starts = [(kind, e_step(self.table.rows, m, self.weights, pointwise=False)[1]) for kind, m in others]
        return self._settled(cell, starts)

    def _settled(self, cell: Cell, starts) -> Cell:
        """The cell with the ends of more climbs, and the best of all that is no degenerate mixture."""
        if self.stopped.is_set():
            raise Stopped
        found = climb_from(self.table.rows, [stats for _, stats in starts], cell.target, case_weights=self.weights,
                           tolerance=TOLERANCE)  # fmt: skip
        ends = cell.ends + tuple(End(kind, one) for (kind, _), one in zip(starts, found))
        notes = []
        for end in sorted((e for e in ends if e.climbed.mixture is not None), key=lambda e: -e.climbed.objective):
            why = self._degenerate(end.climbed.mixture, cell.target)
            if not why:
                return replace(cell, ends=ends, best=end, note=_unconverged(end), degenerate=False)
            notes.append(why)
        notes += [e.climbed.note for e in ends if e.climbed.note]
        return replace(cell, ends=ends, best=None, note=notes[0], degenerate=True)

    def _degenerate(self, mixture: Mixture, target: Target) -> str:
        return collapse(mixture, self.whole) if isinstance(target, Likelihood) else ""


class Beginnings(NamedTuple):
    """Named statistics that climbs begin at, the prior with its constants; or why there is no such fit."""

    starts: tuple[tuple[str, Stats], ...]
    prior: Prior | None
    note: str


def _unconverged(end: End) -> str:
    return "" if end.climbed.converged else f"not converged after {end.climbed.n_iter} steps"
