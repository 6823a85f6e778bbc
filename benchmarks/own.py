"""A story of a user's own, in a fresh process: how long until it is sampled, and until it is with other data."""

from __future__ import annotations

import numpy as np

from benchmarks.clock import fresh
from benchmarks.tables import Table

TITLE = "A story of one's own"
AT_MOST = (15.0, None, 1.0)


def measure(quick: bool = False) -> list[Table]:
    """With an empty PyTensor cache each time, medians of three."""
    runs = [fresh("benchmarks.own_story", 20 if quick else 1000, cold=True) for _ in range(1 if quick else 3)]
    rows = []
    for step, limit in zip(runs[0], AT_MOST, strict=True):
        wall, cpu = (float(np.median([run[step][key] for run in runs])) for key in ("wall_s", "cpu_s"))
        rows.append({"step": step, "wall, s": wall, "CPU, s": cpu, "at most": limit})
    note = "Old Faithful, K = 2, `benchmarks/own_story.py`; PyTensor's cache is empty, and nothing is compiled."
    return [Table("Waiting", ("step",), rows, note)]
