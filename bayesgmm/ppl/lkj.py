"""`LKJCorrelation`: a batched distribution of correlation matrices, with coordinates in which NUTS moves easily."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions.distribution import SymbolicRandomVariable
from pymc.distributions.shape_utils import rv_size_is_none
from pymc.distributions.transforms import _default_transform
from pymc.logprob.transforms import Transform
from pymc.pytensorf import normalize_rng_param
from pytensor.tensor.basic import get_underlying_scalar_constant_value
from pytensor.tensor.random.basic import beta, normal
from pytensor.tensor.random.utils import normalize_size_param

from bayesgmm.ppl.padding import unpadded
from bayesgmm.priors.lkj import log_lkj_constant


def _size_of(n) -> int:
    return int(get_underlying_scalar_constant_value(n))


def _rows(u, n):
    """The lower triangular matrix (…, D, D) with u row by row below a diagonal of ones."""
    lead = [u.shape[i] for i in range(u.ndim - 1)]
    matrix = pt.zeros((*lead, n, n)) + np.eye(n)
    rows, columns = np.tril_indices(n, -1)
    return pt.set_subtensor(matrix[..., rows, columns], u) if n > 1 else matrix


def _squared(factor):
    return pt.matmul(factor, factor.swapaxes(-1, -2))


class LKJCorrelationRV(SymbolicRandomVariable):
    """R = L Lᵀ, row by row of L: a direction at random, and a squared length from a beta distribution."""

    extended_signature = "[rng],[size],(),()->[rng],(d,d)"
    _print_name = ("LKJCorrelation", "\\operatorname{LKJCorrelation}")

    @classmethod
    def rv_op(cls, n, eta, *, rng=None, size=None):
        """Build the random graph."""
        n, eta = pt.as_tensor_variable(n), pt.as_tensor_variable(eta)
        rng, size = normalize_rng_param(rng), normalize_size_param(size)
        d, batch = _size_of(n), () if rv_size_is_none(size) else tuple(size)
        # PyMC wants a generator that moves on, for a single feature too.
        state, _ = normal(0.0, 1.0, rng=rng, return_next_rng=True)
        factor = pt.zeros((*batch, d, d)) + np.eye(d)
        for i in range(1, d):
            state, squared = beta(0.5 * i, eta + 0.5 * (d - 1 - i), size=batch, rng=state, return_next_rng=True)
            state, direction = normal(0.0, 1.0, size=(*batch, i), rng=state, return_next_rng=True)
            length = pt.sqrt(squared / (direction**2).sum(axis=-1))
            factor = pt.set_subtensor(factor[..., i, :i], length[..., None] * direction)
            factor = pt.set_subtensor(factor[..., i, i], pt.sqrt(1.0 - squared))
        inputs = [rng, size, n, eta]
        return cls(inputs=inputs, outputs=[state, _squared(factor)], on_unused_input="ignore")(*inputs)


class CorrelationRows(Transform):
    """R ↔ u, what stands left of the diagonal of L = chol(R), row by row, over what stands on it."""

    name = "correlationrows"
    ndim_supp = 1

    def forward(self, value, rng, size, n, eta):
        """R -> u."""
        rows, columns = np.tril_indices(_size_of(n), -1)
        factor = pt.linalg.cholesky(value)
        return factor[..., rows, columns] / factor[..., rows, rows]

    def backward(self, value, rng, size, n, eta):
        """u -> R."""
        rows = _rows(value, _size_of(n))
        return _squared(rows / pt.sqrt((rows**2).sum(axis=-1, keepdims=True)))

    def log_jac_det(self, value, rng, size, n, eta):
        """log |dR/du| = (D + 1) Σ_i log L_ii."""
        d = _size_of(n)
        return -0.5 * (d + 1) * pt.log((_rows(value, d) ** 2).sum(axis=-1)).sum(axis=-1)


class LKJCorrelation(pm.Continuous):
    """R ~ LKJ(η) with density ∝ |R|^(η−1), over correlation matrices (D, D), batched by ``dims`` or ``shape``.

    Parameters
    ----------
    name : str
    n : int
        D ≥ 1.
    eta : float
        η > 0: 1 is the uniform distribution, more draws towards the identity.
    dims : (…, "feature", "feature_other")

    Notes
    -----
    The value is the correlation matrix itself, where that of `pymc.LKJCorr` is a factor of one. Samplers see it through
    `CorrelationRows`, in whose coordinates each row is a multivariate t without a correlation. D = 1 is allowed: R = 1.

    References
    ----------
    Lewandowski, Kurowicka & Joe (2009), whose onion method draws it.

    Examples
    --------
    >>> import numpy as np, pymc as pm
    >>> r = np.array([[1.0, 0.5], [0.5, 1.0]])
    >>> float(pm.logp(LKJCorrelation.dist(2, 1.0), r).eval().round(4))  # uniform on (−1, 1)
    -0.6931
    """

    rv_type = LKJCorrelationRV
    rv_op = LKJCorrelationRV.rv_op

    @classmethod
    def dist(cls, n, eta, **kwargs):
        """The distribution without a name or a model."""
        return super().dist([pt.as_tensor_variable(int(n)), pt.as_tensor_variable(np.asarray(eta, float))], **kwargs)

    def support_point(rv, size, n, eta):
        """The identity."""
        centre = pt.as_tensor_variable(np.eye(_size_of(n)))
        return centre if rv_size_is_none(size) else pt.broadcast_to(centre, (*size, *centre.type.shape))

    def logp(value, n, eta):
        """Log density, every constant included: one value a matrix."""
        eta, d = unpadded(eta, 0), _size_of(n)
        log_det = 2 * pt.log(pt.diagonal(pt.linalg.cholesky(value), axis1=-2, axis2=-1)).sum(axis=-1)
        return log_lkj_constant(_number(eta), d) + (eta - 1) * log_det


def _number(eta) -> float:
    return float(get_underlying_scalar_constant_value(eta))


@_default_transform.register(LKJCorrelationRV)
def _(op, rv):
    return CorrelationRows()
