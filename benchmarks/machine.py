"""What the machine can do by itself: multiply-adds, and bytes read, a second. Both bound an EM pass from below."""

from __future__ import annotations

import os
import platform
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
from numba import njit
from threadpoolctl import threadpool_info, threadpool_limits

from benchmarks.clock import seconds
from benchmarks.tables import Table

TITLE = "The machine's own bounds"
FORMULA = (
    "A pass is bound by its arithmetic, N·K·(D(D+1) + 3D + 20) multiply-adds (whitening and second moments D(D+1)/2 "
    "each, distance and first moments 3D, exponential and normalisation about 20; tied: whitening once a row; "
    "diagonal and spherical: N·K·(6D + 20)), and by reading the rows once, N·D numbers; the bound is the larger of "
    "the two at the machine's measured rates, and `of bound` is the bound over our time."
)


@njit(nogil=True, fastmath=True, cache=True)
def _tile(x, y, rounds):
    """All products of two rows with four others, summed: eight multiply-adds a column, kept in registers."""
    total = x[0, 0] - x[0, 0]
    for r in range(rounds):
        a = b = c = d = e = f = g = h = x[0, 0] - x[0, 0]
        for i in range(x.shape[1]):
            p, q, s, t, u, v = x[0, i], x[1, i], y[0, i], y[1, i], y[2, i], y[3, i]
            a += p * s
            b += p * t
            c += p * u
            d += p * v
            e += q * s
            f += q * t
            g += q * u
            h += q * v
        total += a + b + c + d + e + f + g + h
        x[0, r % x.shape[1]] = total * 0 + 1
    return total


@njit(nogil=True, fastmath=True, cache=True)
def _total(x):
    total = 0.0
    for i in range(x.shape[0]):
        total += x[i]
    return total


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor() -> str:
    """The processor's name, as the system gives it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _together(run, arguments: list) -> float:
    """Seconds until all calls, a thread each, are done; the best of five."""
    with ThreadPoolExecutor(len(arguments)) as pool:
        return min(seconds(lambda: list(pool.map(lambda a: run(*a), arguments))) for _ in range(5))


@cache
def multiply_adds(threads: int, dtype: str = "float64", quick: bool = False) -> float:
    """Fused multiply-adds a second: the better of a register tile of our own and of the matrix product of BLAS."""
    columns, rounds, size = 512, 200 if quick else 20_000, 128 if quick else 1536
    problems = [(np.ones((2, columns), dtype), np.ones((4, columns), dtype), rounds) for _ in range(threads)]
    _tile(*problems[0])
    tile = threads * rounds * columns * 8 / _together(_tile, problems)
    a = np.ones((size, size), dtype)
    with threadpool_limits(threads, "blas"):
        product = size**3 / min(seconds(lambda: a @ a) for _ in range(4))
    return max(tile, product)


@cache
def bandwidth(threads: int, quick: bool = False) -> float:
    """Bytes a second that a sum over 400 MB reads."""
    x = np.ones(500_000 if quick else 50_000_000)
    parts = [(part,) for part in np.array_split(x, threads)]
    _total(parts[0][0])
    return x.nbytes / _together(_total, parts)


def bound(n: int, d: int, k: int, covariance_type: str = "full", *, dtype: str = "float64",
          threads: int | None = None, quick: bool = False) -> float:  # fmt: skip
    """Seconds below which a pass cannot fall on this machine, see `FORMULA`."""
    half = d * (d + 1) / 2
    work = {
        "full": n * k * (2 * half + 3 * d + 20),
        "tied": n * half + n * k * (half + 3 * d + 20),
        "diag": n * k * (6 * d + 20),
        "spherical": n * k * (6 * d + 20),
    }[covariance_type]
    threads = threads or cores()
    return max(
        work / multiply_adds(threads, dtype, quick), n * d * np.dtype(dtype).itemsize / bandwidth(threads, quick)
    )


def blas() -> str:
    """The BLAS behind NumPy and SciPy, and the threads that it takes when left alone, as scikit-learn leaves it."""
    found = {f"{b['internal_api']} {b['version']}, {b['num_threads']} threads"
             for b in threadpool_info() if b["user_api"] == "blas"}  # fmt: skip
    return "; ".join(sorted(found))


def measure(quick: bool = False) -> list[Table]:
    """Rates with one thread and with all."""
    rows = [
        {
            "threads": t,
            "float64 multiply-adds, 1e9/s": multiply_adds(t, "float64", quick) / 1e9,
            "float32 multiply-adds, 1e9/s": multiply_adds(t, "float32", quick) / 1e9,
            "memory read, GB/s": bandwidth(t, quick) / 1e9,
        }
        for t in sorted({1, cores()})
    ]
    note = (
        "Multiply-adds: the better of a 2 × 4 register tile and of BLAS' matrix product. Memory: a sum over 400 MB. "
        f"scikit-learn may use every core through {blas()}. {FORMULA}"
    )
    return [Table("Rates", ("threads",), rows, note)]
