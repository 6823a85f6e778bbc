"""`MarginalGaussianMixture`: the PyMC distribution with the labels summed out."""

from __future__ import annotations

import numpy as np
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

    extended_signature = "[rng],[size],(k),(k,d),(k,d,d),(n),(m,d)->[rng],(d)"
    _print_name = ("MarginalGaussianMixture", "\\operatorname{MarginalGaussianMixture}")

    @classmethod
    def rv_op(cls, weights, means, scale_trils, case_weights, missing, *, rng=None, size=None):
        """Build the random graph."""
        given = (weights, means, scale_trils, case_weights, missing)
        weights, means, scale_trils, case_weights, missing = map(pt.as_tensor_variable, given)
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
        inputs = [rng, size, weights, means, scale_trils, case_weights, missing]
        # Draws are complete rows: case weights and missing cells only say how rows were observed.
        return cls(inputs=inputs, outputs=[final_rng, draws], on_unused_input="ignore")(*inputs)


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
    missing : {"raise", "marginalise"}
        What NaN among the observed means: an error, or a cell that is missing at random and summed out.
    case_weights : array (N,), optional
        Frequencies: the log density of a row counts so many times.
    dims : ("obs", "feature")

    Notes
    -----
    The log density is one value a row, so `pymc.compute_log_likelihood` and `arviz.loo` work, and so do prior and
    posterior predictive draws. Value and gradient run through `bayesgmm.kernel` (Fisher's identity), natively.

    Raises
    ------
    ValueError
        If a parameter has dimensions other than those above, or a cell is missing where that is an error.

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

    def __new__(cls, name, *args, observed=None, missing="raise", **kwargs):
        """Declare the variable; PyMC would impute NaN, so missing cells are marked, and filled with zeros."""
        if missing not in ("raise", "marginalise"):
            raise ValueError(f"missing={missing!r} is not known; use 'raise' or 'marginalise'")
        if not isinstance(observed, pt.Variable) and observed is not None:
            observed = np.asarray(observed, dtype=float)
            gaps = np.isnan(observed)
            if gaps.any() and missing == "raise":
                row, column = np.argwhere(gaps)[0]
                raise ValueError(
                    f"observed has a missing cell in row {row}, column {column} (counted from 0); fill it, or sum "
                    "missing cells out with missing='marginalise'"
                )
            if gaps.any():
                kwargs["mask"], observed = gaps, np.where(gaps, 0.0, observed)
        return super().__new__(cls, name, *args, observed=observed, **kwargs)

    @classmethod
    def dist(cls, weights, means, scale_trils, *, case_weights=None, mask=None, **kwargs):
        """The distribution without a name or a model; ``mask`` (N, D) is true where a cell is missing."""
        case_weights = np.empty(0) if case_weights is None else case_weights
        mask = np.empty((0, 0), dtype=bool) if mask is None else mask
        parameters = [pt.as_tensor_variable(v) for v in (weights, means, scale_trils, case_weights, mask)]
        return super().dist(parameters, **kwargs)

    def support_point(rv, size, weights, means, scale_trils, case_weights, missing):
        """The mean of the mixture, for every row."""
        centre = weights @ means
        return centre if rv_size_is_none(size) else pt.broadcast_to(centre, (*size, means.shape[1]))

    def logp(value, weights, means, scale_trils, case_weights, missing):
        """One log density a row: (N,), or a scalar for a single row."""
        weights, means, scale_trils = unpadded(weights, 1), unpadded(means, 2), unpadded(scale_trils, 3)
        rows = value[None] if value.ndim == 1 else value
        values = log_prob(rows, weights, means, scale_trils, _data(missing))
        if case_weights.type.shape[-1] != 0:
            values = values * unpadded(case_weights, 1)
        return values[0] if value.ndim == 1 else values


def _data(missing) -> np.ndarray:
    """The marks themselves: how rows are grouped by them is part of the compiled code."""
    if not isinstance(missing, pt.TensorConstant):
        raise ValueError("which cells are missing must be known when the model is built")
    return missing.data.reshape(missing.data.shape[-2:])
