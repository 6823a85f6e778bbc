"""How JAX runs the kernel's Op, and a story's log density as a JAX function. PyTensor's JAX rewrites load it."""

from __future__ import annotations

from pytensor.compile.mode import JAX
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.replace import clone_replace
from pytensor.graph.traversal import graph_inputs
from pytensor.link.jax.dispatch import jax_funcify
from pytensor.tensor import constant

from bayesgmm.kernel.jaxed import e_step
from bayesgmm.ppl.op import EStep

# As `pymc.compile` has it: the density is zero where a parameter is out of range.
_MODE = JAX.including("local_check_parameter_to_ninf_switch")


@jax_funcify.register(EStep)
def _(op, **kwargs):
    return e_step


def log_density(surface):
    """u (p,) ↦ the log density of a `Surface`, Jacobian included: a function that JAX can differentiate and compile.

    The data, and other shared variables, are those that the story has now.
    """
    u, height = surface.graph()
    data = {v: constant(v.get_value(borrow=True)) for v in graph_inputs([height]) if isinstance(v, SharedVariable)}
    graph = FunctionGraph([u], clone_replace([height], data), clone=True)
    _MODE.optimizer.rewrite(graph)
    run = jax_funcify(graph)
    return lambda u: run(u)[0]
