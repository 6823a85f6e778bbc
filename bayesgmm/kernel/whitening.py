"""`Whitening`: the factors L_k of Σ_k = L_k L_kᵀ, as a value that knows its structure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Whitening:
    """How each component turns x into z = L_k⁻¹ (x − μ_k), whose squared length is the Mahalanobis distance.

    Parameters
    ----------
    factors : ndarray (F, D, D) or (F, D)
        Lower triangular factors with a positive diagonal, or the diagonals of diagonal ones, in data units; one for
        each component, or F = 1 that all of them share.

        Diagonal factors cost O(D) a point instead of O(D²), and statistics made with them leave the scatters'
        off-diagonal elements at zero. So only a family that never asks for those makes them.

    Examples
    --------
    >>> import numpy as np
    >>> Whitening.of(np.array([np.eye(2), 3 * np.eye(2)])).factors.shape
    (2, 2, 2)
    >>> Whitening.of(np.array([np.eye(2), np.eye(2)])).factors.shape
    (1, 2, 2)
    >>> Whitening.of(np.array([[1.0, 2.0], [3.0, 4.0]])).scale_trils[1].tolist()
    [[3.0, 0.0], [0.0, 4.0]]
    """

    factors: np.ndarray

    @classmethod
    def of(cls, factors: np.ndarray) -> Whitening:
        """Keep factors (K, D, D), or their diagonals (K, D), once if all of them are exactly equal."""
        factors = np.ascontiguousarray(factors, dtype=float)
        if len(factors) > 1 and factors[1:].tobytes() == factors[:-1].tobytes():
            factors = factors[:1]
        return cls(factors)

    @property
    def is_diagonal(self) -> bool:
        """The factors are diagonal, and stored as their diagonals."""
        return self.factors.ndim == 2

    @property
    def scale_trils(self) -> np.ndarray:
        """The factors as matrices (F, D, D)."""
        return self.factors[:, :, None] * np.eye(self.factors.shape[1]) if self.is_diagonal else self.factors

    def permute(self, order: np.ndarray) -> Whitening:
        """The same for components in another order."""
        return self if len(self.factors) == 1 else Whitening(self.factors[order])
