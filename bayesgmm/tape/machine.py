"""The loop that works through a program, compiled once: the C function (n, inputs, outputs, value, program)."""

from __future__ import annotations

import math

from numba import njit, types

from bayesgmm.kernel import plan, sizes  # noqa: F401 (sizes lets compiled code call plan)
from bayesgmm.kernel.compiler import external
from bayesgmm.kernel.library import PATTERNS, Routine
from bayesgmm.kernel.options import EXACT
from bayesgmm.kernel.views import d1, d2, d3, i1, i2
from bayesgmm.tape.codes import LAST_BINARY, LAST_TERNARY, LAST_UNARY, WIDTH, Code
from bayesgmm.tape.scalars import binary, ternary, unary

_FILES = tuple(f"tape/{name}.py" for name in ("codes", "scalars", "machine"))
ROUTINE = Routine("tape", 5, __name__, _FILES, (PATTERNS,))
# What nutpie takes for a divergence.
OUTSIDE = 4

_pass = external(PATTERNS)
_malloc = types.ExternalFunction("malloc", types.int64(types.int64))
_free = types.ExternalFunction("free", types.void(types.int64))


def function(name):
    """Run a program at ``inputs`` (n,): its first output is ``value`` (1,), the others are ``outputs``.

    ``program`` is what `program.Program` lays out. Returns other than 0 where an output is not finite, if that matters
    to the program.
    """

    def run(n, inputs, outputs, value, program):
        p = i1(program, (9,))
        n_below, n_cells, n_outputs = p[4], p[5], p[7]
        start = _malloc(8 * (n_below + n_cells))
        memory = d1(start, (n_below + n_cells,))
        _copy(d1(p[3], (n_below,)), memory)
        memory[n_below] = 0.0
        _copy(d1(inputs, (n,)), memory[n_below + 1 :])
        _execute(i2(p[0], (p[1], WIDTH)), p[2], start + 8 * n_below, memory, n_below)
        places = i1(p[6], (n_outputs + 1,))
        d1(value, (1,))[0] = memory[n_below + places[0]]
        is_finite = math.isfinite(memory[n_below + places[0]])
        out = d1(outputs, (n_outputs,))
        for i in range(n_outputs):
            out[i] = memory[n_below + places[i + 1]]
            is_finite = is_finite and math.isfinite(out[i])
        _free(start)
        return OUTSIDE if p[8] and not is_finite else 0

    return run


@njit(**EXACT)
def _copy(a, b):
    for i in range(a.shape[0]):
        b[i] = a[i]


@njit(**EXACT)
def _execute(instructions, index, start, memory, n_below):
    """``index`` is the address of the lists of cells, ``start`` that of cell 0, which has ``n_below`` below it."""
    for r in range(instructions.shape[0]):
        c = instructions[r]
        code, out, n = c[0], n_below + c[1], c[2]
        one, two, three = n_below + c[3], n_below + c[5], n_below + c[7]
        if code <= LAST_UNARY:
            for i in range(n):
                memory[out + i] = unary(code, memory[one + i * c[4]])
        elif code <= LAST_BINARY:
            for i in range(n):
                memory[out + i] = binary(code, memory[one + i * c[4]], memory[two + i * c[6]])
        elif code <= LAST_TERNARY:
            for i in range(n):
                a, b = memory[one + i * c[4]], memory[two + i * c[6]]
                memory[out + i] = ternary(code, a, b, memory[three + i * c[8]])
        elif code == Code.GATHER:
            cells = i1(index + 8 * c[3], (n,))
            for i in range(n):
                memory[out + i] = memory[n_below + cells[i]]
        elif code == Code.SCATTER_ADD:
            places, cells = i1(index + 8 * c[3], (n,)), i1(index + 8 * c[4], (n,))
            for i in range(n):
                memory[out + places[i]] += memory[n_below + cells[i]]
        elif code <= Code.CUMPROD:
            _reduce(code, d2(start + 8 * c[3], (n, c[4])), d2(start + 8 * c[1], (n, c[4] if c[5] else 1)))
        else:
            _on_matrices(c, start)


@njit(**EXACT)
def _reduce(code, lines, out):
    """Each line to one number, or to as many as it has."""
    running = code == Code.CUMSUM or code == Code.CUMPROD
    for i in range(lines.shape[0]):
        total = 1.0 if code == Code.PROD or code == Code.CUMPROD else 0.0
        if code == Code.MAX or code == Code.MIN:
            total = lines[i, 0]
        for j in range(lines.shape[1]):
            a = lines[i, j]
            if code == Code.SUM or code == Code.CUMSUM:
                total += a
            elif code == Code.PROD or code == Code.CUMPROD:
                total *= a
            elif math.isnan(a) or (code == Code.MAX and a > total) or (code == Code.MIN and a < total):
                total = a
            if running:
                out[i, j] = total
        if not running:
            out[i, 0] = total


@njit(**EXACT)
def _on_matrices(c, start):
    """``c`` has, after code, output and batch: operands with their steps from one of the batch to the next; sizes."""
    code, out, batch = c[0], start + 8 * c[1], c[2]
    for b in range(batch):
        one, two = start + 8 * (c[3] + b * c[4]), start + 8 * (c[5] + b * c[6])
        if code == Code.MATMUL:
            m, k, n = c[7], c[8], c[9]
            _multiply(d2(one, (m, k)), d2(two, (k, n)), d2(out + 8 * b * m * n, (m, n)))
        elif code == Code.CHOLESKY:
            d = c[7]
            _cholesky(d2(one, (d, d)), d2(out + 8 * b * d * d, (d, d)))
        elif code == Code.SOLVE_TRIANGULAR:
            d, n = c[7], c[8]
            _solve_triangular(d2(one, (d, d)), d2(two, (d, n)), c[9], c[10], d2(out + 8 * b * d * n, (d, n)))
        elif code == Code.SOLVE:
            d, n = c[7], c[8]
            room = start + 8 * c[9]
            _solve(d2(one, (d, d)), d2(two, (d, n)), d2(room, (d, d)), d2(out + 8 * b * d * n, (d, n)))
        elif code == Code.LOGDET:
            d = c[7]
            _log_determinant(d2(one, (d, d)), d2(start + 8 * c[9], (d, d)), d1(out + 16 * b, (2,)))
    if code == Code.ESTEP:
        _estep(c, start)


@njit(**EXACT)
def _multiply(a, b, out):
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            out[i, j] = 0.0
        for h in range(a.shape[1]):
            for j in range(b.shape[1]):
                out[i, j] += a[i, h] * b[h, j]


@njit(**EXACT)
def _cholesky(a, out):
    """NaN where a is not positive definite."""
    d = a.shape[0]
    for i in range(d):
        for j in range(d):
            out[i, j] = 0.0
        for j in range(i + 1):
            s = a[i, j]
            for h in range(j):
                s -= out[i, h] * out[j, h]
            if i == j:
                out[i, i] = math.sqrt(s) if s > 0 else math.nan
            else:
                out[i, j] = s / out[j, j]


@njit(**EXACT)
def _solve_triangular(a, b, lower, unit, out):
    d = a.shape[0]
    for step in range(d):
        i = step if lower else d - 1 - step
        for j in range(b.shape[1]):
            out[i, j] = b[i, j]
        for h in range(0 if lower else i + 1, i if lower else d):
            for j in range(b.shape[1]):
                out[i, j] -= a[i, h] * out[h, j]
        if not unit:
            for j in range(b.shape[1]):
                out[i, j] /= a[i, i]


@njit(**EXACT)
def _eliminate(a, lu, b):
    """Gauss's elimination of a, with row exchanges that b shares; the sign of the exchanges."""
    d, sign = a.shape[0], 1.0
    for i in range(d):
        for j in range(d):
            lu[i, j] = a[i, j]
    for i in range(d):
        pivot = i
        for r in range(i + 1, d):
            if abs(lu[r, i]) > abs(lu[pivot, i]):
                pivot = r
        if pivot != i:
            sign = -sign
            for j in range(d):
                lu[i, j], lu[pivot, j] = lu[pivot, j], lu[i, j]
            for j in range(b.shape[1]):
                b[i, j], b[pivot, j] = b[pivot, j], b[i, j]
        for r in range(i + 1, d):
            lu[r, i] /= lu[i, i]
            for j in range(i + 1, d):
                lu[r, j] -= lu[r, i] * lu[i, j]
            for j in range(b.shape[1]):
                b[r, j] -= lu[r, i] * b[i, j]
    return sign


@njit(**EXACT)
def _solve(a, b, lu, out):
    for i in range(b.shape[0]):
        for j in range(b.shape[1]):
            out[i, j] = b[i, j]
    _eliminate(a, lu, out)
    for i in range(a.shape[0] - 1, -1, -1):
        for j in range(b.shape[1]):
            for h in range(i + 1, a.shape[0]):
                out[i, j] -= lu[i, h] * out[h, j]
            out[i, j] /= lu[i, i]


@njit(**EXACT)
def _log_determinant(a, lu, out):
    """The sign of a determinant, and the logarithm of its size."""
    sign, total = _eliminate(a, lu, lu[:, :0]), 0.0
    for i in range(a.shape[0]):
        total += math.log(abs(lu[i, i]))
        sign = -sign if lu[i, i] < 0 else sign
    out[0], out[1] = sign, total


@njit(**EXACT)
def _estep(c, start):
    """A pass over the rows: Σ_n log p(x_n), and the whitened moments m₀, m₁ and m₂, below the diagonal and on it."""
    log_likelihood, m0, m1, m2 = start + 8 * c[1], start + 8 * c[6], start + 8 * c[7], start + 8 * c[8]
    log_weights, means, factors = start + 8 * c[3], start + 8 * c[4], start + 8 * c[5]
    p = i1(c[9], (10,))
    d, k, f = p[5], p[6], p[7]
    is_proper = True
    for g in range(f):
        for j in range(d):
            diagonal = d3(factors, (f, d, d))[g, j, j]
            is_proper = is_proper and diagonal > 0 and math.isfinite(diagonal)
    _fill(d1(log_likelihood, (1,)), 0.0 if is_proper else math.nan)
    _fill(d1(m0, (k,)), 0.0)
    _fill(d1(m1, (k * d,)), 0.0)
    _fill(d1(m2, (k * d * d,)), 0.0)
    if is_proper:
        room = _malloc(plan.pattern_memory(k, d, f, d).bytes + 64)
        _pass(p[0], p[1], p[2], p[3], p[4], d, k, f, d, log_weights, means, factors, p[8], p[9], 0, 0, 0, 0, 0,
              log_likelihood, m0, m1, m2, (room + 63) // 64 * 64)  # fmt: skip
        _free(room)


@njit(**EXACT)
def _fill(a, value):
    for i in range(a.shape[0]):
        a[i] = value
