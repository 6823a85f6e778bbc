"""A fit taken up again: the rows it is of, and what it climbed."""

from __future__ import annotations

from bayesgmm.data import DataError, Table, as_table
from bayesgmm.families import family
from bayesgmm.fit.em import Likelihood, Posterior, Target
from bayesgmm.fit.result import Fit
from bayesgmm.fit.scaling import counted
from bayesgmm.kernel import e_step

# How far a log-likelihood may be off, per row or of itself, by the order in which rows were added up.
_CLOSE = 1e-6


def target_of(fit: Fit, verb: str) -> Target:
    """What a fit climbed; a sentence, with the name of the function that asks, where it is not known."""
    if fit.covariance_type is None or (fit.estimator == "MAP" and fit.prior is None):
        raise ValueError(
            f"{verb} needs a fit by maximum likelihood, or under a prior with a closed-form M-step (fit_mle with "
            "prior=…, fit_map of such a story), and this mode was climbed on the density of its story; "
            'bg.sample(model, engine="laplace") has the curvature there'
        )
    kind = family(fit.covariance_type)
    return Likelihood(kind, fit.features) if fit.prior is None else Posterior(kind, fit.features, fit.prior)


def rows_of(fit: Fit, x, case_weights=None) -> tuple[Table, object]:
    """The rows of a fit that count, and their frequencies.

    Raises
    ------
    DataError
        If x cannot be used, or the fit's log-likelihood is not that of these rows.
    """
    table = as_table(x, features=fit.features, fitting=True, keep=True, missing="marginalise")
    table, weights = counted(table, case_weights)
    found = e_step(table.rows, fit.mixture, weights, pointwise=False, single=False)[0]
    if not abs(found - fit.log_likelihood) <= _CLOSE * (abs(fit.log_likelihood) + fit.n_obs):
        raise DataError(
            f"the fit has a log-likelihood of {fit.log_likelihood:.6g}, and x has {found:.6g} under it: give the rows, "
            "and the case_weights, that it was fitted to"
        )
    return table, weights
