"""`Density`: a story's whole log density and gradient on the unconstrained scale, as one native function."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bayesgmm.families import Diagonal, Family, Full, Spherical, Tied
from bayesgmm.kernel.evaluate import address
from bayesgmm.kernel.library import Routine, function
from bayesgmm.kernel.library import address as address_of


class Layout(NamedTuple):
    """How a family's mixture lies in the vector u, and in memory.

    Each of ``n_blocks`` covariances has ``n_variables`` numbers in u; K or one of them.
    """

    n_components: int
    n_features: int
    n_blocks: int
    n_variables: int
    is_dense: bool
    name: str  # of the free variable that they are
    shape: tuple[int, ...]  # and its own

    @classmethod
    def of(cls, family: Family, n_components: int, n_features: int) -> Layout:
        """The layout of ``models/finite.py``."""
        k, d = n_components, n_features
        match family:
            case Full():
                return cls(k, d, k, d * (d + 1) // 2, True, "covariances", (k, d, d))
            case Tied():
                return cls(k, d, 1, d * (d + 1) // 2, True, "covariance", (d, d))
            case Diagonal():
                return cls(k, d, k, d, False, "variances", (k, d))
            case Spherical():
                return cls(k, d, k, 1, False, "variances", (k,))

    @property
    def size(self) -> int:
        """p, the length of u."""
        return self.n_components - 1 + self.n_blocks * self.n_variables + self.n_components * self.n_features

    def split(self, u) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The parts of u (…, p): of the weights (…, K−1), the covariances (…, F, V) and the means (…, K, D)."""
        k, d, lead = self.n_components, self.n_features, u.shape[:-1]
        first, last = k - 1, u.shape[-1] - k * d
        middle = u[..., first:last].reshape(*lead, self.n_blocks, self.n_variables)
        return u[..., :first], middle, u[..., last:].reshape(*lead, k, d)


class Density:
    """log p(u, x) and its gradient, u unconstrained, as NUTS and mode searches see it.

    Parameters
    ----------
    routine : Routine
        The prior's compiled code.
    constants : ndarray
        The prior's constants, as that code reads them.
    layout : Layout
    rows : Incomplete
        The data, complete or not.
    case_weights : ndarray (N,), optional
    """

    def __init__(self, routine: Routine, constants, layout: Layout, rows, case_weights=None):
        self.layout, self._routine, self._call = layout, routine, function(routine)
        weights = None if case_weights is None else np.ascontiguousarray(case_weights[rows.order], dtype=float)
        arrays = [rows.cells, rows.offsets, rows.starts, rows.features]
        self._kept = *arrays, weights, np.ascontiguousarray(constants, dtype=float)
        width = layout.n_features if layout.is_dense else 1
        sizes = layout.n_features, layout.n_components, layout.n_blocks, width
        given = (0, 0) if weights is None else (address(weights), len(weights))
        self._problem = np.array([*map(address, arrays), len(rows.features), *sizes, *given, address(self._kept[-1]),
                                  len(constants)], dtype=np.int64)  # fmt: skip

    @property
    def size(self) -> int:
        """p, the length of u."""
        return self.layout.size

    @property
    def pointer(self) -> tuple[int, int]:
        """Addresses of the C function (p, u, gradient, value, problem) and of its problem, valid while this lives."""
        return address_of(self._routine), address(self._problem)

    def __call__(self, u) -> tuple[float, np.ndarray]:
        """Log density at u (p,) and gradient (p,); −inf and zeros where u overflows."""
        u = np.ascontiguousarray(u, dtype=float)
        gradient, value = np.empty(self.size), np.empty(1)
        if self._call(self.size, address(u), address(gradient), address(value), address(self._problem)):
            return -np.inf, np.zeros(self.size)
        return float(value[0]), gradient

