"""What PyTensor's operations are on a tape: one small function a kind of operation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pytensor.compile.builders import OpFromGraph
from pytensor.raise_op import CheckAndRaise
from pytensor.tensor.basic import (
    Alloc,
    ExtractDiag,
    Join,
    MakeVector,
    ScalarFromTensor,
    Split,
    TensorFromScalar,
)
from pytensor.tensor.blas.batched import BatchedDot
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.elemwise import CAReduce, DimShuffle, Elemwise
from pytensor.tensor.extra_ops import CumOp, Repeat
from pytensor.tensor.linalg.decomposition.cholesky import Cholesky
from pytensor.tensor.linalg.inverse import MatrixInverse
from pytensor.tensor.linalg.solvers.general import Solve
from pytensor.tensor.linalg.solvers.psd import CholeskySolve
from pytensor.tensor.linalg.solvers.triangular import SolveTriangular
from pytensor.tensor.linalg.summary import Det, SLogDet
from pytensor.tensor.math import Dot
from pytensor.tensor.reshape import JoinDims, SplitDims
from pytensor.tensor.shape import Reshape, Shape, Shape_i, SpecifyShape
from pytensor.tensor.subtensor import (
    AdvancedIncSubtensor,
    AdvancedSubtensor,
    IncSubtensor,
    Subtensor,
    unflatten_index_variables,
)

from bayesgmm.tape import Writer
from bayesgmm.tape.codes import Code, arity


class Untraceable(Exception):
    """A graph that a tape cannot hold; it says why."""


@dataclass(frozen=True, eq=False)
class Unknown:
    """An array whose values are known only when a program runs: the cells where they will lie."""

    cells: np.ndarray


def instruct(writer: Writer, node, operands, follow) -> list:
    """Write a node, some of whose operands are `Unknown`; what its outputs are. ``follow`` writes a graph inside it.

    Raises
    ------
    Untraceable
        If there is no instruction for it.
    """
    op = node.op
    if isinstance(op, Blockwise):
        return _blockwise(writer, node, operands, follow)
    for kind, write in _KINDS.items():
        if isinstance(op, kind):
            return write(writer, node, operands)
    raise Untraceable(f"there is no instruction for {op}")


def _cells(writer, operand) -> np.ndarray:
    return operand.cells if isinstance(operand, Unknown) else writer.constant(operand)


# ---- what only moves elements, or asks for their number


def _move(writer, node, operands):
    """The operation itself, on cells. All that is joined is content; else the first operand is, the rest says where."""
    content = len(operands) if isinstance(node.op, Join) else 1
    if any(isinstance(v, Unknown) for v in operands[content:]):
        raise Untraceable(f"a position or a length depends on values in {node.op}")
    storage = [[None] for _ in node.outputs]
    node.op.perform(node, [*(_cells(writer, v) for v in operands[:content]), *operands[content:]], storage)
    return [Unknown(np.asarray(cell[0]).astype(np.int64)) for cell in storage]


def _make_vector(writer, node, operands):
    return [Unknown(np.array([_cells(writer, v) for v in operands], dtype=np.int64))]


def _shape(writer, node, operands):
    shape = operands[0].cells.shape
    return [np.array(shape, dtype=np.int64) if isinstance(node.op, Shape) else np.int64(shape[node.op.i])]


def _inc_subtensor(writer, node, operands):
    op, (x, y, *index) = node.op, operands
    if any(isinstance(i, Unknown) for i in index):
        raise Untraceable("an index depends on values")
    x, y = _cells(writer, x), _cells(writer, y)
    places = np.arange(x.size).reshape(x.shape)[unflatten_index_variables(index, op.idx_list)]
    y = np.broadcast_to(y, places.shape)
    if op.set_instead_of_inc:
        flat = x.ravel().copy()
        flat[places.ravel()] = y.ravel()
        return [Unknown(flat.reshape(x.shape))]
    return [Unknown(writer.add_at(x, places.ravel(), y.ravel()))]


def _check(writer, node, operands):
    """A value, or NaN unless all conditions hold."""
    value, *conditions = (_cells(writer, v) for v in operands)
    for condition in conditions:
        value = writer.elementwise(Code.SWITCH, condition, value, writer.constant(np.nan))
    return [Unknown(value)]


# ---- one element at a time

# Where PyTensor's name is another.
_RENAMED = {"TrueDiv": Code.DIV, "GammaLn": Code.LGAMMA, "Invert": Code.NOT}
_CODES = {name.replace("_", ""): code for name, code in Code.__members__.items() if arity(code)}


def _elementwise(writer, node, operands):
    cells = [_cells(writer, v) for v in operands]
    found = _scalar(writer, node.op.scalar_op, [v.type.dtype for v in node.inputs], cells)
    return [Unknown(f) for f in (found if isinstance(found, tuple) else (found,))]


def _scalar(writer, op, dtypes, cells):
    """A scalar operation on every element."""
    name, shape = type(op).__name__, np.broadcast_shapes(*(c.shape for c in cells))
    if name == "Composite":
        return _composite(writer, op.fgraph, cells)
    if name == "Identity":
        found = cells[0]
    elif name == "Second":
        found = cells[1]
    elif name == "Cast":
        found = _cast(writer, op, dtypes[0], cells[0])
    else:
        code = _RENAMED.get(name) or _CODES.get(name.upper())
        if code is None:
            raise Untraceable(f"there is no instruction for {name}")
        found = cells[0] if arity(code) == 2 else writer.elementwise(code, *cells)
        for other in cells[1:] if arity(code) == 2 else ():
            found = writer.elementwise(code, found, other)
    return np.broadcast_to(found, shape)


def _composite(writer, graph, cells):
    """Several scalar operations in one."""
    found = dict(zip(graph.inputs, cells, strict=True))
    for node in graph.toposort():
        inputs = [found[v] if v in found else writer.constant(v.data) for v in node.inputs]
        found[node.outputs[0]] = _scalar(writer, node.op, [v.type.dtype for v in node.inputs], inputs)
    shape = np.broadcast_shapes(*(c.shape for c in cells))
    return tuple(np.broadcast_to(found[v], shape) for v in graph.outputs)


def _cast(writer, op, dtype, cells):
    into, source = np.dtype(op.o_type.dtype), np.dtype(dtype)
    if into.kind == "f" or source.kind != "f":
        return cells
    if into.kind == "b":
        return writer.elementwise(Code.NEQ, cells, writer.constant(0.0))
    return writer.elementwise(Code.TRUNC, cells)


# ---- along axes

# What reduces a line, and what a line of nothing is.
_REDUCTIONS = {
    "Add": (Code.SUM, 0.0), "Mul": (Code.PROD, 1.0), "Maximum": (Code.MAX, -np.inf), "Minimum": (Code.MIN, np.inf),
    "AND": (Code.MIN, 1.0), "OR": (Code.MAX, 0.0),
}  # fmt: skip


def _reduce(writer, node, operands):
    op, cells = node.op, operands[0].cells
    name = type(op.scalar_op).__name__
    if name == "MulWithoutZeros":
        name, one = "Mul", writer.constant(1.0)
        cells = writer.elementwise(Code.SWITCH, writer.elementwise(Code.NEQ, cells, writer.constant(0.0)), cells, one)
    if name not in _REDUCTIONS:
        raise Untraceable(f"there is no reduction by {name}")
    axes = tuple(range(cells.ndim)) if op.axis is None else tuple(op.axis)
    kept = [a for a in range(cells.ndim) if a not in axes]
    length = int(np.prod([cells.shape[a] for a in axes], dtype=int))
    lines = cells.transpose([*kept, *axes]).reshape([*(cells.shape[a] for a in kept), length])
    (code, nothing), shape = _REDUCTIONS[name], lines.shape[:-1]
    if lines.size == 0:
        return [Unknown(writer.constant(np.full(shape, nothing)))]
    if lines.shape[-1] == 1:
        return [Unknown(lines[..., 0])]
    return [Unknown(writer.reduce(code, lines.reshape(-1, lines.shape[-1])).reshape(shape))]


def _cumulate(writer, node, operands):
    cells, axis = operands[0].cells, node.op.axis
    code = Code.CUMSUM if node.op.mode == "add" else Code.CUMPROD
    lines = cells.reshape(-1) if axis is None else np.moveaxis(cells, axis, -1)
    found = writer.reduce(code, lines.reshape(-1, lines.shape[-1])).reshape(lines.shape)
    return [Unknown(found if axis is None else np.moveaxis(found, -1, axis))]


# ---- matrices; operands have a common batch in front


def _blockwise(writer, node, operands, follow):
    core = node.op.core_op
    cells = [_cells(writer, v) for v in operands]
    batches = [c.shape[: c.ndim - len(s)] for c, s in zip(cells, node.op.inputs_sig, strict=True)]
    batch = np.broadcast_shapes(*batches)
    whole = [np.broadcast_to(c, (*batch, *c.shape[len(own) :])) for c, own in zip(cells, batches, strict=True)]
    if isinstance(core, OpFromGraph):
        inner = core.fgraph
        each = [follow(inner, {v: Unknown(c[i]) for v, c in zip(inner.inputs, whole)}) for i in np.ndindex(batch)]
        stacked = [np.stack([_cells(writer, one) for one in outputs]) for outputs in zip(*each, strict=True)]
        return [Unknown(s.reshape(*batch, *s.shape[1:])) for s in stacked]
    if isinstance(core, tuple(_MATRICES)):
        return _on_matrices(writer, core, whole)
    if isinstance(core, _MOVES):
        return _move(writer, node, operands)
    raise Untraceable(f"there is no instruction for {core} on a batch")


def _matrix(writer, node, operands):
    return _on_matrices(writer, node.op, [_cells(writer, v) for v in operands])


def _on_matrices(writer, core, cells):
    write = next(write for kind, write in _MATRICES.items() if isinstance(core, kind))
    found = write(writer, core, *cells)
    return [Unknown(f) for f in (found if isinstance(found, tuple) else (found,))]


def _dot(writer, op, a, b):
    row, column = a.ndim == 1, b.ndim == 1
    found = writer.matmul(a[None] if row else a, b[:, None] if column else b)
    found = found[..., 0, :] if row else found
    return found[..., 0] if column else found


def _cholesky(writer, op, a):
    if op.lower:
        return writer.cholesky(a)
    return writer.cholesky(a.swapaxes(-1, -2)).swapaxes(-1, -2)


def _solve_triangular(writer, op, a, b):
    one = op.b_ndim == 1
    found = writer.solve_triangular(a, b[..., None] if one else b, lower=op.lower, unit=op.unit_diagonal)
    return found[..., 0] if one else found


def _cholesky_solve(writer, op, factor, b):
    one = op.b_ndim == 1
    b, lower = b[..., None] if one else b, factor if op.lower else factor.swapaxes(-1, -2)
    half = writer.solve_triangular(lower, b, lower=True, unit=False)
    found = writer.solve_triangular(lower.swapaxes(-1, -2), half, lower=False, unit=False)
    return found[..., 0] if one else found


def _solve(writer, op, a, b):
    one = op.b_ndim == 1
    found = writer.solve(a, b[..., None] if one else b)
    return found[..., 0] if one else found


def _inverse(writer, op, a):
    return writer.solve(a, np.broadcast_to(writer.constant(np.eye(a.shape[-1])), a.shape))


def _sign_and_log_determinant(writer, op, a):
    return writer.log_determinant(a)


def _determinant(writer, op, a):
    sign, log = writer.log_determinant(a)
    return writer.elementwise(Code.MUL, sign, writer.elementwise(Code.EXP, log))


_MATRICES = {
    Dot: _dot,
    BatchedDot: _dot,
    Cholesky: _cholesky,
    SolveTriangular: _solve_triangular,
    CholeskySolve: _cholesky_solve,
    Solve: _solve,
    MatrixInverse: _inverse,
    SLogDet: _sign_and_log_determinant,
    Det: _determinant,
}


_MOVES = (Alloc, DimShuffle, ExtractDiag, Join, JoinDims, Repeat, Reshape, ScalarFromTensor, SpecifyShape,
          Split, SplitDims, Subtensor, AdvancedSubtensor, TensorFromScalar)  # fmt: skip
_KINDS = {
    Elemwise: _elementwise,
    (Shape, Shape_i): _shape,
    (IncSubtensor, AdvancedIncSubtensor): _inc_subtensor,
    MakeVector: _make_vector,
    _MOVES: _move,
    CAReduce: _reduce,
    CumOp: _cumulate,
    CheckAndRaise: _check,
    tuple(_MATRICES): _matrix,
}
