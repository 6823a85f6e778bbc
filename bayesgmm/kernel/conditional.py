"""What the observed features of a row say about the missing ones."""

from __future__ import annotations

import numpy as np

from bayesgmm.kernel.incomplete import Incomplete


def regression(scale_trils: np.ndarray, observed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How the missing features of a Gaussian follow from those observed: slopes (K, M, O) and roots (K, M, D).

    x_m = μ_m + slope (x_o − μ_o) + root ε, ε ~ N(0, I). From L[o, :] = L_oo Q_o: slope = L[m, :] Q_oᵀ L_oo⁻¹ and
    root = L[m, :] (I − Q_oᵀ Q_o); no covariance is inverted.

    Examples
    --------
    >>> import numpy as np
    >>> slopes, roots = regression(np.linalg.cholesky([[[1.0, 0.5], [0.5, 1.0]]]), np.array([True, False]))
    >>> slopes.ravel(), (roots @ roots.mT).ravel()
    (array([0.5]), array([0.75]))
    """
    rest = scale_trils[:, ~observed]
    turns, factors = np.linalg.qr(scale_trils[:, observed].mT)  # (K, D, O), and L_ooᵀ
    along = rest @ turns
    return np.linalg.solve(factors, along.mT).mT, rest - along @ turns.mT


def complete(x: Incomplete, mean: np.ndarray, scale_tril: np.ndarray) -> np.ndarray:
    """Rows (N, D) whose missing cells are their conditional means under one Gaussian."""
    filled = np.empty(x.shape)
    for rows, have, cells in x.blocks():
        slopes, _ = regression(scale_tril[None], have)
        filled[np.ix_(rows, have)] = cells
        filled[np.ix_(rows, ~have)] = mean[~have] + (cells - mean[have]) @ slopes[0].T
    return filled
