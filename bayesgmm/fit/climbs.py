"""EM from one mixture, many times over: the refits of a bootstrap, of a jackknife, or of parts of the rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bayesgmm.families import WITH_PRIORS
from bayesgmm.fit.compiled import climb_compiled, refit_compiled
from bayesgmm.fit.em import Likelihood, Target, climb
from bayesgmm.kernel import Stats, Whitening, climbs
from bayesgmm.kernel.climbs import CLIMBING, COLLAPSED
from bayesgmm.mixture import Mixture

# Numbers in the rows above which a pass is worth all threads, and steps that save passes; and steps of a refit.
_MOST, _MOST_STEPS = 5_000_000, 500


class Climbed(NamedTuple):
    """What became of one start; where it collapsed, the mixture is None, the heights are NaN, and a note says why."""

    mixture: Mixture | None
    log_likelihood: float
    objective: float  # the log-likelihood, or the log posterior density
    n_iter: int
    converged: bool
    note: str


def climb_from(
    x, starts: Sequence[Stats], target: Target, *, case_weights=None, tolerance: float = 1e-4, most: int = 2000
) -> list[Climbed]:
    """Climb over the same rows from each of several starts.

    Laws: what becomes of a start does not depend on the others. Newton's decrement is ``tolerance`` at most where a
    climb converged, so that half of it is left to gain.

    Parameters
    ----------
    x : ndarray (N, D) or Incomplete
    starts : sequence of Stats
        The first M-step turns each into a mixture.
    target : Likelihood or Posterior
    case_weights : ndarray (N,), optional
    tolerance : float
    most : int
        Steps.
    """
    return [found for found, _ in paths_from(x, starts, target, case_weights, tolerance=tolerance, most=most)]


def paths_from(x, starts: Sequence[Stats], target: Target, case_weights=None, *, tolerance: float, most: int):
    """The same, and of each climb the objective at every step, from where the first M-step leads."""
    mixtures = [_begun(stats, target) for stats in starts]
    found = [nowhere(why) if isinstance(why, str) else None for why in mixtures]
    left = [i for i, one in enumerate(found) if one is None]
    climbed = climb_compiled(x, [mixtures[i] for i in left], target, case_weights, tolerance, most)
    for i, one in zip(left, climbed, strict=True):
        found[i] = one or _climbed(x, mixtures[i], target, case_weights, tolerance, most)
        if one and one[0].mixture is not None and not one[0].converged and one[0].n_iter < most:
            found[i] = _gone_on(x, one, target, case_weights, tolerance, most)
    return found


def _gone_on(x, path, target: Target, case_weights, tolerance: float, most: int):
    """A path that ended in rounding, gone on with by Python's loop, which may see more."""
    before, history = path
    after, more = _climbed(x, before.mixture, target, case_weights, tolerance, most - before.n_iter)
    if after.mixture is None or not after.objective >= before.objective:
        return path
    return after._replace(n_iter=before.n_iter + after.n_iter), [*history[:-1], *more]


def _begun(stats: Stats, target: Target) -> Mixture | str:
    try:
        return target.update(stats)
    except np.linalg.LinAlgError as error:
        return str(error)


def nowhere(why: str, n_iter: int = 0) -> tuple[Climbed, list[float]]:
    """What there is to say of a start that collapsed."""
    return Climbed(None, np.nan, np.nan, n_iter, False, f"a component collapsed ({why.lower()})"), []


def _climbed(x, start: Mixture, target: Target, case_weights, tolerance: float, most: int):
    try:
        step, history, converged = climb(x, start, target, case_weights, tolerance=tolerance, most=most)
    except np.linalg.LinAlgError as error:
        return nowhere(str(error))
    return Climbed(step.mixture, step.log_likelihood, step.objective, len(history) - 1, converged, ""), history


class Ended(NamedTuple):
    """Where a climb ended: None where a covariance collapsed; and whether little is left to gain."""

    mixture: Mixture | None
    converged: bool


def climb_each(samples: Sequence[tuple], start: Mixture, target: Target, tolerance: float) -> list[Ended]:
    """Climb from a mixture once for each sample, of rows and their weights (or None: each counts once).

    Laws: what becomes of a sample does not depend on the others. Newton's decrement is `tolerance` at most where a
    climb converged.
    """
    if not _is_native(samples, target):
        return _refits(samples, start, target, tolerance)
    first = samples[0][0]
    same = all(rows is first for rows, _ in samples)
    x = first if same else np.stack([rows for rows, _ in samples])
    weights = None if samples[0][1] is None else np.stack([w for _, w in samples])
    factors = target.family.whitening(start.covariances).factors
    if not target.family.is_shared:
        factors = np.broadcast_to(factors, (start.n_components, *factors.shape[1:]))
    *found, ends = climbs(x, weights, start.log_weights, start.means, factors, tolerance=tolerance,
                          is_round=target.family.is_round)  # fmt: skip
    return [_ended(end, *one, sample, target, tolerance) for end, sample, *one in zip(ends, samples, *found)]


def _is_native(samples, target: Target) -> bool:
    """Whether compiled code has the M-step, the rows are complete, and all samples are of one kind."""
    if not samples or not isinstance(target, Likelihood) or target.family not in WITH_PRIORS:
        return False
    rows, weights = samples[0]
    shared = all(r is rows for r, _ in samples)
    return _are_alike(samples) and rows.size <= _MOST and (weights is not None or not shared)


def _ended(end, log_weights, means, factors, sample, target, tolerance) -> Ended:
    if end == COLLAPSED or not (np.isfinite(means).all() and np.isfinite(factors).all()):
        return Ended(None, False)
    weights = np.exp(log_weights)
    mixture = Mixture.from_whitening(weights / weights.sum(), means, Whitening(factors), features=target.features)
    if end == CLIMBING:  # along a ridge, where quasi-Newton steps save most
        return _one(sample[0], mixture, target, sample[1], tolerance)
    return Ended(mixture, True)


def _refits(samples, start: Mixture, target: Target, tolerance: float) -> list[Ended]:
    """The same of any family, and under a prior: by quasi-Newton EM, in compiled code where all are alike."""
    paths = [None] * len(samples)
    if _are_alike(samples):
        paths = refit_compiled(samples, [start] * len(samples), target, tolerance, _MOST_STEPS)
    sure = [path and (path[0].mixture is None or path[0].converged) for path in paths]
    return [Ended(path[0].mixture, path[0].converged) if known else _one(rows, start, target, weights, tolerance)
            for path, known, (rows, weights) in zip(paths, sure, samples, strict=True)]  # fmt: skip


def _are_alike(samples) -> bool:
    """Whether samples are of as many complete rows, and all have weights or none has."""
    rows, weights = samples[0] if samples else (None, None)
    return isinstance(rows, np.ndarray) and all(
        np.shape(r) == np.shape(rows) and (w is None) == (weights is None) for r, w in samples
    )


def _one(rows, start: Mixture, target: Target, weights, tolerance: float) -> Ended:
    try:
        step, _, converged = climb(rows, start, target, weights, tolerance=tolerance)
    except np.linalg.LinAlgError:
        return Ended(None, False)
    return Ended(step.mixture, converged)
