"""The main job on Old Faithful in a fresh process, beside the sampling alone of the same story in stock PyMC."""

from __future__ import annotations

import numpy as np

from benchmarks.clock import fresh
from benchmarks.tables import Table

TITLE = "The posterior of Old Faithful"
WHO = {"ours": "benchmarks.ours", "stock PyMC": "benchmarks.stock"}


def _row(caches: str, who: str, runs: list[dict]) -> dict:
    median = {key: float(np.median([r[key] for r in runs])) for key in ("cpu_s", "wall_s")}
    return {"caches": caches, "who": who, "CPU, s": median["cpu_s"], "wall, s": median["wall_s"], "runs": len(runs)}


def measure(quick: bool = False) -> list[Table]:
    """With empty PyTensor caches once, with warm ones as medians of pairs, and our steps one by one.

    Quick is one run each with the caches as they are, and few draws: the compiling remains.
    """
    draws, repeats = (20, 1) if quick else (1000, 3)
    rows = []
    if not quick:
        rows = [_row("empty", who, [fresh(module, draws, cold=True)]) for who, module in WHO.items()]
        for module in WHO.values():
            fresh(module, draws)  # fills the caches
    pairs = [{who: fresh(module, draws) for who, module in WHO.items()} for _ in range(repeats)]
    rows += [_row("as they are" if quick else "warm", who, [pair[who] for pair in pairs]) for who in WHO]
    steps = [{"step": s["step"], "CPU, s": s["cpu_s"], "wall, s": s["wall_s"]} for s in pairs[-1]["ours"]["steps"]]
    note = (
        f"K = 2, 4 × ({draws} + {draws}) draws. Ours is the whole main job: import, EM, MAP, posterior, table, NetCDF "
        "and figures. Stock is `pm.Mixture` of `pm.MvNormal` under the same prior, import and sampling alone, from a "
        "start near the mode."
    )
    return [Table("Main job", ("caches", "who"), rows, note), Table("Our steps", ("step",), steps)]
