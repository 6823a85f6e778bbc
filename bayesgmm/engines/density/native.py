"""`Density`: a story's whole log density and gradient on the unconstrained scale, as one native function."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bayesgmm.engines.density import conjugate
from bayesgmm.families import Diagonal, Family, Full, Spherical, Tied
from bayesgmm.kernel.evaluate import address
from bayesgmm.kernel.incomplete import Incomplete
from bayesgmm.kernel.library import address as address_of
from bayesgmm.kernel.library import function
from bayesgmm.mixture import Mixture
from bayesgmm.priors import Conjugate


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
    form : module
        The file of the prior in this folder.
    prior : Prior
        With its constants in data units.
    layout : Layout
    rows : ndarray (N, D) or Incomplete
    case_weights : ndarray (N,), optional
    """

    def __init__(self, form, prior, layout: Layout, rows, case_weights=None):
        self.form, self.prior, self.layout, self.n_obs = form, prior, layout, len(rows)
        rows = rows if isinstance(rows, Incomplete) else Incomplete.of(rows)
        self._routine, self._call = form.ROUTINE, function(form.ROUTINE)
        weights = None if case_weights is None else np.ascontiguousarray(case_weights[rows.order], dtype=float)
        constants = np.ascontiguousarray(form.constants(prior, layout), dtype=float)
        arrays = [rows.cells, rows.offsets, rows.starts, rows.features]
        self._kept = *arrays, weights, constants
        width = layout.n_features if layout.is_dense else 1
        sizes = len(rows.features), layout.n_features, layout.n_components, layout.n_blocks, width
        given = (0, 0) if weights is None else (address(weights), len(weights))
        self._problem = np.array([*map(address, arrays), *sizes, *given, address(constants), len(constants)])

    @property
    def size(self) -> int:
        """p, the length of u."""
        return self.layout.size

    def variables(self, u) -> dict[str, np.ndarray]:
        """The story's free variables and ``covariances`` at points u (…, p)."""
        return self.form.variables(u, self.prior, self.layout)

    def place(self, mixture: Mixture) -> np.ndarray:
        """The u (p,) of a mixture of the family whose weights are all positive."""
        return self.form.place(mixture, self.prior, self.layout)

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


_FORMS = {Conjugate: conjugate}


def density_of(model) -> Density | None:
    """The native density of a story, or None where nothing vouches that it would be the model's own."""
    from bayesgmm.ppl.declaration import declaration
    from bayesgmm.ppl.observed import observed_mixture

    known = declaration(model)
    if known is None or type(known.prior) not in _FORMS:
        return None
    observed = observed_mixture(model)
    layout = Layout.of(known.family, observed.n_components, observed.x.shape[1])
    return Density(_FORMS[type(known.prior)], known.prior, layout, observed.rows, observed.case_weights)
