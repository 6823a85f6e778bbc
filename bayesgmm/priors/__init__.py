"""Priors as values: constants in data units, log densities, draws, and the closed-form updates that some allow.

One file a prior. `base` is what all of them do; `positive` has distributions of single positive numbers, for standard
deviations and for the concentration of the weights; `weights` is the Dirichlet prior that all priors share.
"""

from __future__ import annotations

from bayesgmm.priors.base import Prior
from bayesgmm.priors.conjugate import Conjugate
from bayesgmm.priors.hierarchical import Hierarchical
from bayesgmm.priors.independent import Independent
from bayesgmm.priors.lkj import LKJ
from bayesgmm.priors.positive import Gamma, HalfNormal, HalfStudentT, InverseGamma, LogNormal

__all__ = ["LKJ", "Conjugate", "Gamma", "HalfNormal", "HalfStudentT", "Hierarchical", "Independent", "InverseGamma",
           "LogNormal", "Prior", "prior"]  # fmt: skip

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
