"""Clocks: calls that alternate within a repeat, so that a busy machine slows them alike; jobs in a fresh process."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
# Passes follow each other in a fit: a sample is of so many in a row, none of which finds the other side's leavings.
SHORTEST = 0.25
# Seconds that one row of a table may take.
PATIENCE = 30


def seconds(run: Callable, loops: int = 1) -> float:
    """Wall seconds a call, over ``loops`` calls."""
    start = time.perf_counter()
    for _ in range(loops):
        run()
    return (time.perf_counter() - start) / loops


def side_by_side(runs: dict[str, Callable], repeats: int) -> dict[str, np.ndarray]:
    """Seconds of each call, a value a repeat: every repeat runs all of them in turn, after a first that is left out.

    Quick calls are looped over; where they are slow, there are fewer repeats, but three at least if three were asked.
    """
    first = {name: seconds(run) for name, run in runs.items()}
    first = {name: min(first[name], seconds(run)) if first[name] < 1 else first[name] for name, run in runs.items()}
    loops = {name: max(1, math.ceil(SHORTEST / took)) if repeats > 1 else 1 for name, took in first.items()}
    fewer = max(min(3, repeats), min(repeats, int(PATIENCE / sum(first.values()))))
    rounds = [{name: seconds(run, loops[name]) for name, run in runs.items()} for _ in range(fewer)]
    return {name: np.array([one[name] for one in rounds]) for name in runs}


def against(ours: np.ndarray, theirs: np.ndarray) -> float:
    """How many times as long theirs take: the median over repeats of the ratio within each."""
    return float(np.median(theirs / ours))


def fresh(module: str, *arguments, cold: bool = False) -> dict | list:
    """Run a module in a new process and read the JSON of its last line; ``cold`` gives it an empty PyTensor cache."""
    with tempfile.TemporaryDirectory() as empty:
        flags = {"PYTENSOR_FLAGS": f"base_compiledir={empty}"} if cold else {}
        command = [sys.executable, "-W", "ignore", "-m", module, *map(str, arguments)]
        flags["PYTHONDONTWRITEBYTECODE"] = ""  # or imports would be timed as they are without byte code
        done = subprocess.run(command, env=os.environ | flags, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{module} failed: {done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])
