"""The kernel as one PyTensor Op; `compiled` is how the numba backend runs it, and `jaxed` the JAX backend."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytensor.tensor as pt
from pytensor.compile.mode import optdb
from pytensor.gradient import DisconnectedType, disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.graph.rewriting.basic import GraphRewriter

from bayesgmm.kernel.evaluate import evaluate
from bayesgmm.kernel.incomplete import Incomplete, evaluate_incomplete
from bayesgmm.kernel.whitening import Whitening


class EStep(Op):
    """(x, log π, μ, L, w, order, starts, features) → (log p(x_n), m₀, m₁, m₂): densities, and whitened moments by w.

    The last three group rows with missing cells by what they have, as `kernel.Incomplete` does; they are empty where
    no cell is missing. What stands in missing cells of x is not looked at.

    Its pullback is Fisher's identity: the gradient of Σ_n w_n log p(x_n) is the gradient of Q(θ; S) at fixed
    statistics, so the pullback of the log densities is this very Op again, with the cotangent as w, followed by
    K·D² arithmetic. Here sampling and EM meet: both move along the gradient of the same Q. With a cotangent of
    ones both nodes are equal, PyTensor merges them, and value and gradient cost one pass over the data.
    """

    __props__ = ()
    gufunc_signature = "(n,d),(k),(k,d),(k,d,d),(n),(o),(p),(g,e)->(n),(k),(k,d),(k,d,d)"

    def make_node(self, x, log_weights, means, scale_trils, row_weights, *groups):
        """Build the node; the groups are int64, everything else float64."""
        inputs = [pt.as_tensor_variable(v, dtype="float64") for v in (x, log_weights, means, scale_trils, row_weights)]
        inputs += [pt.as_tensor_variable(v, dtype="int64") for v in groups]
        ranks = (2, 1, 2, 3, 1, 1, 1, 2)
        if tuple(v.ndim for v in inputs) != ranks:
            raise TypeError(f"EStep needs inputs of ranks {ranks}, not {tuple(v.ndim for v in inputs)}")
        log_prob = pt.TensorType("float64", shape=(inputs[0].type.shape[0],))()
        return Apply(self, inputs, [log_prob, inputs[1].type(), inputs[2].type(), inputs[3].type()])

    def perform(self, node, inputs, output_storage):
        """Run the kernel from Python."""
        x, log_weights, means, scale_trils, row_weights, order, starts, features = inputs
        rows = Incomplete.grouped(x, order, starts, features) if len(order) else x
        run = evaluate_incomplete if len(order) else evaluate
        done = run(rows, log_weights, means, Whitening.of(scale_trils), row_weights)
        for storage, value in zip(output_storage, (done.log_prob, *done.moments), strict=True):
            storage[0] = value

    def infer_shape(self, node, shapes):
        """Shapes of the outputs from those of the inputs."""
        return [shapes[4], shapes[1], shapes[2], shapes[3]]

    def connection_pattern(self, node):
        """All outputs depend on the parameters, moments on the row weights too; x is taken as fixed."""
        return [[False] * 4, *([[True] * 4] * 3), [False, True, True, True], *([[False] * 4] * 3)]

    def pullback(self, inputs, outputs, cotangents):
        """Fisher's identity, see the class."""
        if any(not isinstance(c.type, DisconnectedType) for c in cotangents[1:]):
            raise NotImplementedError("second derivatives of a mixture's log density are not available through this Op")
        x, log_weights, means, scale_trils, _, *groups = inputs
        _, m0, m1, m2 = self(x, log_weights, means, scale_trils, cotangents[0], *groups)
        # U = L⁻ᵀ turns whitened moments into gradients: dQ/dμ = U m₁, dQ/dL = tril(U m₂) − m₀ diag(L)⁻¹.
        solved = pt.linalg.solve_triangular(
            scale_trils, pt.concatenate([m1[:, :, None], m2], axis=2), lower=True, trans=1, b_ndim=2
        )
        known = means.type.shape[1] or x.type.shape[1]  # which JAX must know
        identity, lower = (np.eye(known), np.tri(known)) if known else (pt.eye(means.shape[1]), pt.tri(means.shape[1]))
        diagonal = (scale_trils * identity).sum(axis=2)
        grad_scale = solved[:, :, 1:] * lower - identity * (m0[:, None] / diagonal)[:, :, None]
        return [disconnected_type(), m0, solved[:, :, 0], grad_scale, *(disconnected_type() for _ in range(4))]


estep = EStep()


class _Load(GraphRewriter):
    """Leaves a graph on its way to a backend as it is, and loads what that needs of ours and no other does."""

    def __init__(self, module: str):
        super().__init__()
        self.module = module

    def apply(self, fgraph):
        import_module(f"bayesgmm.ppl.{self.module}")


optdb.register("bayesgmm_load_compiled", _Load("compiled"), "numba", position=100)
optdb.register("bayesgmm_load_jaxed", _Load("jaxed"), "jax", position=100)


def log_prob(x, weights, means, scale_trils, missing=None):
    """log p(x_n) (N,) as a graph: x (N, D), π (K,), μ (K, D), L (K, D, D); ``missing`` (N, D) marks missing cells."""
    ones = pt.ones((x.type.shape[0] or x.shape[0],), dtype="float64")
    order, starts, features = np.empty(0, int), np.empty(0, int), np.empty((0, 0), int)
    if missing is not None and missing.any():
        groups = Incomplete.of(np.where(missing, np.nan, 0.0))
        order, starts, features = groups.order, groups.starts, groups.features
    return estep(x, pt.log(weights), means, scale_trils, ones, order, starts, features)[0]
