"""Cells as `Fit` values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bayesgmm.fit.best import certainty, taken
from bayesgmm.fit.census import End
from bayesgmm.fit.em import Posterior, climb
from bayesgmm.fit.result import Fit, Start
from bayesgmm.selection.ground import TOLERANCE, Summit
from bayesgmm.selection.sweep import Cell, Problem

# In the units of the climbs: what two climbs to one mode may differ by at their ends.
_NEAR = 0.02


def as_fit(cell: Cell, problem: Problem) -> Fit:
    """The best of a cell; without the census of modes, which takes longer than the climbs."""
    bayes, seen = isinstance(cell.target, Posterior), cell.seen
    posterior = seen.log_likelihood + cell.target.log_prior(seen.mixture)
    return Fit(
        mixture=seen.mixture,
        log_likelihood=seen.log_likelihood,
        log_posterior=posterior if bayes else None,
        n_parameters=cell.n_parameters(problem.ground.table.n_features),
        estimator="MAP" if bayes else "MLE",
        coordinates=("weights", "means", "covariances") if bayes else (),
        converged=cell.best.converged,
        history=np.array([posterior]),
        starts=tuple(Start(s.objective, s.n_iter, s.converged, s.note, s.kind) for s in cell.summits),
        covariance_type=cell.family.alias,
        prior=cell.target.prior if bayes else None,
        degeneracy=seen.degeneracy,
        **seen.certainty,
    )


def polished(fit: Fit, cell: Cell, problem: Problem) -> Fit:
    """A fit climbed on until nothing is left to gain, with the census of all its cell's climbs."""
    ground = problem.ground
    step, history, converged = climb(ground.table.rows, fit.mixture, cell.target, ground.weights)
    end = End(cell.best.kind, step.mixture, step.objective, step.log_likelihood, cell.best.n_iter, converged)
    ends = _ends(cell, end, problem)
    # Another end of the same mode may be a trifle higher.
    best = max((e for e in ends if e.mixture is not None and e.degeneracy is None), key=lambda e: e.objective)
    return replace(
        fit,
        mixture=best.mixture,
        log_likelihood=best.log_likelihood,
        log_posterior=None if fit.log_posterior is None else best.objective,
        history=np.array(history),
        converged=best.converged,
        **taken(ends, ground.whole, fit.n_parameters),
        **certainty(ground.table.rows, best.mixture, ground.weights),
    )


def _ends(cell: Cell, best: End, problem: Problem) -> list[End]:
    """Of each climb of a cell where it ended: those that came to one place have one mixture."""
    seen, ends = [(cell.best, best)], []
    for summit in cell.summits:
        there = next((end for other, end in seen if summit is other or _is_near(summit, other)), None)
        if there is None:
            there = _end(summit, cell, problem)
            seen.append((summit, there))
        ends.append(there._replace(kind=summit.kind, n_iter=summit.n_iter))
    return ends


def _is_near(one: Summit, other: Summit) -> bool:
    """As high, and every component about where the other has it."""
    if not (isinstance(one.place, tuple) and isinstance(other.place, tuple)):
        return False
    if abs(one.objective - other.objective) > TOLERANCE:
        return False
    with np.errstate(invalid="ignore"):  # of components without any weight, which are near to none
        return np.abs(_components(one) - _components(other)).max() < _NEAR


def _components(summit: Summit) -> np.ndarray:
    """log π, μ and factors, a row a component, in the order of their means."""
    log_weights, means, factors = summit.place
    factors = np.broadcast_to(factors, (len(means), *factors.shape[1:])).reshape(len(means), -1)
    return np.column_stack((log_weights, means, factors))[np.lexsort(means.T)]


def _end(summit: Summit, cell: Cell, problem: Problem) -> End:
    if summit.place is None:
        return End(summit.kind, None, np.nan, np.nan, summit.n_iter, False, summit.note)
    seen = problem.look(summit, cell.target)
    height = seen.log_likelihood + cell.target.log_prior(seen.mixture)
    note = seen.degeneracy.text if seen.degeneracy else ""
    return End(summit.kind, seen.mixture, height, seen.log_likelihood, summit.n_iter, summit.converged, note,
               degeneracy=seen.degeneracy)  # fmt: skip
