"""The moments of all rows together, without a copy of them."""

from __future__ import annotations

import numpy as np

from bayesgmm.data import DataError
from bayesgmm.kernel import Incomplete, Stats, e_step
from bayesgmm.mixture import Mixture

_GLANCE = 1000
_DEPENDENT = (
    "the features are linearly dependent where they are observed together, or hardly are, so missing cells cannot be "
    "summed out: drop a feature that the others determine, or use complete rows"
)


def moments(x: np.ndarray | Incomplete, case_weights=None) -> Stats:
    """(N, x̄, S) of all rows, as one component's: one pass, exact wherever the origin and whatever the units.

    Where cells are missing they are the expected ones under the one Gaussian that is most likely, found by EM. Raises
    LinAlgError where there is none.
    """
    if isinstance(x, Incomplete):
        return _expected_moments(x, case_weights)
    # Some of the rows give a centre and units in which nothing cancels.
    some = np.asarray(x[:: max(1, len(x) // _GLANCE)], dtype=float)
    sds = some.std(axis=0)
    covariance = np.diag(np.where(sds > 0, sds, 1.0) ** 2)
    return e_step(x, Mixture([1.0], some.mean(axis=0)[None], covariance[None]), case_weights, pointwise=False,
                  single=False)[1]  # fmt: skip


def _expected_moments(x: Incomplete, case_weights) -> Stats:
    from bayesgmm.families import Full
    from bayesgmm.fit.em import Likelihood, climb

    apart = Mixture([1.0], *_observed_moments(x))
    try:
        last, _, _ = climb(x, apart, Likelihood(Full(), apart.features), case_weights)
    except np.linalg.LinAlgError:
        raise DataError(_DEPENDENT) from None
    return last.stats


def _observed_moments(x: Incomplete) -> tuple[np.ndarray, np.ndarray]:
    """Mean (1, D) and diagonal covariance (1, D, D) of the cells that are there."""
    values = x.to_array()
    variances = np.nanvar(values, axis=0)
    return np.nanmean(values, axis=0)[None], np.diag(np.where(variances > 0, variances, 1.0))[None]
