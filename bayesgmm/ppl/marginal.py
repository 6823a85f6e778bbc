"""`MarginalGaussianMixture`: the PyMC distribution with the labels summed out."""

from __future__ import annotations

import pymc as pm
import pytensor.tensor as pt
from pymc.distributions.distribution import SymbolicRandomVariable
from pymc.distributions.shape_utils import rv_size_is_none
from pymc.pytensorf import normalize_rng_param
from pytensor.tensor.random.basic import categorical, normal
from pytensor.tensor.random.utils import normalize_size_param

from bayesgmm.ppl.op import log_prob
from bayesgmm.ppl.padding import unpadded


class MarginalGaussianMixtureRV(SymbolicRandomVariable):
    """The generative story: a label from Categorical(π), then x from that component's Gaussian."""

    extended_signature = "[rng],[size],(k),(k,d),(k,d,d)->[rng],(d)"
    _print_name = ("MarginalGaussianMixture", "\\operatorname{MarginalGaussianMixture}")

    @classmethod
    def rv_op(cls, weights, means, scale_trils, *, rng=None, size=None):
        """Build the random graph."""
        weights, means, scale_trils = (pt.as_tensor_variable(v) for v in (weights, means, scale_trils))
        if (weights.ndim, means.ndim, scale_trils.ndim) != (1, 2, 3):
            raise ValueError(
                "MarginalGaussianMixture takes weights (K,), means (K, D) and scale_trils (K, D, D), the same for "
                f"every row; they have {weights.ndim}, {means.ndim} and {scale_trils.ndim} dimensions"
            )
        rng, size = normalize_rng_param(rng), normalize_size_param(size)
        batch = () if rv_size_is_none(size) else tuple(size)
        next_rng, labels = categorical(weights, size=batch or None, rng=rng, return_next_rng=True)
        shape = (*batch, means.shape[1])
        final_rng, noise = normal(0.0, 1.0, size=shape, rng=next_rng, return_next_rng=True)
        draws = means[labels] + pt.sum(scale_trils[labels] * noise[..., None, :], axis=-1)
        inputs = [rng, size, weights, means, scale_trils]
        return cls(inputs=inputs, outputs=[final_rng, draws])(*inputs)


class MarginalGaussianMixture(pm.Continuous):
    """Rows from a Gaussian mixture, their labels summed out: p(x_n) = Σ_k π_k N(x_n | μ_k, L_k L_kᵀ).

    Parameters
    ----------
    name : str
    weights : tensor (K,)
        π.
    means : tensor (K, D)
        μ_k, in data units.
    scale_trils : tensor (K, D, D)
        L_k, lower triangular with a positive diagonal.
    observed : array (N, D), optional
    dims : ("obs", "feature")

    Notes
    -----
    The log density is one value a row, so `pymc.compute_log_likelihood` and `arviz.loo` work, and so do prior and
    posterior predictive draws. Value and gradient run through `bayesgmm.kernel` (Fisher's identity), natively.

    Raises
    ------
    ValueError
        If a parameter has dimensions other than those above.

    Examples
    --------
    >>> import numpy as np, pymc as pm
    >>> rows = MarginalGaussianMixture.dist([0.5, 0.5], [[-9.0], [9.0]], [[[1.0]], [[1.0]]], shape=(3, 1))
    >>> pm.draw(rows, random_seed=1).shape
    (3, 1)
    >>> pm.logp(rows, np.array([[-9.0], [9.0], [9.0]])).eval().round(4)
    array([-1.6121, -1.6121, -1.6121])
    """

    rv_type = MarginalGaussianMixtureRV
    rv_op = MarginalGaussianMixtureRV.rv_op

    @classmethod
    def dist(cls, weights, means, scale_trils, **kwargs):
        """The distribution without a name or a model."""
        return super().dist([pt.as_tensor_variable(v) for v in (weights, means, scale_trils)], **kwargs)

    def support_point(rv, size, weights, means, scale_trils):
        """The mean of the mixture, for every row."""
        centre = weights @ means
        return centre if rv_size_is_none(size) else pt.broadcast_to(centre, (*size, means.shape[1]))

    def logp(value, weights, means, scale_trils):
        """One log density a row: (N,), or a scalar for a single row."""
        weights, means, scale_trils = unpadded(weights, 1), unpadded(means, 2), unpadded(scale_trils, 3)
        if value.ndim == 1:
            return log_prob(value[None], weights, means, scale_trils)[0]
        return log_prob(value, weights, means, scale_trils)
