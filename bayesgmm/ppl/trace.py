"""From a PyTensor graph to a program of `bayesgmm.tape`: nothing is compiled, so nobody waits.

Shapes and data are known when a graph is traced, so what depends on them alone is computed here and now. What only
moves elements about (reshaping, indexing, joining) is done to their cells, by the operation's own Python code.
"""

from __future__ import annotations

import numpy as np
import pytensor
from pytensor.compile.builders import OpFromGraph
from pytensor.compile.mode import Mode
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.replace import clone_replace
from pytensor.graph.rewriting.utils import rewrite_graph
from pytensor.graph.traversal import ancestors, graph_inputs

from bayesgmm.ppl.instructions import Unknown, Untraceable, instruct
from bayesgmm.tape import Writer

# Rewrites that keep digits and spare work; those that serve compilers are left out.
_REWRITES = ("canonicalize", "stabilize", "specialize")
_UNWANTED = ("reuse_decomposition_multiple_solves",)
_PYTHON = Mode(linker="py", optimizer=None)


def quietly():
    """A context in which PyTensor compiles nothing to machine code, not even to fold a constant.

    Nor does it note with each node which lines made it, which takes a fifth of the time of building a graph.
    """
    return pytensor.config.change_flags(cxx="", mode=_PYTHON, traceback__limit=0)


class Trace:
    """A rewritten graph that can be traced again and again, as its data (shared variables) change.

    Parameters
    ----------
    inputs, outputs : list of Variable
    """

    def __init__(self, inputs, outputs):
        self._n_inputs = len(inputs)
        self._data = [v for v in dict.fromkeys(graph_inputs(outputs)) if isinstance(v, SharedVariable)]
        with quietly():
            graph = FunctionGraph([*inputs, *self._data], list(outputs), clone=True)
            self._graph = rewrite_graph(graph, include=_REWRITES, exclude=_UNWANTED)

    def write(self, writer: Writer, inputs, outputs=slice(None)) -> list[np.ndarray]:
        """The cells of some outputs, given those of the inputs, with the data as they are now.

        Raises
        ------
        Untraceable
            If an operation has no instruction, or its shape depends on values.
        """
        found = dict(zip(self._graph.inputs, [Unknown(cells) for cells in inputs])) | self._values()
        with quietly():
            ends = _follow(self._graph, found, writer, self._graph.outputs[outputs])
        return [end.cells if isinstance(end, Unknown) else writer.constant(end) for end in ends]

    def function(self, points):
        """A function of the inputs that gives the outputs as arrays: a program, or else PyTensor's own Python code.

        Parameters
        ----------
        points : list of list of ndarray
            Values of the inputs: they give shapes, and the program must agree with the graph there.
        """
        try:
            return self._program(points)
        except Untraceable:
            return self._interpreted()

    def _interpreted(self):
        values = self._values()
        inputs, data = self._graph.inputs[: self._n_inputs], [v.type() for v in values]
        outputs = clone_replace(self._graph.outputs, dict(zip(values, data)))
        run = pytensor.function([*inputs, *data], outputs, mode=_PYTHON, on_unused_input="ignore")
        return lambda *given: run(*given, *values.values())

    def _program(self, points):
        sizes = [np.size(v) for v in points[0]]
        writer = Writer(sum(sizes))
        places = np.split(writer.inputs, np.cumsum(sizes)[:-1])
        cells = self.write(writer, [c.reshape(np.shape(v)) for c, v in zip(places, points[0], strict=True)])
        program = writer.program(np.concatenate([c.ravel() for c in cells]))
        ends = np.cumsum([c.size for c in cells])[:-1]

        def run(*inputs):
            value, others = program(np.concatenate([np.ravel(v) for v in inputs]))
            parts = np.split(np.concatenate([[value], others]), ends)
            return [part.reshape(c.shape) for part, c in zip(parts, cells, strict=True)]

        hold_together(run, self._performed, points)
        return run

    def _performed(self, *inputs):
        known = dict(zip(self._graph.inputs, map(np.asarray, inputs))) | self._values()
        with quietly():
            return _follow(self._graph, known)

    def _values(self) -> dict:
        copies = self._graph.inputs[self._n_inputs :]
        return {copy: v.get_value(borrow=True) for copy, v in zip(copies, self._data, strict=True)}


def hold_together(program, graph, points) -> None:
    """Hold a program against what it was made from, at points where that is finite.

    Raises
    ------
    Untraceable
        If they differ, or there is no such point.
    """
    compared = 0
    for point in points:
        wanted, got = (np.concatenate([np.ravel(v) for v in run(*point)]).astype(float) for run in (graph, program))
        if np.isfinite(wanted).all():
            compared += 1
            if not np.allclose(got, wanted, rtol=1e-8, atol=1e-8):
                raise Untraceable("the program does not agree with the graph")
    if not compared:
        raise Untraceable("the graph is not finite at any of the points at which it was to be compared")


def value_of(variable):
    """What a variable that depends on constants and data alone is now, or None."""
    inputs = list(dict.fromkeys(graph_inputs([variable])))
    values = [v.get_value() if isinstance(v, SharedVariable) else getattr(v, "data", None) for v in inputs]
    if not all(isinstance(v, np.ndarray | np.number) for v in values):  # an input, or a random generator
        return None
    if variable.owner is None:
        return values[0]
    with quietly():
        graph = FunctionGraph(inputs, [variable], clone=True)
        return _follow(graph, dict(zip(graph.inputs, values)))[0]


def _follow(graph, found: dict, writer: Writer | None = None, outputs=None) -> list:
    """What outputs of a graph are, each an array or `Unknown`, given what its inputs are."""
    found, outputs = dict(found), graph.outputs if outputs is None else outputs
    needed = set(ancestors(outputs))
    for node in graph.toposort():
        if needed.isdisjoint(node.outputs):
            continue
        operands = [_look_up(v, found) for v in node.inputs]
        if isinstance(node.op, OpFromGraph):
            results = _follow(node.op.fgraph, dict(zip(node.op.fgraph.inputs, operands)), writer)
        elif any(isinstance(v, Unknown) for v in operands):
            results = instruct(writer, node, operands, lambda graph, given: _follow(graph, given, writer))
        else:
            results = _perform(node, operands)
        found.update(zip(node.outputs, results, strict=True))
    return [_look_up(v, found) for v in outputs]


def _look_up(variable, found):
    return found[variable] if variable in found else variable.data


def _perform(node, values) -> list:
    """The operation itself, in Python."""
    storage = [[None] for _ in node.outputs]
    node.op.perform(node, values, storage)
    return [cell[0] for cell in storage]
