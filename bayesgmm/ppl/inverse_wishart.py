"""`InverseWishart`: a batched distribution of covariances, with coordinates in which NUTS moves easily."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions.distribution import SymbolicRandomVariable
from pymc.distributions.shape_utils import rv_size_is_none
from pymc.distributions.transforms import _default_transform
from pymc.logprob.transforms import Transform
from pymc.pytensorf import normalize_rng_param
from pytensor.tensor.random.utils import normalize_size_param

from bayesgmm.ppl.padding import unpadded
from bayesgmm.ppl.triangular import bartlett, n_features, packed, places, squared, unpacked


def _factor(base, a):
    """L = L₀ A⁻¹: the covariance's factor, A lower triangular (…, D, D)."""
    right = pt.broadcast_to(base.T, a.shape) if a.ndim > 2 else base.T
    return pt.linalg.solve_triangular(a, right, lower=True, trans=1, b_ndim=2).swapaxes(-1, -2)


class InverseWishartRV(SymbolicRandomVariable):
    """Σ = L Lᵀ, L = chol(Ψ) A⁻¹, by Bartlett's decomposition: A_ii² ~ χ²(ν − D + i), A_ij ~ N(0, 1)."""

    extended_signature = "[rng],[size],(),(d,d)->[rng],(d,d)"
    _print_name = ("InverseWishart", "\\operatorname{InverseWishart}")

    @classmethod
    def rv_op(cls, dof, scale, *, rng=None, size=None):
        """Build the random graph."""
        dof, scale = pt.as_tensor_variable(dof), pt.as_tensor_variable(scale)
        rng, size = normalize_rng_param(rng), normalize_size_param(size)
        d = n_features(scale, "InverseWishart")
        a, final_rng = bartlett(dof - d + 1 + np.arange(d), d, rng, size)
        inputs = [rng, size, dof, scale]
        return cls(inputs=inputs, outputs=[final_rng, squared(_factor(pt.linalg.cholesky(scale), a))])(*inputs)


class WhitenedLogCholesky(Transform):
    """Σ ↔ u, the entries of A = L⁻¹ L₀ row by row, logarithms on its diagonal; L₀ = chol(Ψ), Σ = L Lᵀ.

    A priori the entries of A are independent, standard normal off the diagonal: no scale of the data is left. Another
    matrix, the reference, may stand in for Ψ where that is random.
    """

    # PyMC finds a variable from its value by what stands before the last underscore.
    name = "whitenedlogcholesky"
    ndim_supp = 1

    def __init__(self, reference=None):
        self.reference = reference

    def _base(self, scale):
        return pt.linalg.cholesky(scale if self.reference is None else pt.as_tensor_variable(self.reference))

    def forward(self, value, rng, size, dof, scale):
        """Σ -> u."""
        base = self._base(scale)
        right = pt.broadcast_to(base, value.shape) if value.ndim > 2 else base
        a = pt.linalg.solve_triangular(pt.linalg.cholesky(value), right, lower=True, b_ndim=2)
        return packed(a, n_features(scale, "InverseWishart"))

    def backward(self, value, rng, size, dof, scale):
        """u -> Σ."""
        return squared(_factor(self._base(scale), unpacked(value, n_features(scale, "InverseWishart"))))

    def log_jac_det(self, value, rng, size, dof, scale):
        """log |dΣ/du| = D log 2 + Σ_i [(D+1) log L₀_ii − (2D − i + 1) log A_ii], i from 1."""
        d = n_features(scale, "InverseWishart")
        log_diagonal = value[..., places(d)[2]]
        base = pt.log(pt.diagonal(self._base(scale))).sum()
        return d * np.log(2.0) + (d + 1) * base - (log_diagonal * (2 * d - np.arange(d))).sum(axis=-1)


class InverseWishart(pm.Continuous):
    """Σ ~ InverseWishart(ν, Ψ), E Σ⁻¹ = ν Ψ⁻¹, batched by ``dims`` or ``shape``.

    Parameters
    ----------
    name : str
    dof : float
        ν > D − 1.
    scale : array (D, D)
        Ψ, symmetric positive definite, in squared data units.
    reference : array (D, D), optional
        The covariance that samplers see as the identity, Ψ without it. Where Ψ is itself random, a fixed one keeps
        the coordinates of Σ and Ψ apart.
    dims : (…, "feature", "feature_other")

    Notes
    -----
    The value is the covariance itself. Samplers see it through `WhitenedLogCholesky`.

    Raises
    ------
    ValueError
        If the size of ``scale`` is not known when the model is built.

    References
    ----------
    Gelman et al. (2013), appendix A; the construction of draws is Bartlett's (1933).

    Examples
    --------
    >>> import numpy as np, pymc as pm
    >>> from scipy.stats import invwishart
    >>> c = np.array([[2.0, 0.3], [0.3, 1.0]])
    >>> ours = pm.logp(InverseWishart.dist(5.0, np.eye(2)), c).eval()
    >>> bool(np.isclose(ours, invwishart.logpdf(c, 5.0, np.eye(2))))
    True
    """

    rv_type = InverseWishartRV
    rv_op = InverseWishartRV.rv_op

    def __new__(cls, name, *args, reference=None, **kwargs):
        """Declare the variable."""
        if reference is not None:
            kwargs["default_transform"] = WhitenedLogCholesky(np.asarray(reference, dtype=float))
        return super().__new__(cls, name, *args, **kwargs)

    @classmethod
    def dist(cls, dof, scale, **kwargs):
        """The distribution without a name or a model."""
        return super().dist([pt.as_tensor_variable(dof), pt.as_tensor_variable(scale)], **kwargs)

    def support_point(rv, size, dof, scale):
        """Ψ/ν, the harmonic mean, which is always finite."""
        centre = scale / dof
        return centre if rv_size_is_none(size) else pt.broadcast_to(centre, (*size, *[scale.shape[i] for i in (0, 1)]))

    def logp(value, dof, scale):
        """Log density, every constant included: one value a matrix."""
        dof, scale = unpadded(dof, 0), unpadded(scale, 2)
        d = n_features(scale, "InverseWishart")
        factor, base = pt.linalg.cholesky(value), pt.linalg.cholesky(scale)
        right = pt.broadcast_to(base, value.shape) if value.ndim > 2 else base
        a = pt.linalg.solve_triangular(factor, right, lower=True, b_ndim=2)
        log_det = pt.log(pt.diagonal(factor, axis1=-2, axis2=-1)).sum(axis=-1)
        constant = dof * pt.log(pt.diagonal(base)).sum() - 0.5 * dof * d * np.log(2.0)
        constant -= 0.25 * d * (d - 1) * np.log(np.pi) + pt.gammaln(0.5 * (dof - np.arange(d))).sum()
        # tr(Ψ Σ⁻¹) is the squared length of A = L⁻¹ L₀.
        return constant - (dof + d + 1) * log_det - 0.5 * (a**2).sum(axis=(-2, -1))


@_default_transform.register(InverseWishartRV)
def _(op, rv):
    return WhitenedLogCholesky()
