"""Constants of a prior of components, where it leaves them to the data: from the ranges of the features, free of K."""

from __future__ import annotations

import numpy as np

from bayesgmm.families import Diagonal, Family, Full, Spherical
from bayesgmm.fit import scale_prior
from bayesgmm.priors import Conjugate, Hierarchical, Independent, Prior
from bayesgmm.priors import prior as prior_of


def scaled(prior, table, family: Family) -> Prior:
    """The prior of one component, every constant a number.

    Raises
    ------
    ValueError
        If its default constants depend on K, if nothing can draw from it given labels, or if it has a concentration.
    """
    prior = prior_of(prior)
    if not isinstance(prior, Conjugate | Independent | Hierarchical):
        raise ValueError(
            f"components of unknown number are drawn from closed forms, and {type(prior).__name__} has none; use "
            "prior='hierarchical' or 'independent', or a Conjugate of your own constants"
        )
    if not isinstance(family, Full | Diagonal | Spherical):
        raise ValueError(
            f"covariance_type {family.alias!r} ties components together, or has no closed form given labels; use "
            "'full', 'diag' or 'spherical' where their number is not known"
        )
    if np.ndim(prior.concentration) or prior.concentration != 1.0:
        raise ValueError("the concentration is an argument of sample_components here: leave it out of the prior")
    if isinstance(prior, Conjugate) and not prior.is_scaled:
        raise ValueError(
            "the constants that data give a conjugate prior depend on K: name mean, shrinkage, dof and scale, or use "
            "prior='hierarchical' or 'independent', whose constants come from the ranges of the features"
        )
    if isinstance(prior, Independent) and not prior.is_scaled:
        prior = _independent(prior, table, family)
    return scale_prior(prior, table, 1)


def _independent(prior: Independent, table, family: Family) -> Independent:
    """`Hierarchical` with C₀ at its prior mean, wherever a constant was left out."""
    wide = scale_prior(Hierarchical(), table, 1)
    given = wide.given(wide.rate_shape * np.linalg.inv(wide.rate_rate_of(family)))
    return prior.with_constants(1, **{name: getattr(given, name) for name in Independent.DIMS})
