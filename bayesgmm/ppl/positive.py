"""Variables from the values of `bayesgmm.priors`: positive numbers, and the concentration of the weights."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayesgmm.priors import Gamma, HalfNormal, HalfStudentT, InverseGamma, LogNormal
from bayesgmm.priors.positive import Positive


def positive(name: str, distribution: Positive, **kwargs):
    """A PyMC variable from a distribution of positive numbers; ``dims`` as for any other.

    Examples
    --------
    >>> import pymc as pm
    >>> with pm.Model() as model:
    ...     s = positive("s", LogNormal(median=2.0))
    >>> [v.name for v in model.free_RVs]
    ['s']
    """
    match distribution:
        case Gamma(shape, rate):
            return pm.Gamma(name, _double(shape), _double(rate), **kwargs)
        case LogNormal(median, sd):
            return pm.LogNormal(name, np.log(median), _double(sd), **kwargs)
        case InverseGamma(shape, scale):
            return pm.InverseGamma(name, _double(shape), _double(scale), **kwargs)
        case HalfNormal(scale):
            return pm.HalfNormal(name, _double(scale), **kwargs)
        case HalfStudentT(dof, scale):
            return pm.HalfStudentT(name, _double(dof), _double(scale), **kwargs)
    raise TypeError(f"{distribution!r} is no distribution of positive numbers from bayesgmm.priors")


def concentration(given, n_components: int):
    """α (K,) of the weights: as it is, or K times a variable ``concentration``, where it has a distribution.

    Examples
    --------
    >>> import pymc as pm
    >>> with pm.Model() as model:
    ...     alpha = concentration(Gamma(2.0, 4.0), 3)
    >>> [v.name for v in model.free_RVs], concentration(np.array([1.0, 2.0]), 2).tolist()
    (['concentration'], [1.0, 2.0])
    """
    if isinstance(given, Positive):
        return pt.ones(n_components) * positive("concentration", given)
    return given


def _double(value) -> np.ndarray:
    return np.asarray(value, dtype=float)  # PyTensor would take a plain 1.5 for a float32
