"""EM from one mixture, many times over: the refits of a bootstrap, of a jackknife, or of parts of the rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bayesgmm.fit.compiled import climb_compiled, refit_compiled
from bayesgmm.fit.em import Likelihood, Target, climb
from bayesgmm.kernel import Stats
from bayesgmm.mixture import Mixture

# Of a refit.
_MOST_STEPS = 500


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
    found = refit_compiled(samples, start, target, tolerance, _MOST_STEPS) if _are_alike(samples) else []
    if not found:
        return [_one(rows, start, target, weights, tolerance) for rows, weights in samples]
    return [_ended(*end, start, sample, target, tolerance) for end, sample in zip(found, samples, strict=True)]


def _ended(mixture, converged, start, sample, target, tolerance) -> Ended:
    if converged or (mixture is None and isinstance(target, Likelihood)):
        return Ended(mixture, bool(converged))
    # Along a ridge; or a weight came to lie at 0, where a prior's mode may be.
    return _one(sample[0], mixture or start, target, sample[1], tolerance)


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
