"""How numba is to compile the kernel: without the GIL, reference counts, or wrappers that only Python would call."""

_NATIVE = {"nogil": True, "error_model": "numpy", "_nrt": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}

#: Leave to reorder and fuse sums, but not to assume that there is no infinity: log π_k may be −inf.
FAST = {**_NATIVE, "fastmath": {"contract", "reassoc", "arcp", "nsz"}}
#: Leave to fuse only, where the order of operations is part of the meaning.
EXACT = {**_NATIVE, "fastmath": {"contract"}}
#: No leave, where rounding errors themselves are computed, but to forget the sign of a zero: a function without flags
#: would inherit its caller's.
PLAIN = {**_NATIVE, "fastmath": {"nsz"}}
