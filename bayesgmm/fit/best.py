"""Climb from every beginning, take the best end that is a fit, and say what became of all."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from bayesgmm.data import Table
from bayesgmm.fit.begin import Beginning
from bayesgmm.fit.census import End, gather
from bayesgmm.fit.climbs import paths_from
from bayesgmm.fit.degenerate import Degeneracy, diagnose_fit, explain, thinnest
from bayesgmm.fit.em import MOST_STEPS, TOLERANCE, Likelihood, Posterior, Target
from bayesgmm.fit.moments import moments
from bayesgmm.fit.moves import exchanges, promising
from bayesgmm.fit.result import Fit, Start
from bayesgmm.kernel import Incomplete, Stats, e_step, threads
from bayesgmm.mixture import Mixture

# Rows whose responsibilities are held at once.
CHUNK = 1 << 16
# A new best mode lies higher by more than this; moves from one mode that are kept.
LEAST_RISE, _MOST_MOVES = 1e-3, 10
# Of the variances of all rows.
_TRIFLE = 1e-9


def best_climb(
    table: Table, target: Target, begin: Iterable[Beginning], case_weights=None, whole: Stats | None = None,
    of_all: Callable[[list[End]], list[End]] = list,
) -> Fit:  # fmt: skip
    """Climb from each beginning, and make a `Fit` of the best that is not degenerate.

    Interrupted, it keeps what is finished, and warns. A beginning without statistics is one that is made when its turn
    comes: by moves from the best end so far.

    Whether a maximum of a likelihood is, the `moments` of all rows tell. One that has not collapsed, but where hardly
    any rows stand behind a component, is taken only if there is no other; `Fit.degeneracy` then says so.

    ``of_all`` makes of the ends of these beginnings those of all starts, where others were climbed elsewhere.
    """
    whole, ends, lost = whole or moments(table.rows, case_weights), [], None
    moves = _Moves(table.rows, target, case_weights, whole)
    try:
        for batch in _batches(begin):
            made = [one if one.stats is not None else moves.of(ends) for one in batch]
            some = [one for one in made if one is not None]
            paths = paths_from(table.rows, [one.stats for one in some], target, case_weights, tolerance=TOLERANCE,
                               most=MOST_STEPS)  # fmt: skip
            ends += [_end(table, target, *pair, case_weights, whole) for pair in zip(some, paths, strict=True)]
            lost = lost or next((one for one, (found, _) in zip(some, paths) if found.mixture is None), None)
    except KeyboardInterrupt:
        if all(e.mixture is None for e in ends):
            raise KeyboardInterrupt("no start was finished, so there is nothing to keep") from None
        warnings.warn(f"interrupted: the fit is the best of the {len(ends)} starts finished so far", stacklevel=3)
    return chosen(table, target, of_all(ends), lost, case_weights, whole)


def _batches(begin: Iterable[Beginning]) -> Iterator[list[Beginning]]:
    """As many beginnings at once as there are threads; but one that needs the ends of all before is alone."""
    some = []
    for one in begin:
        if one.stats is None or len(some) == threads():
            if some:
                yield some
            some = []
        some.append(one)
        if one.stats is None:
            yield some
            some = []
    if some:
        yield some


class _Moves:
    """Beginnings made from the best end so far, the most promising first."""

    def __init__(self, x, target, case_weights, whole):
        self.rows, self.target, self.whole = (x, case_weights), target, whole
        self.best, self.left = None, []

    def of(self, ends: list[End]) -> Beginning | None:
        """What to begin from next; None if there is nothing."""
        sound = [e for e in ends if e.mixture is not None and e.degeneracy is None]
        best = max(sound, key=lambda e: e.objective, default=None)
        if best is None:
            return None
        if self.best is None or best.objective > self.best.objective + LEAST_RISE:
            x, weights = self.rows
            begin = exchanges(x, best.mixture, weights, whole=self.whole)
            self.left = promising(x, self.target, begin, weights, whole=self.whole, most=_MOST_MOVES)
            self.best = best
        return self.left.pop(0) if self.left else None


def _end(table, target, begin, path, case_weights, whole) -> End:
    found, history = path
    if found.mixture is None:
        return End(begin.kind, None, np.nan, np.nan, 0, False, found.note)
    mixture, is_mle = _ordered(found.mixture), isinstance(target, Likelihood)
    wrong = diagnose_fit(mixture, table.rows, case_weights, whole=whole) if is_mle else None
    return End(begin.kind, mixture, found.objective, found.log_likelihood, found.n_iter, found.converged,
               wrong.text if wrong else "", history, wrong)  # fmt: skip


def chosen(table: Table, target: Target, ends: list[End], lost: Beginning | None, case_weights, whole: Stats) -> Fit:
    """The best of some ends as a `Fit`, with the census of all; ``lost`` began the first climb that has no end.

    Raises
    ------
    DegenerateFit
        If all have collapsed.
    """
    shapes = [e.mixture.means.shape for e in ends if e.mixture is not None]
    k, d = shapes[0] if shapes else lost.stats.means.shape
    free = k - 1 + k * d + target.family.n_parameters(k, d)
    census = taken(ends, whole, free)
    found = [e for e in ends if e.mixture is not None and not (e.degeneracy and e.degeneracy.collapsed)]
    if not found:
        wrong = next((e.degeneracy for e in ends if e.degeneracy), None)
        wrong = wrong or before_the_collapse(table, target, lost, case_weights, whole)
        raise explain(census["starts"], k, target.family.alias, wrong)
    best = max(found, key=lambda e: (e.degeneracy is None, e.objective))
    bayes = isinstance(target, Posterior)
    return Fit(
        mixture=best.mixture,
        log_likelihood=best.log_likelihood,
        log_posterior=best.objective if bayes else None,
        n_parameters=free,
        estimator="MAP" if bayes else "MLE",
        coordinates=("weights", "means", "covariances") if bayes else (),
        converged=best.converged,
        history=np.array(best.history),
        degeneracy=best.degeneracy,
        covariance_type=target.family.alias,
        prior=target.prior if bayes else None,
        **census,
        **certainty(table.rows, best.mixture, case_weights),
    )


def taken(ends: list[End], whole: Stats, n_parameters: int) -> dict:
    """What a `Fit` says of all climbs: ``starts``, and ``census``, the modes that they ended in."""
    shapes = [e.mixture.n_components for e in ends if e.mixture is not None]
    per_component = n_parameters / shapes[0] if shapes else 0.0
    of_end, modes = gather(ends, whole.total, per_component, lambda covariances: thinnest(covariances, whole))
    starts = (Start(e.objective, e.n_iter, e.converged, e.note, e.kind, g) for e, g in zip(ends, of_end, strict=True))
    return {"starts": tuple(starts), "census": tuple(modes)}


def before_the_collapse(table, target, begin, case_weights, whole) -> Degeneracy | None:
    """What EM's last statistics before it broke off look like."""
    stats = begin.stats
    try:
        for _ in range(MOST_STEPS):
            stats = e_step(table.rows, target.update(stats), case_weights, pointwise=False, single=False)[1]
    except np.linalg.LinAlgError:
        pass
    return diagnose_fit(_with_some_volume(stats, table.features, whole), table.rows, case_weights, whole=whole)


def _with_some_volume(stats: Stats, features, whole: Stats) -> Mixture:
    """The mixture of statistics, its covariances a trifle larger."""
    counts = np.maximum(stats.counts, np.finfo(float).tiny)
    least = _TRIFLE * np.diag(np.diag(whole.scatters[0])) / whole.total
    return Mixture(counts / counts.sum(), stats.means, stats.scatters / counts[:, None, None] + least,
                   features=features)  # fmt: skip


def certainty(x, mixture: Mixture, case_weights=None) -> dict:
    """What a `Fit` says about its memberships: ``entropy``, ``log_certainty``, and ``n_obs``."""
    totals = np.zeros(3)
    chunk = len(x) if isinstance(x, Incomplete) else CHUNK
    for first in range(0, len(x), chunk):
        some = slice(first, first + chunk)
        _, _, r = e_step(x if len(x) <= chunk else x[some], mixture, responsibilities=True, single=False)
        totals += _certain(r, None if case_weights is None else case_weights[some])
    return dict(zip(_CERTAINTY, totals.tolist(), strict=True))


def certainty_of(responsibilities, case_weights=None) -> dict:
    """The same where responsibilities (N, K) are known."""
    return dict(zip(_CERTAINTY, map(float, _certain(responsibilities, case_weights)), strict=True))


_CERTAINTY = ("entropy", "log_certainty", "n_obs")


def _certain(r, weights) -> tuple:
    weights = np.ones(len(r)) if weights is None else weights
    entropy = -(r * np.log(np.where(r > 0, r, 1.0))).sum(axis=1)
    return weights @ entropy, weights @ np.log(r.max(axis=1)), weights.sum()


def _ordered(mixture: Mixture) -> Mixture:
    """Components by their first feature's mean: the same fit has the same labels, whatever the start."""
    return mixture.permute(np.lexsort(mixture.means.T[::-1]))
