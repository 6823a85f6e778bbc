"""One pass over the rows: addresses and sizes for the compiled kernel, and threads to run it."""

from __future__ import annotations

from functools import lru_cache
from itertools import accumulate
from threading import local
from typing import NamedTuple

import numpy as np

from bayesgmm.kernel import plan
from bayesgmm.kernel.library import MERGE, WALK, function
from bayesgmm.kernel.threads import pool, threads
from bayesgmm.kernel.whitening import Whitening

# How responsibilities become what a component answers for; as `assign.py` numbers them.
SOFT, HARD, DRAW = 0, 1, 2


class Moments(NamedTuple):
    """Weighted moments of z = L_k⁻¹ (x − μ_k) about zero; the weights may be signed."""

    m0: np.ndarray  # (K,)
    m1: np.ndarray  # (K, D)
    m2: np.ndarray  # (K, D, D), or (K, D, 1) for diagonal factors


class Pass(NamedTuple):
    """What a pass over the rows returns."""

    log_likelihood: float  # Σ w log p
    moments: Moments
    log_prob: np.ndarray | None  # (N,), if asked for
    responsibilities: np.ndarray | None  # (N, K), if asked for


def evaluate(x, log_weights, means, whitening: Whitening, row_weights=None, *, assign=SOFT, key=(0, 0),
             pointwise=True, responsibilities=False, single=False) -> Pass:  # fmt: skip
    """Walk over rows x (N, D) of any layout, double or single, in double or, if ``single``, single arithmetic.

    Nothing is checked. Extra memory is that of a block a thread, and what is asked for.
    """
    n, (k, d) = len(x), means.shape
    factors = whitening.factors
    f, width = len(factors), d if factors.ndim == 3 else 1
    weights = None if row_weights is None else np.ascontiguousarray(row_weights, dtype=float)
    log_prob = np.empty(n) if pointwise else None
    r = np.zeros((n, k)) if responsibilities else None
    ranges, starts, room = _layout(n, k, d, f, width, 4 if single else 8)

    theta = np.concatenate((log_weights, means, factors), axis=None, dtype=float)
    shared = np.zeros(starts[-1] + 2)
    shared[: len(theta)] = theta
    if assign == DRAW:
        shared[-2:].view(np.uint64)[:] = key
    first = address(shared)
    at = [first + 8 * start for start in starts]
    parameters, parts, totals, (counter, keys) = at[:3], at[3:7], at[7:11], at[11:]
    walk = function(WALK[("s" if x.itemsize == 4 else "d") + ("s" if single else "d")])
    problem = (counter, address(x), *x.strides, n, k, d, f, width, *parameters, *_given(weights),
               assign, keys, *_given(log_prob), *_given(r), ranges, *parts)  # fmt: skip
    together(lambda: walk(*problem, own_memory(room)), min(ranges, plan.n_workers(threads(), n, k, d, width)))
    function(MERGE)(k, d, width, ranges, *parts, *totals)
    total = shared[starts[7] : starts[11]]
    moments = Moments(total[1 : 1 + k], total[1 + k : 1 + k + k * d].reshape(k, d),
                      total[1 + k + k * d :].reshape(k, d, width))  # fmt: skip
    return Pass(float(total[0]), moments, log_prob, r)


# A fit asks for the same again and again.
@lru_cache
def _layout(n, k, d, f, width, size) -> tuple[int, tuple[int, ...], int]:
    """The number of ranges; what begins where in the array that all threads share; the bytes that each has to itself.

    Shared are θ in three parts; the ranges' Σ w log p, m₀, m₁ and m₂, and those of all rows; the counter of ranges; and
    the key, two numbers long.
    """
    ranges, sizes = plan.n_ranges(n, k, d, width), (1, k, k * d, k * d * width)
    parts = k, k * d, f * d * width, *(ranges * s for s in sizes), *sizes, 1
    return ranges, tuple(accumulate(parts, initial=0)), plan.memory(k, d, f, width, size).bytes


class _Own(local):
    """A thread's memory, kept from pass to pass: the system takes longer to give it than a small pass takes."""

    memory = np.empty(0, dtype=np.uint8)


_own = _Own()


def own_memory(size: int) -> int:
    """The address of so many bytes of this thread's, at the beginning of a cache line."""
    if _own.memory.size < size + 64:
        _own.memory = np.empty(size + 64, dtype=np.uint8)
    return -(-address(_own.memory) // 64) * 64


def together(work, workers: int) -> None:
    """Run ``work`` in the calling thread and in as many others as are wanted and free."""
    jobs = [pool(workers - 1).submit(work) for _ in range(workers - 1)]
    try:
        work()
    finally:
        # The memory is written to until all are done; a job that has not begun finds nothing left to do.
        left = [job for job in jobs if not job.cancel()]
        for job in left:
            job.result()


def _given(array) -> tuple[int, int]:
    """Address and length of an array that may be left out."""
    return (0, 0) if array is None else (address(array), len(array))


def address(array: np.ndarray) -> int:
    """Where an array's first number stands; whoever uses it keeps the array alive."""
    return array.__array_interface__["data"][0]
