"""`Whitening`: the lower triangular factors L_k of Σ_k = L_k L_kᵀ, as a value that knows its structure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_LOG_2PI = float(np.log(2 * np.pi))


@dataclass(frozen=True, eq=False)
class Whitening:
    """How each component turns x into z = L_k⁻¹ (x − μ_k), whose squared length is the Mahalanobis distance.

    Parameters
    ----------
    factors : ndarray (K, D, D), or (1, D, D) when all components share one
        Lower triangular, with a positive diagonal, in data units.
    diagonal : bool
        Nothing but the diagonal is read, a point costs O(D) instead of O(D²), and statistics made with it leave
        the scatters' off-diagonal elements at zero. So only a family that never asks for them says True.

    Examples
    --------
    >>> import numpy as np
    >>> Whitening.of(np.array([np.eye(2), 3 * np.eye(2)])).factors.shape
    (2, 2, 2)
    >>> Whitening.of(np.array([np.eye(2), np.eye(2)])).factors.shape
    (1, 2, 2)
    """

    factors: np.ndarray
    diagonal: bool = False

    @classmethod
    def of(cls, scale_trils: np.ndarray, *, diagonal: bool = False) -> Whitening:
        """Keep ``scale_trils`` (K, D, D) once if all of them are exactly equal."""
        factors = np.ascontiguousarray(scale_trils, dtype=float)
        if len(factors) > 1 and (factors == factors[:1]).all():
            factors = factors[:1]
        return cls(factors, diagonal)

    def log_normalisers(self) -> np.ndarray:
        """−½ log|2πΣ_k| of each stored factor: (K,), or (1,) when shared."""
        diagonals = np.diagonal(self.factors, axis1=-2, axis2=-1)
        return -np.log(diagonals).sum(axis=-1) - 0.5 * diagonals.shape[-1] * _LOG_2PI
