"""When a Wald interval is not to be trusted, and of which component."""

from __future__ import annotations

import numpy as np

from bayesgmm.fit.result import Fit
from bayesgmm.mixture import Mixture

# Two unit normals of equal weight, N = 200 and 1000: at a separation of 2, 73 to 90 % of the 95 % intervals hold the
# truth, at 2.5, 85 to 94 %, from 3 on, 91 % and more.
SEPARATION = 3.0
# Rows for each of a component's own means and variances: of 30, a variance's 95 % intervals hold 90 %.
FEW = 30.0


def separations(mixture: Mixture) -> np.ndarray:
    """Mahalanobis distances (K, K) of means, in the average of the two covariances.

    Examples
    --------
    >>> separations(Mixture([0.5, 0.5], [[0.0], [6.0]], [[[4.0]], [[4.0]]]))
    array([[0., 3.],
           [3., 0.]])
    """
    middle = 0.5 * (mixture.covariances[:, None] + mixture.covariances)
    gap = (mixture.means[:, None] - mixture.means)[..., None]
    return np.sqrt((gap * np.linalg.solve(middle, gap)).sum(axis=(2, 3)))


def doubts(fit: Fit, weight_errors: np.ndarray, undetermined: dict[int, bool], ci_prob: float):
    """Of each component, why its intervals are not to be trusted."""
    from scipy.special import ndtri

    mixture, z = fit.mixture, ndtri(0.5 + 0.5 * ci_prob)
    apart = separations(mixture) + np.diag(np.full(mixture.n_components, np.inf))
    found = []
    for k, weight in enumerate(mixture.weights):
        why, rows, margin = [], weight * fit.n_obs, z * weight_errors[k]
        if k in undetermined:
            why.append("the fit is no maximum" if undetermined[k] else "not determined by the rows")
        if not fit.converged:
            why.append("the fit has not converged")
        if mixture.n_components > 1 and not margin < weight < 1 - margin:
            why.append("weight near its boundary")
        if rows < FEW:
            why.append(f"about {rows:.1f} rows")
        close = np.flatnonzero(apart[k] < SEPARATION)
        why += [f"overlaps component {j} ({apart[k, j]:.2g} sd)" for j in close]
        found.append(tuple(why))
    return tuple(found)
