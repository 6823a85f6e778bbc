"""The instructions, by number. All speak of cells of one memory of doubles; ints and bools are kept as doubles."""

from __future__ import annotations

from enum import IntEnum

#: Integers that an instruction has at most, its code among them.
WIDTH = 16

_UNARY = """abs arccos arcsin arctan ceil cos cosh erf erfc erfcx exp exp2 expm1 floor isinf isnan lgamma log log10
log1mexp log1p log2 neg not psi reciprocal sigmoid sign sin sinh softplus sqr sqrt tan tanh trigamma trunc""".split()
_BINARY = "add arctan2 div eq ge gt intdiv le lt maximum minimum mod mul neq or and pow sub xor".split()
_TERNARY = "clip switch".split()
_ARRAYS = """gather scatter_add sum prod max min cumsum cumprod matmul cholesky solve_triangular solve logdet
estep""".split()

Code = IntEnum("Code", [name.upper() for name in (*_UNARY, *_BINARY, *_TERNARY, *_ARRAYS)], start=0)
LAST_UNARY, LAST_BINARY, LAST_TERNARY = Code.TRUNC, Code.XOR, Code.SWITCH


def arity(code: Code) -> int:
    """How many operands an elementwise instruction has; 0 for one that works on arrays."""
    return 1 if code <= LAST_UNARY else 2 if code <= LAST_BINARY else 3 if code <= LAST_TERNARY else 0
