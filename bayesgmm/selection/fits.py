"""Ends of climbs as `Fit` values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bayesgmm.fit.best import certainty, taken
from bayesgmm.fit.em import Posterior, climb
from bayesgmm.fit.result import Fit, Start
from bayesgmm.selection.sweep import Cell, Problem


def as_fit(cell: Cell, problem: Problem) -> Fit:
    """The best end of a cell; without the census of modes, which takes longer than the climbs."""
    best = cell.best
    mixture = best.mixture.permute(np.lexsort(best.mixture.means.T[::-1]))
    bayes = isinstance(cell.target, Posterior)
    return Fit(
        mixture=mixture,
        log_likelihood=best.log_likelihood,
        log_posterior=best.objective if bayes else None,
        n_parameters=cell.n_parameters(problem.table.n_features),
        estimator="MAP" if bayes else "MLE",
        coordinates=("weights", "means", "covariances") if bayes else (),
        converged=best.converged,
        history=np.array([best.objective]),
        starts=tuple(Start(e.objective, e.n_iter, e.converged, e.note, e.kind) for e in cell.ends),
        covariance_type=cell.family.alias,
        prior=cell.target.prior if bayes else None,
        degeneracy=best.degeneracy,
        **certainty(problem.table.rows, mixture, problem.weights),
    )


def polished(fit: Fit, cell: Cell, problem: Problem) -> Fit:
    """A fit climbed on until nothing is left to gain, with the census of all its cell's ends."""
    step, history, converged = climb(problem.table.rows, fit.mixture, cell.target, problem.weights)
    end = cell.best._replace(mixture=step.mixture, objective=step.objective, log_likelihood=step.log_likelihood)
    ends = [end if e is cell.best else _diagnosed(e, cell, problem) for e in cell.ends]
    return replace(
        fit,
        mixture=step.mixture,
        log_likelihood=step.log_likelihood,
        log_posterior=None if fit.log_posterior is None else step.objective,
        history=np.array(history),
        converged=converged,
        **taken(ends, problem.whole, fit.n_parameters),
        **certainty(problem.table.rows, step.mixture, problem.weights),
    )


def _diagnosed(end, cell, problem):
    if end.mixture is None or end.degeneracy is not None:
        return end
    wrong = problem.diagnose(end.mixture, cell.target)
    return end if wrong is None else end._replace(degeneracy=wrong, note=wrong.text)
