"""The generative stories: functions that return a `pymc.Model`, one story a file."""

import bayesgmm as bg

from .counts import poisson_mixture
from .factors import factor_mixture
from .finite import conjugate_mixture
from .heavy import student_mixture
from .hierarchical import hierarchical_mixture
from .independent import independent_mixture
from .lkj import lkj_mixture
from .sparse import sparse_mixture
from .sticks import stick_breaking_mixture

__all__ = [
    "conjugate_mixture",
    "factor_mixture",
    "finite_mixture",
    "hierarchical_mixture",
    "independent_mixture",
    "lkj_mixture",
    "poisson_mixture",
    "sparse_mixture",
    "stick_breaking_mixture",
    "student_mixture",
]

_TOLD_BY = {
    bg.priors.Conjugate: conjugate_mixture,
    bg.priors.Independent: independent_mixture,
    bg.priors.Hierarchical: hierarchical_mixture,
    bg.priors.LKJ: lkj_mixture,
}


def finite_mixture(x, n_components, *, prior="conjugate", covariance_type="full", case_weights=None, missing="raise"):
    """Tell the story of K Gaussians, K known, as a PyMC model; its prior decides which file tells it.

    Parameters
    ----------
    x : array, frame or file (N, D)
        The rows, in data units; every feature numeric, none constant.
    n_components : int
        K.
    covariance_type : {"full", "tied", "diag", "spherical"}
        How Σ_k may be built: one of the four that have a prior to sample from.
    prior : {"conjugate", "independent", "hierarchical", "lkj"} or Prior
        A name, or a value of `bayesgmm.priors`, which leads to its story: ``finite.py``, ``independent.py``,
        ``hierarchical.py``, ``lkj.py``. Constants that it leaves out are scaled by the data
        (`bayesgmm.scale_prior`).
    case_weights : array (N,), optional
        Non-negative frequencies: a weight of 2 counts a row twice.
    missing : {"raise", "marginalise"}
        Missing cells (NaN) are an error, or taken to be missing at random and summed out.

    Returns
    -------
    pymc.Model
        With ``weights``, ``means``, ``covariances`` and the observed ``x``; dims ``component``, ``feature``, ``obs``.

    Raises
    ------
    ValueError
        If the data cannot be fitted, or an argument is not known; the message says which and what to do.

    References
    ----------
    Gelman et al. (2013), chapter 22, for the model; the priors' own are with them.

    Examples
    --------
    >>> import bayesgmm as bg
    >>> model = finite_mixture(bg.load_dataset("faithful"), 2)
    >>> [v.name for v in model.free_RVs]
    ['weights', 'covariances', 'means']
    >>> model = finite_mixture(bg.load_dataset("faithful"), 2, prior=bg.priors.LKJ(eta=4))
    >>> [v.name for v in model.free_RVs]
    ['weights', 'scales', 'correlations', 'means']
    """
    prior = bg.prior(prior)
    tell = _TOLD_BY[type(prior)]
    return tell(
        x, n_components, covariance_type=covariance_type, prior=prior, case_weights=case_weights, missing=missing
    )
