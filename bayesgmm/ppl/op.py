"""The kernel as one PyTensor Op, run natively by the numba backend."""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType, disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key

from bayesgmm.kernel import native
from bayesgmm.kernel.estep import evaluate
from bayesgmm.kernel.whitening import Whitening

# The disk cache does not see the kernel's source: raise this when the kernel changes what it computes.
_KERNEL_VERSION = 1


class EStep(Op):
    """(x, log π, μ, L, w) → (log p(x_n), m₀, m₁, m₂): densities, and whitened moments weighted by w.

    Its pullback is Fisher's identity: the gradient of Σ_n w_n log p(x_n) is the gradient of Q(θ; S) at fixed
    statistics, so the pullback of the log densities is this very Op again, with the cotangent as w, followed by
    K·D² arithmetic. Here sampling and EM meet: both move along the gradient of the same Q. With a cotangent of
    ones both nodes are equal, PyTensor merges them, and value and gradient cost one pass over the data.
    """

    __props__ = ()
    gufunc_signature = "(n,d),(k),(k,d),(k,d,d),(n)->(n),(k),(k,d),(k,d,d)"

    def make_node(self, x, log_weights, means, scale_trils, row_weights):
        """Build the node; everything is float64."""
        inputs = [pt.as_tensor_variable(v, dtype="float64") for v in (x, log_weights, means, scale_trils, row_weights)]
        ranks = (2, 1, 2, 3, 1)
        if tuple(v.ndim for v in inputs) != ranks:
            raise TypeError(f"EStep needs inputs of ranks {ranks}, not {tuple(v.ndim for v in inputs)}")
        log_prob = pt.TensorType("float64", shape=(inputs[0].type.shape[0],))()
        return Apply(self, inputs, [log_prob, inputs[1].type(), inputs[2].type(), inputs[3].type()])

    def perform(self, node, inputs, output_storage):
        """Run the kernel from Python."""
        x, log_weights, means, scale_trils, row_weights = map(np.ascontiguousarray, inputs)
        log_prob, moments, _ = evaluate(x, log_weights, means, Whitening(scale_trils), row_weights)
        for storage, value in zip(output_storage, (log_prob, *moments), strict=True):
            storage[0] = value

    def infer_shape(self, node, shapes):
        """Shapes of the outputs from those of the inputs."""
        return [shapes[4], shapes[1], shapes[2], shapes[3]]

    def connection_pattern(self, node):
        """All outputs depend on the parameters, moments on the row weights too; x is taken as fixed."""
        return [[False] * 4, *([[True] * 4] * 3), [False, True, True, True]]

    def pullback(self, inputs, outputs, cotangents):
        """Fisher's identity, see the class."""
        if any(not isinstance(c.type, DisconnectedType) for c in cotangents[1:]):
            raise NotImplementedError("second derivatives of a mixture's log density are not available through this Op")
        x, log_weights, means, scale_trils, _ = inputs
        _, m0, m1, m2 = self(x, log_weights, means, scale_trils, cotangents[0])
        # U = L⁻ᵀ turns whitened moments into gradients: dQ/dμ = U m₁, dQ/dL = tril(U m₂) − m₀ diag(L)⁻¹.
        solved = pt.linalg.solve_triangular(
            scale_trils, pt.concatenate([m1[:, :, None], m2], axis=2), lower=True, trans=1, b_ndim=2
        )
        diagonal = pt.diagonal(scale_trils, axis1=1, axis2=2)
        identity = pt.eye(means.type.shape[1] or means.shape[1])
        grad_scale = pt.tril(solved[:, :, 1:]) - identity * (m0[:, None] / diagonal)[:, :, None]
        return [disconnected_type(), m0, solved[:, :, 0], grad_scale, disconnected_type()]


@register_funcify_default_op_cache_key(EStep)
def _estep_numba(op, node, **kwargs):
    @numba_njit
    def estep(x, log_weights, means, scale_trils, row_weights):
        n_features = means.shape[1]
        log_norms = log_weights - 0.5 * n_features * np.log(2 * np.pi)
        for k in range(means.shape[0]):
            for j in range(n_features):
                log_norms[k] -= np.log(scale_trils[k, j, j])
        return native.serial_moments(
            np.ascontiguousarray(x),
            log_norms,
            np.ascontiguousarray(means),
            np.ascontiguousarray(scale_trils),
            False,
            np.ascontiguousarray(row_weights),
        )

    return estep, _KERNEL_VERSION


estep = EStep()


def log_prob(x, weights, means, scale_trils):
    """log p(x_n) (N,) as a graph: x (N, D), π (K,), μ (K, D), L (K, D, D)."""
    ones = pt.ones((x.type.shape[0] or x.shape[0],), dtype="float64")
    return estep(x, pt.log(weights), means, scale_trils, ones)[0]
