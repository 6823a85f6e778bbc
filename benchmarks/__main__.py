"""Run every benchmark and write ``benchmarks/results.md`` and ``benchmarks/results.json``."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np

from benchmarks.passes import measure

HERE = Path(__file__).parent
PACKAGES = ("bayesgmm", "pymc", "pytensor", "nutpie", "numba", "numpy", "scikit-learn", "arviz")


def fresh(module: str, *, cold: bool = False) -> dict:
    """Run a module in a new process; ``cold`` gives it an empty PyTensor cache."""
    with tempfile.TemporaryDirectory() as empty:
        flags = {"PYTENSOR_FLAGS": f"base_compiledir={empty}"} if cold else {}
        command = [sys.executable, "-W", "ignore", "-m", module]
        done = subprocess.run(command, env=os.environ | flags, cwd=HERE.parent, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{module} failed: {done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def medians(runs: list[dict]) -> dict:
    """Field by field, over runs of the same job."""
    return {key: float(np.median([r[key] for r in runs])) for key in ("wall_s", "cpu_s")}


def main(repeats: int = 2) -> None:
    """Measure, then write both files."""
    passes = measure()
    cold = {name: fresh(f"benchmarks.{name}", cold=True) for name in ("ours", "stock")}
    for name in ("ours", "stock"):
        fresh(f"benchmarks.{name}")  # fills the caches
    pairs = [(fresh("benchmarks.ours"), fresh("benchmarks.stock")) for _ in range(repeats)]
    warm = {"ours": medians([a for a, _ in pairs]), "stock": medians([b for _, b in pairs])}
    results = {
        "machine": f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}",
        "versions": {name: version(name) for name in PACKAGES},
        "em_pass": passes,
        "old_faithful": {"cold": cold, "warm": warm, "steps": pairs[-1][0]["steps"], "repeats": repeats},
    }
    (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (HERE / "results.md").write_text(page(results))
    print(page(results))


def page(results: dict) -> str:
    """The results as Markdown."""
    old = results["old_faithful"]
    lines = [
        "# Benchmarks",
        "",
        f"`make bench`, {results['machine']}; " + ", ".join(f"{k} {v}" for k, v in results["versions"].items()) + ".",
        "The machine is shared and noisy: trust the ratios, medians of pairs in one run.",
        "",
        "## An EM pass (E and M step, full covariances, float64)",
        "",
        "| N | D | K | bayesgmm, s | scikit-learn, s | ratio |",
        "|---|---|---|---|---|---|",
        *(
            f"| {r['N']} | {r['D']} | {r['K']} | {r['ours_s']:.3g} | {r['scikit_learn_s']:.3g} | {r['ratio']:.1f} |"
            for r in results["em_pass"]
        ),
        "",
        "## Old Faithful, K = 2, 4 × (1000 + 1000) draws, in a fresh process",
        "",
        "Ours is the whole main job: import, EM, MAP, posterior, table, NetCDF and figures. Stock is `pm.Mixture` of",
        "`pm.MvNormal` under the same prior, import and sampling alone. Warm caches are medians of "
        f"{old['repeats']} runs; empty PyTensor caches one run.",
        "",
        "| | ours, CPU s | ours, wall s | stock, CPU s | stock, wall s |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {seconds_of(old[key])} |"
            for name, key in (("warm caches", "warm"), ("empty PyTensor caches", "cold"))
        ),
        "",
        "| step (ours, warm) | CPU s | wall s |",
        "|---|---|---|",
        *(f"| {s['step']} | {s['cpu_s']:.1f} | {s['wall_s']:.1f} |" for s in old["steps"]),
        "",
    ]
    return "\n".join(lines)


def seconds_of(row: dict) -> str:
    """CPU and wall seconds of ours, then of stock PyMC, as cells."""
    return " | ".join(f"{row[who][clock]:.1f}" for who in ("ours", "stock") for clock in ("cpu_s", "wall_s"))


if __name__ == "__main__":
    main()
