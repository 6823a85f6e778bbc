"""`Writer`: writes a program, instruction by instruction.

An array is known by its cells, an array of int64 of its shape: where each of its elements will lie in memory. So an
operation that only moves elements about needs no instruction: it moves cells. Cell 0 holds 0; constants lie below it,
inputs and then results above it.
"""

from __future__ import annotations

import numpy as np

from bayesgmm.tape.codes import WIDTH, Code
from bayesgmm.tape.program import Program

# Longer arrays of constants are stored as they are, not number by number.
_SHORT = 64


class Writer:
    """A program being written, of ``n_inputs`` numbers; what is written twice is computed once."""

    def __init__(self, n_inputs: int):
        self.n_inputs, self._n_cells = n_inputs, 1 + n_inputs
        self._constants, self._n_constants, self._cell_of = [], 0, {0.0: 0}
        self._index, self._n_index = [], 0
        self._instructions, self._written, self._kept = [], {}, []

    @property
    def inputs(self) -> np.ndarray:
        """Cells (n_inputs,)."""
        return np.arange(1, self.n_inputs + 1)

    def constant(self, values) -> np.ndarray:
        """The cells of numbers."""
        values = np.asarray(values, dtype=float)
        if values.size and (values == values.flat[0]).all():
            return np.full(values.shape, self._number(float(values.flat[0])))
        if values.size <= _SHORT:
            return np.array([self._number(v) for v in values.ravel().tolist()], dtype=np.int64).reshape(values.shape)
        return self._below(values.ravel()).reshape(values.shape)

    def _number(self, value: float) -> int:
        key = value if value == value and (value or not np.signbit(value)) else str(value)
        if key not in self._cell_of:
            self._cell_of[key] = int(self._below(np.array([value]))[0])
        return self._cell_of[key]

    def _below(self, values) -> np.ndarray:
        self._constants.append(values)
        self._n_constants += len(values)
        return np.arange(len(values)) - self._n_constants

    def program(self, outputs, *, finite=False) -> Program:
        """The program that ends with these cells, of which the first is its value."""
        instructions = np.zeros((len(self._instructions), WIDTH), dtype=np.int64)
        for row, fields in zip(instructions, self._instructions, strict=True):
            row[: len(fields)] = fields
        constants = np.concatenate([*reversed(self._constants), np.empty(0)])
        index = np.concatenate([*self._index, np.empty(0, dtype=np.int64)])
        return Program(instructions, index, constants, self.n_inputs, self._n_cells, outputs, finite=finite,
                       kept=tuple(self._kept))  # fmt: skip

    # ---- operations

    def elementwise(self, code: Code, *operands) -> np.ndarray:
        """f(a, b, …), broadcast."""
        operands = np.broadcast_arrays(*operands)
        shape, flat = operands[0].shape, [o.ravel() for o in operands]
        if flat[0].size and all((o == o[0]).all() for o in flat):  # one element, many times over
            flat = [o[:1] for o in flat]
        where = [part for o in flat for part in self._operand(o)]
        found = self._write(code, flat[0].size, flat[0].size, *where)
        return np.broadcast_to(found.reshape(shape if found.size != 1 else ()), shape)

    def reduce(self, code: Code, lines) -> np.ndarray:
        """Each line of cells (n, m) to one number (n,), or a running sum or product to (n, m)."""
        n, m = lines.shape
        runs = code in (Code.CUMSUM, Code.CUMPROD)
        found = self._write(code, n * m if runs else n, n, self._block(lines), m, int(runs))
        return found.reshape(n, m) if runs else found

    def add_at(self, cells, places, values) -> np.ndarray:
        """Cells to which others, ``values``, are added at flat places, a place as often as it is named."""
        flat = cells.ravel().copy()
        if len(np.unique(places)) == places.size:
            flat[places] = self._sum(flat[places], values)
            return flat.reshape(cells.shape)
        first = self._room(flat.size)
        self._note(Code.GATHER, first, flat.size, self._list(flat))
        self._note(Code.SCATTER_ADD, first, places.size, self._list(places), self._list(values))
        return np.arange(first, first + flat.size).reshape(cells.shape)

    def _sum(self, a, b):
        """Elementwise; nothing is computed where one of both is 0."""
        found, both = np.where(a == 0, b, a), (a != 0) & (b != 0)
        if both.any():
            found[both] = self.elementwise(Code.ADD, a[both], b[both])
        return found

    def matmul(self, a, b) -> np.ndarray:
        """The products of cells (…, m, k) and (…, k, n), of equal batches."""
        (*batch, m, k), n = a.shape, b.shape[-1]
        return self._on_batch(Code.MATMUL, batch, (a, b), (m, n), (m, k, n))

    def cholesky(self, a) -> np.ndarray:
        """The lower factors of cells (…, d, d)."""
        *batch, d, _ = a.shape
        found = self._on_batch(Code.CHOLESKY, batch, (a, a), (d, d), (d,))
        return np.where(np.tri(d, dtype=bool), found, 0)

    def solve_triangular(self, a, b, *, lower: bool, unit: bool) -> np.ndarray:
        """a⁻¹ b for cells (…, d, d) and (…, d, n); only one triangle of a is looked at."""
        *batch, d, n = b.shape
        return self._on_batch(Code.SOLVE_TRIANGULAR, batch, (a, b), (d, n), (d, n, int(lower), int(unit)))

    def solve(self, a, b) -> np.ndarray:
        """a⁻¹ b for cells (…, d, d) and (…, d, n)."""
        *batch, d, n = b.shape
        return self._on_batch(Code.SOLVE, batch, (a, b), (d, n), (d, n, self._spare(d * d)))

    def log_determinant(self, a) -> tuple[np.ndarray, np.ndarray]:
        """Signs, and logarithms of the sizes, of the determinants of cells (…, d, d)."""
        *batch, d, _ = a.shape
        found = self._on_batch(Code.LOGDET, batch, (a, a), (2,), (d, 0, self._spare(d * d)))
        return found[..., 0], found[..., 1]

    def _on_batch(self, code, batch, operands, shape, sizes):
        n, size = (int(np.prod(s, dtype=int)) for s in (batch, shape))
        where = [part for o in operands for part in (self._block(o), int(np.prod(o.shape[len(batch) :], dtype=int)))]
        return self._write(code, n * size, n, *where, *sizes).reshape(*batch, *shape)

    def e_step(self, rows, case_weights, log_weights, means, factors) -> tuple[np.ndarray, ...]:
        """Σ_n w_n log p(x_n) of rows (an `Incomplete`), and whitened moments m₀, m₁ and m₂."""
        k, d = means.shape
        shared = bool((factors == factors[0]).all())
        arrays = [rows.cells, rows.offsets, rows.starts, rows.features]
        weights = None if case_weights is None else np.ascontiguousarray(case_weights[rows.order], dtype=float)
        given = (0, 0) if weights is None else (weights.ctypes.data, len(weights))
        sizes = len(rows.features), d, k, 1 if shared else k
        layout = np.array([*(a.ctypes.data for a in arrays), *sizes, *given])
        self._kept += [arrays, weights, layout]
        where = [self._block(v) for v in (log_weights, means, factors[:1] if shared else factors)]
        first = self._room(1 + k + k * d + k * d * d)
        at0, at1, at2 = first + 1, first + 1 + k, first + 1 + k + k * d
        self._note(Code.ESTEP, first, 0, *where, at0, at1, at2, layout.ctypes.data)
        i, j = np.indices((d, d))
        m2 = np.arange(at2, at2 + k * d * d).reshape(k, d, d)[:, np.maximum(i, j), np.minimum(i, j)]
        return np.array(first), np.arange(at0, at1), np.arange(at1, at2).reshape(k, d), m2

    # ---- memory

    def _write(self, code, size, n, *fields) -> np.ndarray:
        """The cells of an instruction's ``size`` results; it is noted unless it stands already."""
        key = (code, n, *fields)
        if key not in self._written:
            self._written[key] = self._room(size)
            self._note(code, self._written[key], n, *fields)
        return np.arange(self._written[key], self._written[key] + size)

    def _note(self, *fields):
        self._instructions.append(tuple(map(int, fields)))

    def _room(self, size: int) -> int:
        first, self._n_cells = self._n_cells, self._n_cells + size
        return first

    def _spare(self, size: int) -> int:
        """Room that every instruction may use for itself."""
        key = ("spare", size)
        if key not in self._written:
            self._written[key] = self._room(size)
        return self._written[key]

    def _operand(self, cells) -> tuple[int, int]:
        """Where the elements of a line of cells begin, and the step from each to the next."""
        if cells.size and (cells == cells[0]).all():
            return int(cells[0]), 0
        return self._block(cells), 1

    def _block(self, cells) -> int:
        """The first of consecutive cells with these contents."""
        flat = cells.ravel()
        if flat.size == 0 or (np.diff(flat) == 1).all():
            return int(flat[0]) if flat.size else 0
        key = (Code.GATHER, flat.tobytes())
        if key not in self._written:
            self._written[key] = self._room(flat.size)
            self._note(Code.GATHER, self._written[key], flat.size, self._list(flat))
        return self._written[key]

    def _list(self, numbers) -> int:
        """Where a list of cells, or of places, begins in the index."""
        self._index.append(np.asarray(numbers, dtype=np.int64).ravel())
        self._n_index += self._index[-1].size
        return self._n_index - self._index[-1].size
