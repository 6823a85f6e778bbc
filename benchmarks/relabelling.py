"""Seconds and peak memory of `relabel`, by method, on draws whose labels are in disorder."""

from __future__ import annotations

import json
import sys
import time

import numpy as np

from benchmarks.clock import fresh
from benchmarks.memory import forget_peak, resident
from benchmarks.problems import overlapping, sample, separated
from benchmarks.tables import Table

TITLE = "Matching labels"
METHODS = ("pivot", "ecr-pivot", "ecr", "stephens", "order")
# M, N, K, D, how far components are apart, and the seconds that a method may take.
CASES = (
    (4000, 272, 2, 2, "apart", None),
    (4000, 1000, 5, 2, "apart", 1.0),
    (4000, 1000, 5, 2, "overlapping", None),
    (10_000, 2000, 10, 2, "apart", 60.0),
    (10_000, 2000, 10, 2, "overlapping", None),
    (4000, 1_000_000, 5, 2, "apart", None),
)


def shuffled(m: int, n: int, k: int, d: int, how: str):
    """Draws about a mixture with the spread that N rows leave, every one in an order of its own."""
    from bayesgmm.draws import from_arrays

    rng, truth = np.random.default_rng(0), (separated if how == "apart" else overlapping)(d, k)
    # Where components overlap the posterior is wider than the rows of a component alone would make it.
    sd = (1.0 if how == "apart" else 5.0) * np.sqrt(k / n)
    weights = rng.dirichlet(np.full(k, 1.0 / sd**2), m)
    means = truth.means + sd * rng.standard_normal((m, k, d))
    factors = truth.scale_trils @ (np.eye(d) + 0.5 * sd * np.tril(rng.standard_normal((m, k, d, d))))
    orders = rng.permuted(np.tile(np.arange(k), (m, 1)), axis=1)
    arrays = weights, means, factors @ factors.swapaxes(-1, -2)
    chains = (a[np.arange(m)[:, None], orders].reshape(4, m // 4, *a.shape[1:]) for a in arrays)
    return from_arrays(*chains, x=sample(truth, n))


def job(method: str, m: int, n: int, k: int, d: int, how: str) -> dict:
    """Relabel once, all code loaded, and see how far memory rose."""
    from bayesgmm.draws import relabel

    options = {"feature": "x0"} if method == "order" else {}
    relabel(shuffled(8, 50, k, d, how), method=method, **options)
    draws = shuffled(m, n, k, d, how)
    forget_peak()
    before, start = resident(peak=False), time.perf_counter()
    matched = relabel(draws, method=method, **options)
    took = time.perf_counter() - start
    return {"s": took, "extra_mb": (resident(peak=True) - before) / 1e6, "rows": matched.attrs.get("labelling_rows"),
            "steps": matched.attrs.get("labelling_steps", "").partition(",")[0] or None,
            "confidence": float(matched.sample_stats["label_confidence"].mean())}  # fmt: skip


def measure(quick: bool = False) -> list[Table]:
    """Every method on every case, in a fresh process each."""
    rows = []
    for m, n, k, d, how, wanted in CASES[:2] if quick else CASES:
        m, n = (m // 100, n // 10) if quick else (m, n)
        for method in METHODS:
            took = fresh("benchmarks.relabelling", method, m, n, k, d, how)
            rows.append({"M": m, "N": n, "K": k, "components": how, "method": method, "s": took["s"],
                         "wanted": wanted if method != "order" else None, "extra, MB": took["extra_mb"],
                         "steps": took["steps"], "rows": took["rows"], "confidence": took["confidence"]})  # fmt: skip
    note = (
        "`relabel(draws, method)` with its `label_confidence`, on M draws of K components in two features, each in a "
        "random order. `extra, MB` is the rise of the peak of resident memory, the new tree included; `confidence` "
        "the mean probability that a label is right; `rows` how many of the N labels were matched on."
    )
    return [Table("Seconds and memory of a labelling", ("M", "N", "K", "components", "method"), rows, note)]


if __name__ == "__main__":
    print(json.dumps(job(sys.argv[1], *map(int, sys.argv[2:6]), sys.argv[6])))
