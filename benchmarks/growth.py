"""How an EM pass grows: with N, with D, with K, and with threads."""

from __future__ import annotations

import numpy as np

from bayesgmm.kernel import set_threads
from benchmarks.clock import against, side_by_side
from benchmarks.machine import bound, cores
from benchmarks.passes import ours, problem, row, scikit_learn, with_blas
from benchmarks.tables import Table

TITLE = "How an EM pass grows"
N_SIZES = [(n, 5, 5) for n in (1_000, 10_000, 100_000, 1_000_000)]
D_SIZES = [(n, d, 5) for n, d in ((100_000, 2), (100_000, 5), (100_000, 10), (50_000, 20), (20_000, 50))]
K_SIZES = [(100_000, 5, k) for k in (2, 5, 10, 20, 50)]
THREAD_SIZES = [(100_000, 5, 5), (1_000_000, 10, 10)]


def _grow(name: str, sizes, quick: bool) -> Table:
    rows = []
    for n, d, k in sizes:
        n, repeats = (min(n // 100, 1000) + 20 * k, 1) if quick else (n, 5)
        took = row(n, d, k, repeats=repeats, quick=quick)
        per = {"ours, ns a row and component": took["ours, s"] / (n * k) * 1e9}
        rows.append({"N": n, "D": d, "K": k} | took | per)
    return Table(name, ("N", "D", "K"), rows)


def _with(threads: int, run):
    """The same call with so many threads of ours."""

    def limited():
        before = set_threads(threads)
        try:
            run()
        finally:
            set_threads(before)

    return limited


def _threads(quick: bool) -> Table:
    counts, rows = sorted({1, 2, cores()} & set(range(1, cores() + 1))), []
    for n, d, k in THREAD_SIZES:
        n, repeats = (1000, 1) if quick else (n, 5)
        x, theta = problem(n, d, k)
        mine, theirs = ours(x, theta), scikit_learn(x, theta)
        runs = {("ours", t): _with(t, mine) for t in counts} | {("theirs", t): with_blas(t, theirs) for t in counts}
        took = side_by_side(runs, repeats)
        for t in counts:
            mine, theirs = took["ours", t], took["theirs", t]
            rows.append({"N": n, "D": d, "K": k, "threads": t, "ours, s": float(np.median(mine)),
                         "scikit-learn, s": float(np.median(theirs)), "ratio": against(mine, theirs),
                         "ours, times as fast as with one": against(mine, took["ours", 1]),
                         "of bound": bound(n, d, k, threads=t, quick=quick) / float(np.median(mine))})  # fmt: skip
    return Table("With threads", ("N", "D", "K", "threads"), rows, "scikit-learn's BLAS has as many threads as we do.")


def measure(quick: bool = False) -> list[Table]:
    """Four tables, one a letter."""
    return [_grow("With N", N_SIZES, quick), _grow("With D", D_SIZES, quick), _grow("With K", K_SIZES, quick),
            _threads(quick)]  # fmt: skip
