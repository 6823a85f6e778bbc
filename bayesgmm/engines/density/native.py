"""`Density`: a story's whole log density and gradient on the unconstrained scale, as one native function."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bayesgmm.engines.density import conjugate, hierarchical, independent, lkj
from bayesgmm.families import Diagonal, Family, Full, Spherical, Tied
from bayesgmm.kernel.evaluate import address
from bayesgmm.kernel.incomplete import Incomplete
from bayesgmm.kernel.library import address as address_of
from bayesgmm.kernel.library import function
from bayesgmm.mixture import Mixture
from bayesgmm.priors import LKJ, Conjugate, Gamma, Hierarchical, Independent


class Layout(NamedTuple):
    """How a story's mixture lies in the vector u: concentration, weights, what is above the covariances, they, means.

    Each of ``n_blocks`` covariances has ``n_variables`` numbers in u; K or one of them.
    """

    family: Family
    n_components: int
    n_features: int
    has_concentration: bool = False
    has_hyper: bool = False  # as many numbers as one covariance

    @property
    def n_blocks(self) -> int:
        """K, or 1 where all covariances are one."""
        return 1 if isinstance(self.family, Tied) else self.n_components

    @property
    def n_variables(self) -> int:
        """Numbers of one covariance."""
        match self.family:
            case Diagonal():
                return self.n_features
            case Spherical():
                return 1
        return self.n_features * (self.n_features + 1) // 2

    @property
    def is_dense(self) -> bool:
        """Whether covariances have correlations."""
        return isinstance(self.family, Full | Tied)

    @property
    def is_spherical(self) -> bool:
        """Whether a covariance is a single number."""
        return isinstance(self.family, Spherical)

    @property
    def _ends(self) -> tuple[int, int, int]:
        """Where the weights end, what is above the covariances, and these."""
        first = self.n_components - 1 + self.has_concentration
        middle = first + self.has_hyper * self.n_variables
        return first, middle, middle + self.n_blocks * self.n_variables

    @property
    def size(self) -> int:
        """p, the length of u."""
        return self._ends[2] + self.n_components * self.n_features

    def split(self, u) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The parts of u (…, p): of the weights (…, K−1), the covariances (…, F, V) and the means (…, K, D)."""
        (first, middle, last), lead = self._ends, u.shape[:-1]
        blocks = u[..., middle:last].reshape(*lead, self.n_blocks, self.n_variables)
        means = u[..., last:].reshape(*lead, self.n_components, self.n_features)
        return u[..., first - self.n_components + 1 : first], blocks, means

    def hyper(self, u) -> np.ndarray:
        """The part of u (…, p) that is above the covariances (…, V)."""
        first, middle, _ = self._ends
        return u[..., first:middle]


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


_FORMS = {Conjugate: conjugate, Independent: independent, Hierarchical: hierarchical, LKJ: lkj}


def density_of(model) -> Density | None:
    """The native density of a story, or None where nothing vouches that it would be the model's own."""
    from bayesgmm.ppl.declaration import declaration
    from bayesgmm.ppl.observed import observed_mixture

    known = declaration(model)
    if known is None or type(known.prior) not in _FORMS:
        return None
    observed, form = observed_mixture(model), _FORMS[type(known.prior)]
    extras = isinstance(known.prior.concentration, Gamma), hasattr(form, "HAS_HYPER")
    layout = Layout(known.family, observed.n_components, observed.x.shape[1], *extras)
    return Density(form, known.prior, layout, observed.rows, observed.case_weights)
