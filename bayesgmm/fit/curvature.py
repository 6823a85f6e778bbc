"""The curvature of a log posterior density where there are many rows: one pass over them, not two a variable."""

from __future__ import annotations

import numpy as np

from bayesgmm.fit.mode import hessian
from bayesgmm.kernel import information


def observed_curvature(surface, u) -> np.ndarray:
    """Minus the second derivatives (p, p) at u of the log posterior density of a `Surface`, its Jacobian included.

    By Louis (1982) they are those of Q(θ(u); S) + log prior at fixed statistics, which no rows are needed for, less
    the missing information, which `kernel.information` counts in the mixture's own coordinates. Rows must be complete.
    """
    mixture = surface.mixture(u)
    stats = surface.e_step(mixture)[1]
    complete = -hessian(lambda v: surface.expected(v, stats, jacobian=True), u)
    slopes = _slopes(surface, mixture, u)
    missing = information(surface.rows, mixture, surface.observed.case_weights).missing
    return complete - slopes.T @ missing @ slopes


def _slopes(surface, mixture, u) -> np.ndarray:
    """How the coordinates of `kernel.Information` move with u, by central differences."""
    k, d = mixture.n_components, mixture.n_features
    inverse = np.linalg.inv(np.broadcast_to(mixture.scale_trils, (k, d, d)))
    entries = (np.arange(d),) * 2 if mixture.whitening.is_diagonal else np.tril_indices(d)
    steps, columns = np.cbrt(np.finfo(float).eps) * np.maximum(1.0, np.abs(u)), []
    for step, e in zip(steps, np.eye(len(u)), strict=True):
        # In units of the step that was made, which rounding has changed a little.
        ahead, behind = u + step * e, u - step * e
        (w1, m1, f1), (w0, m0, f0) = (surface.parameters(v) for v in (ahead, behind))
        shifts = np.log(w1) - np.log(w0)
        moved = np.matmul(inverse, np.concatenate([(m1 - m0)[:, :, None], f1 - f0], axis=2))
        column = np.concatenate([shifts, moved[:, :, 0].ravel(), moved[:, entries[0], 1 + entries[1]].ravel()])
        columns.append(column / (ahead - behind).sum())
    return np.array(columns).T
