"""Ends of climbs as `Fit` values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bayesgmm.fit.em import Posterior, climb
from bayesgmm.fit.mle import certainty
from bayesgmm.fit.result import Fit, Start
from bayesgmm.selection.sweep import Cell, Problem


def as_fit(cell: Cell, problem: Problem) -> Fit:
    """The best end of a cell."""
    best = cell.best.climbed
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
        starts=tuple(Start(c.objective, c.n_iter, c.converged, c.note) for _, c in cell.ends),
        covariance_type=cell.family.alias,
        prior=cell.target.prior if bayes else None,
        **certainty(problem.table.rows, mixture, problem.weights),
    )


def polished(fit: Fit, cell: Cell, problem: Problem) -> Fit:
    """A fit climbed on until nothing is left to gain."""
    step, history, converged = climb(problem.table.rows, fit.mixture, cell.target, problem.weights)
    mixture = step.mixture
    return replace(
        fit,
        mixture=mixture,
        log_likelihood=step.log_likelihood,
        log_posterior=None if fit.log_posterior is None else step.objective,
        history=np.array(history),
        converged=converged,
        **certainty(problem.table.rows, mixture, problem.weights),
    )
