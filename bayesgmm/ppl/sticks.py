"""`StickBreaking`: weights broken off a stick one after another, with coordinates in which NUTS moves easily."""

from __future__ import annotations

import pymc as pm
import pytensor.tensor as pt
from pymc.distributions.distribution import SymbolicRandomVariable
from pymc.distributions.shape_utils import rv_size_is_none
from pymc.distributions.transforms import _default_transform
from pymc.logprob.transforms import Transform
from pymc.pytensorf import normalize_rng_param
from pytensor.tensor.random.basic import beta
from pytensor.tensor.random.utils import normalize_size_param


def _broken(parts, rests):
    """Weights (…, K) of what is broken off (…, K − 1), and what that leaves, as shares of what there was."""
    one = pt.ones_like(parts[..., :1])
    return pt.concatenate([parts, one], axis=-1) * pt.concatenate([one, pt.cumprod(rests, axis=-1)], axis=-1)


def _left(weights):
    """Σ_{j≥k} π_j (…, K), without a difference in which digits would cancel."""
    return pt.cumsum(weights[..., ::-1], axis=-1)[..., ::-1]


class StickBreakingRV(SymbolicRandomVariable):
    """π_k = V_k Π_{j<k} (1 − V_j), V_k ~ Beta(a_k, b_k), V_K = 1."""

    extended_signature = "[rng],[size],(s),(s)->[rng],(k)"
    _print_name = ("StickBreaking", "\\operatorname{StickBreaking}")

    @classmethod
    def rv_op(cls, a, b, *, rng=None, size=None):
        """Build the random graph."""
        a, b = pt.broadcast_arrays(pt.as_tensor_variable(a), pt.as_tensor_variable(b))
        rng, size = normalize_rng_param(rng), normalize_size_param(size)
        shape = a.shape if rv_size_is_none(size) else (*size, a.shape[-1])
        final_rng, parts = beta(a, b, size=shape, rng=rng, return_next_rng=True)
        return cls(inputs=[rng, size, a, b], outputs=[final_rng, _broken(parts, 1.0 - parts)])(*[rng, size, a, b])


class StickLogOdds(Transform):
    """π ↔ u, the log odds of V_k."""

    name = "sticklogodds"
    ndim_supp = 1

    def forward(self, value, *inputs):
        """π -> u."""
        return pt.log(value[..., :-1]) - pt.log(_left(value)[..., 1:])

    def backward(self, value, *inputs):
        """u -> π."""
        return _broken(pt.sigmoid(value), pt.sigmoid(-value))

    def log_jac_det(self, value, *inputs):
        """log |d(π_1 … π_{K−1})/du| = Σ_k [log π_k + log(1 − V_k)]."""
        weights = self.backward(value, *inputs)[..., :-1]
        return (pt.log(weights) - pt.softplus(value)).sum(axis=-1)


class StickBreaking(pm.Continuous):
    """π of K components: V_k ~ Beta(a_k, b_k), k < K, of what is left of a stick, and the last takes the rest.

    Parameters
    ----------
    name : str
    a, b : array (K − 1,)
        a_k = 1 and b_k = α are a Dirichlet process cut off; 1 − σ and α + kσ are Pitman & Yor's.
    dims : "component"

    Notes
    -----
    The density is that of π itself, the generalised Dirichlet distribution, so that labels may be permuted in it as in
    any other variable of components; it changes with their order. Samplers see the log odds of V. PyMC's own
    StickBreakingWeights has a_k = 1 alone.

    References
    ----------
    Connor & Mosimann (1969); Ishwaran & James (2001).

    Examples
    --------
    >>> import numpy as np, pymc as pm
    >>> from scipy.stats import beta
    >>> ours = pm.logp(StickBreaking.dist([1.0], [3.0]), np.array([0.2, 0.8])).eval()
    >>> bool(np.isclose(ours, beta.logpdf(0.2, 1.0, 3.0)))
    True
    """

    rv_type = StickBreakingRV
    rv_op = StickBreakingRV.rv_op

    @classmethod
    def dist(cls, a, b, **kwargs):
        """The distribution without a name or a model."""
        return super().dist([pt.as_tensor_variable(a), pt.as_tensor_variable(b)], **kwargs)

    def support_point(rv, size, a, b):
        """All V_k at their means."""
        centre = _broken(a / (a + b), b / (a + b))
        return centre if rv_size_is_none(size) else pt.broadcast_to(centre, (*size, centre.shape[-1]))

    def logp(value, a, b):
        """Log density, every constant included."""
        left = pt.log(_left(value))
        constant = pt.gammaln(a + b) - pt.gammaln(a) - pt.gammaln(b)
        broken_off = (a - 1.0) * pt.log(value[..., :-1]) + (b - 1.0) * left[..., 1:]
        # (a − 1) + (b − 1) of what there was is divided by, and once more for dV/dπ.
        return (constant + broken_off - (a + b - 1.0) * left[..., :-1]).sum(axis=-1)


@_default_transform.register(StickBreakingRV)
def _(op, rv):
    return StickLogOdds()
