"""`Wishart`: a distribution of one positive definite matrix, with coordinates in which NUTS moves easily."""

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


class WishartRV(SymbolicRandomVariable):
    """W = L₀ B Bᵀ L₀ᵀ, L₀ = chol(V), by Bartlett's decomposition: B_ii² ~ χ²(ν − i + 1), B_ij ~ N(0, 1)."""

    extended_signature = "[rng],[size],(),(d,d)->[rng],(d,d)"
    _print_name = ("Wishart", "\\operatorname{Wishart}")

    @classmethod
    def rv_op(cls, dof, scale, *, rng=None, size=None):
        """Build the random graph."""
        dof, scale = pt.as_tensor_variable(dof), pt.as_tensor_variable(scale)
        rng, size = normalize_rng_param(rng), normalize_size_param(size)
        d = n_features(scale, "Wishart")
        b, final_rng = bartlett(dof - np.arange(d), d, rng, size)
        inputs = [rng, size, dof, scale]
        return cls(inputs=inputs, outputs=[final_rng, squared(pt.matmul(pt.linalg.cholesky(scale), b))])(*inputs)


class BartlettLogCholesky(Transform):
    """W ↔ u, the entries of B row by row, logarithms on its diagonal; W = L₀ B Bᵀ L₀ᵀ, L₀ = chol(V)."""

    name = "bartlettlogcholesky"
    ndim_supp = 1

    def forward(self, value, rng, size, dof, scale):
        """W -> u."""
        base = pt.linalg.cholesky(scale)
        right = pt.linalg.cholesky(value)
        left = pt.broadcast_to(base, value.shape) if value.ndim > 2 else base
        return packed(pt.linalg.solve_triangular(left, right, lower=True, b_ndim=2), n_features(scale, "Wishart"))

    def backward(self, value, rng, size, dof, scale):
        """u -> W."""
        return squared(pt.matmul(pt.linalg.cholesky(scale), unpacked(value, n_features(scale, "Wishart"))))

    def log_jac_det(self, value, rng, size, dof, scale):
        """log |dW/du| = D log 2 + Σ_i [(D+1) log L₀_ii + (D − i + 2) log B_ii], i from 1."""
        d = n_features(scale, "Wishart")
        log_diagonal = value[..., places(d)[2]]
        base = pt.log(pt.diagonal(pt.linalg.cholesky(scale))).sum()
        return d * np.log(2.0) + (d + 1) * base + (log_diagonal * (d + 1 - np.arange(d))).sum(axis=-1)


class Wishart(pm.Continuous):
    """W ~ Wishart(ν, V), E W = ν V.

    Parameters
    ----------
    name : str
    dof : float
        ν > D − 1.
    scale : array (D, D)
        V, symmetric positive definite.
    dims : (…, "feature", "feature_other")

    Notes
    -----
    PyMC has a distribution of this name too, but none that a gradient could walk in. Samplers see this one through
    `BartlettLogCholesky`, in whose coordinates its entries are independent.

    Raises
    ------
    ValueError
        If the size of ``scale`` is not known when the model is built.

    References
    ----------
    Bartlett (1933); Gelman et al. (2013), appendix A.

    Examples
    --------
    >>> import numpy as np, pymc as pm
    >>> from scipy.stats import wishart
    >>> w = np.array([[2.0, 0.3], [0.3, 1.0]])
    >>> ours = pm.logp(Wishart.dist(5.0, np.eye(2)), w).eval()
    >>> bool(np.isclose(ours, wishart.logpdf(w, 5.0, np.eye(2))))
    True
    """

    rv_type = WishartRV
    rv_op = WishartRV.rv_op

    @classmethod
    def dist(cls, dof, scale, **kwargs):
        """The distribution without a name or a model."""
        return super().dist([pt.as_tensor_variable(dof), pt.as_tensor_variable(scale)], **kwargs)

    def support_point(rv, size, dof, scale):
        """ν V, the mean."""
        centre = scale * dof
        return centre if rv_size_is_none(size) else pt.broadcast_to(centre, (*size, *[scale.shape[i] for i in (0, 1)]))

    def logp(value, dof, scale):
        """Log density, every constant included: one value a matrix."""
        dof, scale = unpadded(dof, 0), unpadded(scale, 2)
        d = n_features(scale, "Wishart")
        factor, base = pt.linalg.cholesky(value), pt.linalg.cholesky(scale)
        left = pt.broadcast_to(base, value.shape) if value.ndim > 2 else base
        b = pt.linalg.solve_triangular(left, factor, lower=True, b_ndim=2)
        log_det = pt.log(pt.diagonal(factor, axis1=-2, axis2=-1)).sum(axis=-1)
        constant = -dof * pt.log(pt.diagonal(base)).sum() - 0.5 * dof * d * np.log(2.0)
        constant -= 0.25 * d * (d - 1) * np.log(np.pi) + pt.gammaln(0.5 * (dof - np.arange(d))).sum()
        # tr(V⁻¹ W) is the squared length of B = L₀⁻¹ L.
        return constant + (dof - d - 1) * log_det - 0.5 * (b**2).sum(axis=(-2, -1))


@_default_transform.register(WishartRV)
def _(op, rv):
    return BartlettLogCholesky()
