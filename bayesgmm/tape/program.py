"""`Program`: a list of instructions with the numbers it needs, that runs natively."""

from __future__ import annotations

import numpy as np

from bayesgmm.kernel.library import address as address_of
from bayesgmm.kernel.library import function
from bayesgmm.tape.codes import WIDTH
from bayesgmm.tape.machine import ROUTINE


class Program:
    """A function of n numbers, as `Writer.program` makes it.

    Parameters
    ----------
    instructions : ndarray (R, WIDTH) of int64
    index : ndarray of int64
        Lists of cells, which instructions point into.
    constants : ndarray
        They lie before cell 0.
    n_inputs : int
        They lie from cell 1 on.
    n_cells : int
        From cell 0 on.
    outputs : ndarray of int64
        Cells; the first is the program's value.
    finite : bool
        Whether an output that is not finite is a failure.
    kept : tuple
        Arrays to whose addresses instructions point.
    """

    def __init__(self, instructions, index, constants, n_inputs, n_cells, outputs, *, finite=False, kept=()):
        instructions = np.ascontiguousarray(instructions, dtype=np.int64).reshape(-1, WIDTH)
        index, outputs = (np.ascontiguousarray(v, dtype=np.int64) for v in (index, outputs))
        constants = np.ascontiguousarray(constants, dtype=float)
        self.size, self.n_outputs, self._kept = n_inputs, len(outputs) - 1, (instructions, index, constants, kept)
        self._outputs, self._call = outputs, function(ROUTINE)
        self._layout = np.array(
            [_at(instructions), len(instructions), _at(index), _at(constants), len(constants), n_cells, _at(outputs),
             self.n_outputs, finite]
        )  # fmt: skip

    @property
    def pointer(self) -> tuple[int, int]:
        """Addresses of the C function (n, inputs, outputs, value, program) and of this program, while it lives."""
        return address_of(ROUTINE), _at(self._layout)

    def __call__(self, inputs) -> tuple[float, np.ndarray]:
        """The value, and the other outputs, at inputs (n,); −inf and zeros where they had to be finite and are not."""
        inputs = np.ascontiguousarray(inputs, dtype=float)
        if inputs.shape != (self.size,):
            raise ValueError(f"the program takes {self.size} numbers, not {inputs.shape}")
        value, outputs = np.empty(1), np.empty(self.n_outputs)
        if self._call(self.size, _at(inputs), _at(outputs), _at(value), _at(self._layout)):
            return -np.inf, np.zeros(self.n_outputs)
        return float(value[0]), outputs


def _at(array) -> int:
    return array.ctypes.data
