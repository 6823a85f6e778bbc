"""Many rows: starts climb over a sample of them, and over all only from the modes that may be the best.

A climb over a sample costs a fraction of one over all rows, and ends in about the same mode; from there the way to the
mode of all rows is short.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bayesgmm.data import Table
from bayesgmm.fit.begin import Beginning, grown
from bayesgmm.fit.best import best_climb
from bayesgmm.fit.census import LEFT, End, Mode
from bayesgmm.fit.degenerate import DegenerateFit
from bayesgmm.fit.em import Target
from bayesgmm.fit.hierarchy import hierarchy
from bayesgmm.fit.moments import moments
from bayesgmm.fit.result import Fit
from bayesgmm.fit.sphering import sphere
from bayesgmm.fit.starts import starts_for
from bayesgmm.fit.wanted import Wanted, how_many
from bayesgmm.kernel import e_step
from bayesgmm.progress import track

# Rows of the sample for each free parameter, and at least; how many times as many there must be for it to be drawn.
_PER_PARAMETER, _LEAST, _TIMES = 20, 2000, 10
# Rows of the sample that its trees are made of.
_OF_TREE = 750
# Modes that are climbed on from, at most; and standard errors below the best from which on one is left.
_MOST, _FAR = 5, 3.0


class Scouted(NamedTuple):
    """What climbs over a sample found."""

    fit: Fit
    n_rows: int
    begin: list[Beginning]  # of climbs over all rows
    of_begin: list[int]  # the mode of the sample that each is
    behind: np.ndarray  # of each mode, how far its log density lies behind the best one's, summed over all rows

    def ends(self, ends: list[End]) -> list[End]:
        """Of each start where it ended: in one of the ends over all rows, or left behind on the sample."""
        found, at = [], dict(zip(self.of_begin, ends, strict=False))
        for start in self.fit.starts:
            end = at.get(start.mode)
            if end is not None:
                found.append(end._replace(kind=start.kind, n_iter=start.n_iter + end.n_iter))
            else:
                found.append(End(start.kind, None, np.nan, np.nan, start.n_iter, False, self._why_left(start)))
        return found

    def _why_left(self, start) -> str:
        if not 0 <= start.mode < len(self.behind):
            return start.note
        return f"{LEFT} of {self.n_rows} rows, where it was {self.behind[start.mode]:.3g} lower"


def scout(table: Table, target: Target, asked: tuple[Wanted, ...], n_components: int, seed, case_weights=None,
          progress: bool = True) -> Scouted | None:  # fmt: skip
    """Climb from all starts over a sample of the rows; None where they are too few, or where starts are a user's own.

    Modes are compared by their mean log density of other rows, as many, for some fit the noise of the sample. One is
    climbed on from, over all rows, unless it is three standard errors behind the best; five of them at most.
    """
    rows, n_obs, d = table.rows, table.n_obs, table.n_features
    free = n_components * (1 + d) - 1 + target.family.n_parameters(n_components, d)
    size = max(_LEAST, _PER_PARAMETER * free)
    if not isinstance(rows, np.ndarray) or n_obs < _TIMES * size or how_many(asked) < 2:
        return None
    if any(one.own is not None for one in asked):
        return None
    rng = np.random.default_rng(seed)
    drawn = rng.choice(n_obs, 2 * size, replace=False)
    some, weights = _taken(table, np.sort(drawn[:size]), case_weights)
    there = moments(some.rows, weights)
    if sphere(there.scatters[0]).shape[1] < d:  # a feature, or a sum of them, is constant in the sample
        return None
    tree = hierarchy(some.rows, weights, most=_OF_TREE)
    begin = starts_for(some.rows, n_components, asked, rng, weights, tree=tree, moves=True)
    try:
        fit = best_climb(some, target, track(begin, how_many(asked), "EM, a sample", progress), weights, there)
    except DegenerateFit:  # of so few rows
        return None
    modes = [mode for mode in fit.census if not mode.is_degenerate]
    whole = float(n_obs if case_weights is None else case_weights.sum())
    if not modes:
        return None
    order, behind = _ranked(modes, *_taken(table, np.sort(drawn[size:]), case_weights))
    counts = float(size if weights is None else weights.sum())
    begin = [_beginning(modes[i], some.rows, weights, whole / counts) for i in order]
    return Scouted(fit, size, begin, order, behind * whole)


def _taken(table: Table, chosen, case_weights) -> tuple[Table, np.ndarray | None]:
    some = Table(np.asarray(table.rows[chosen], dtype=float), table.features)
    return some, None if case_weights is None else case_weights[chosen]


def _ranked(modes: list[Mode], table: Table, weights) -> tuple[list[int], np.ndarray]:
    """Modes that may be the best on these rows, the best first; and by how much each is behind, a row."""
    counts = np.ones(table.n_obs) if weights is None else weights
    density = np.array([e_step(table.rows, mode.mixture)[0] for mode in modes])
    means = density @ counts / counts.sum()
    gaps = density[means.argmax()] - density
    behind = gaps @ counts / counts.sum()
    errors = np.sqrt((gaps - behind[:, None]) ** 2 @ counts**2) / counts.sum()
    return [int(i) for i in np.argsort(behind, kind="stable") if behind[i] <= _FAR * errors[i]][:_MOST], behind


def _beginning(mode: Mode, rows, weights, times: float) -> Beginning:
    """What a mode's components answer for, of so many times the rows."""
    stats = e_step(rows, mode.mixture, weights, pointwise=False, single=False)[1]
    return Beginning(next(iter(mode.kinds)), grown(stats, times))
