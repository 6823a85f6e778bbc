"""Seconds and peak memory of `partition`, as rows, draws and losses vary; beside R's salso where Rscript has it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np

from benchmarks.clock import fresh
from benchmarks.memory import forget_peak, resident
from benchmarks.tables import Table

TITLE = "Partitions"
# N, M, the loss, and the CPU seconds that it may take.
CASES = (
    (250, 1000, "vi", None),
    (1000, 1000, "vi", 10.0),
    (1000, 1000, "vi_bound", 10.0),
    (1000, 1000, "binder", 10.0),
    (1000, 1000, "nvi", None),
    (4000, 1000, "vi", None),
    (20_000, 500, "vi", None),
)
_SALSO = """
x <- as.matrix(read.csv("{path}", header = FALSE)); set.seed(1); t <- proc.time()
e <- salso::salso(x, loss = "{loss}", nRuns = 16, nCores = 1)
took <- sum((proc.time() - t)[c(1, 2)])
cat(took, salso::partition.loss(e, x, loss = "{loss}"))
"""


def labels_of(n: int, m: int, k: int = 6) -> np.ndarray:
    """Draws (M, N) of the allocations to k Gaussians in the plane, and to a few that come and go."""
    rng = np.random.default_rng(0)
    means = rng.normal(scale=4.0, size=(k, 2))
    x = means[rng.integers(k, size=n)] + rng.standard_normal((n, 2))
    found = np.empty((m, n), dtype=np.int32)
    for row in found:
        extra = rng.normal(scale=4.0, size=(rng.poisson(2), 2))
        at = np.concatenate([means + 0.1 * rng.standard_normal(means.shape), extra])
        density = np.log(np.where(np.arange(len(at)) < k, 1.0, 0.03)) - 0.5 * ((x[:, None] - at) ** 2).sum(axis=2)
        row[:] = (density + rng.gumbel(size=density.shape)).argmax(axis=1)
    return found


def job(n: int, m: int, loss: str) -> dict:
    """Search once, all code loaded, and see how far memory rose."""
    import bayesgmm as bg

    bg.partition(labels_of(30, 8), loss=loss, seed=0)
    draws = labels_of(n, m)
    forget_peak()
    before, wall, cpu = resident(peak=False), time.perf_counter(), time.process_time()
    found = bg.partition(draws, loss=loss, seed=0, progress=False)
    return {"s": time.perf_counter() - wall, "cpu": time.process_time() - cpu,
            "extra_mb": (resident(peak=True) - before) / 1e6, "clusters": found.n_clusters,
            "loss": found.expected_loss, "reached": f"{found.reached} of {found.restarts}"}  # fmt: skip


def salso(n: int, m: int, loss: str) -> tuple[float, float] | None:
    """CPU seconds of R's salso, and the expected loss of what it finds (VI in bits); None without Rscript or salso."""
    if shutil.which("Rscript") is None or loss not in ("vi", "binder"):
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "draws.csv")
        np.savetxt(path, labels_of(n, m) + 1, fmt="%d", delimiter=",")
        name = {"vi": "VI", "binder": "binder"}[loss]
        done = subprocess.run(["Rscript", "-e", _SALSO.format(path=path, loss=name)], capture_output=True, text=True)
    return None if done.returncode else tuple(float(part) for part in done.stdout.split())


def measure(quick: bool = False) -> list[Table]:
    """Every case in a fresh process."""
    rows = []
    for n, m, loss, wanted in CASES[:4] if quick else CASES:
        n, m = (n // 10, m // 20) if quick else (n, m)
        took, theirs = fresh("benchmarks.partitions", n, m, loss), salso(n, m, loss)
        rows.append({"N": n, "M": m, "loss": loss, "s": took["s"], "CPU s": took["cpu"], "wanted": wanted,
                     "extra, MB": took["extra_mb"], "clusters": took["clusters"], "expected loss": took["loss"],
                     "reached by": took["reached"], "salso, CPU s": theirs and theirs[0],
                     "salso, loss": theirs and theirs[1]})  # fmt: skip
    note = (
        "`partition(draws, loss=…)`, 16 starts, on M draws of the clusters of N rows: six overlapping Gaussians in the "
        "plane, and some that come and go. `wanted` is in CPU seconds; `extra, MB` the rise of the peak of resident "
        "memory; `reached by` how many starts ended at the best loss. salso is run where Rscript has it."
    )
    return [Table("Seconds and memory of a partition", ("N", "M", "loss"), rows, note)]


if __name__ == "__main__":
    print(json.dumps(job(*map(int, sys.argv[1:3]), sys.argv[3])))
