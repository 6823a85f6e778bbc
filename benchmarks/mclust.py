"""mclust's fits of whole data sets, as recorded in ``tests/reference/mclust.json``, and what ours are beside them.

Data sets that this project may not hold are read from the folder that BAYESGMM_REFERENCES names, or left out.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd

from bayesgmm.selection import Selection

ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "tests" / "reference"
FOLDER = Path(os.environ.get("BAYESGMM_REFERENCES", ROOT / "../shared/refs"))
# A log-likelihood no further below mclust's is as high as that.
CLOSE = 1e-2
# The package's own copy has two values otherwise than the one that mclust's results are of.
OTHERWISE = {"galaxies"}
Key = tuple[int, str]


@dataclass(frozen=True)
class Reference:
    """A data set and mclust's results on it, by (K, code): log-likelihoods at an EM tolerance of 1e-10, and parameters.

    ``degenerate`` are the cells in which mclust's own mixture is degenerate by our rule.
    """

    name: str
    x: pd.DataFrame
    log_likelihoods: dict[Key, float]
    n_parameters: dict[Key, int]
    degenerate: frozenset[Key]
    selected: Key
    bic: float
    seconds: float


@cache
def _recorded() -> dict:
    return json.loads((HERE / "mclust.json").read_text())


def names() -> list[str]:
    """Data sets of which there are results."""
    return list(_recorded()["data"])


def reference(name: str) -> Reference | None:
    """What mclust found on a data set; None where its rows are not here."""
    found = _recorded()["data"][name]
    shipped = () if name in OTHERWISE else (ROOT / "bayesgmm" / "data" / "sets",)
    folders = (HERE, *shipped, FOLDER / "data")
    file = next((f for f in (folder / f"{name}.csv" for folder in folders) if f.exists()), None)
    if file is None:
        return None
    cells = {(k, code): value for code, row in found["log_likelihood"].items() for k, value in enumerate(row, 1)}
    return Reference(
        name,
        pd.read_csv(file)[found["features"]],
        {key: value for key, value in cells.items() if value is not None},
        {(k, code): p for code, row in found["n_parameters"].items() for k, p in enumerate(row, 1)},
        frozenset((k, code) for code, row in found["degenerate"].items() for k in row),
        (found["selected"]["n_components"], found["selected"]["covariance_type"]),
        found["selected"]["bic"],
        found["seconds"],
    )


def beside(found: Selection, ref: Reference) -> list[dict]:
    """A row a cell of mclust's: whether ours is excluded, whether theirs is degenerate, and how much higher ours is."""
    ours = found.table.set_index(["n_components", "covariance_type"])
    rows = []
    for (k, code), height in ref.log_likelihoods.items():
        row = ours.loc[(k, code)]
        rows.append({"data": ref.name, "family": code, "K": k, "excluded": bool(row["degenerate"]),
                     "theirs degenerate": (k, code) in ref.degenerate,
                     "higher": float(row["log_likelihood"] - height), "note": row["note"]})  # fmt: skip
    return rows


def summary(rows: list[dict]) -> dict:
    """Of cells in which neither is degenerate the share as high as mclust's, and how many of ours are excluded."""
    both = [row for row in rows if not row["excluded"] and not row["theirs degenerate"]]
    return {
        "cells": len(rows),
        "compared": len(both),
        "as high": sum(row["higher"] >= -CLOSE for row in both) / max(1, len(both)),
        "higher": sum(row["higher"] > CLOSE for row in both),
        "excluded": sum(row["excluded"] for row in rows) / max(1, len(rows)),
        "excluded, theirs sound": sum(row["excluded"] and not row["theirs degenerate"] for row in rows),
    }


_R = """
suppressMessages(library(mclust))
x <- as.matrix(read.csv(commandArgs(TRUE)[1]))
if (ncol(x) == 1) x <- as.numeric(x)
cat(system.time(mclustBIC(x, verbose = FALSE))[["elapsed"]])
"""


def seconds_in_r(x: pd.DataFrame) -> float | None:
    """Wall seconds of `mclustBIC(x)`, where R and mclust are here."""
    if shutil.which("Rscript") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        script, data = Path(folder, "run.R"), Path(folder, "x.csv")
        script.write_text(_R)
        x.to_csv(data, index=False)
        done = subprocess.run(["Rscript", str(script), str(data)], capture_output=True, text=True)
    try:
        return float(done.stdout)
    except ValueError:
        return None
