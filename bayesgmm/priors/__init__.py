"""Priors as values: constants in data units, log densities, draws, and the closed-form updates that some allow.

One file a prior. `base` is what all of them do; `positive` has distributions of single positive numbers, for standard
deviations and for the concentration of the weights; `weights` is the Dirichlet prior that all priors share. `counts`
has distributions of a number of components that is not known, and `fractions` that of a Pitman-Yor process's discount.
"""

from __future__ import annotations

from bayesgmm.priors.base import Prior
from bayesgmm.priors.conjugate import Conjugate
from bayesgmm.priors.counts import BetaNegativeBinomial, Count, Geometric, Poisson, Uniform
from bayesgmm.priors.fractions import Beta
from bayesgmm.priors.hierarchical import Hierarchical
from bayesgmm.priors.independent import Independent
from bayesgmm.priors.lkj import LKJ
from bayesgmm.priors.positive import F, Gamma, HalfNormal, HalfStudentT, InverseGamma, LogNormal

__all__ = ["LKJ", "Beta", "BetaNegativeBinomial", "Conjugate", "Count", "F", "Gamma", "Geometric", "HalfNormal",
           "HalfStudentT", "Hierarchical", "Independent", "InverseGamma", "LogNormal", "Poisson", "Prior", "Uniform",
           "prior"]  # fmt: skip

_NAMED = {"conjugate": Conjugate, "independent": Independent, "hierarchical": Hierarchical, "lkj": LKJ}


def prior(spec) -> Prior:
    """Look a prior up by name; a prior is returned as it is.

    Raises
    ------
    ValueError
        If there is no such prior.

    Examples
    --------
    >>> prior("conjugate").concentration
    1.0
    """
    if isinstance(spec, Prior):
        return spec
    if isinstance(spec, str) and spec in _NAMED:
        return _NAMED[spec]()
    names = ", ".join(repr(name) for name in _NAMED)
    raise ValueError(f"prior {spec!r} is not known; use {names}, or a value such as bayesgmm.priors.Conjugate(...)")
