"""Statements one after the other in this process: the seconds that each takes, and the heavy packages that it loads."""

from __future__ import annotations

import json
import sys
import time

HEAVY = ("numpy", "llvmlite", "numba", "scipy.special", "scipy.optimize", "scipy.stats", "pandas", "xarray",
         "matplotlib", "arviz_base", "arviz_stats", "arviz_plots", "arviz", "pytensor", "pytensor.link.numba.dispatch",
         "pymc", "nutpie", "sklearn", "jaxlib")  # fmt: skip


def step(code: str, names: dict) -> dict:
    """Run a statement in the namespace of those before it."""
    before = loaded()
    wall, cpu = time.perf_counter(), time.process_time()
    exec(code, names)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"code": code, "wall": wall, "cpu": cpu, "loads": [name for name in loaded() if name not in before]}


def loaded() -> list[str]:
    """The heavy packages that this process has."""
    return [name for name in HEAVY if name in sys.modules]


if __name__ == "__main__":
    names: dict = {}
    steps = [step(code, names) for code in sys.argv[1:]]
    print()
    print(json.dumps(steps))
