"""Simulation-based calibration of every engine under every prior and family. Takes hours: run it by name.

`calibration.jsonl` beside the other results keeps each cell as it ends, so that a run that was stopped goes on where it
was: delete it to begin anew.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np

from bayesgmm.calibration import Calibration, calibrate
from bayesgmm.priors import LKJ, Conjugate, Hierarchical, Independent, LogNormal
from benchmarks.tables import Table

TITLE = "Simulation-based calibration"
# Rows and components of a data set; data sets of a cell; the level of a band.
N, K, REPLICATIONS, LEVEL = 30, 2, 500, 0.999
FAMILIES = ("full", "tied", "diag", "spherical")
KEPT = Path(__file__).parent / "results" / "calibration.jsonl"
# Seconds after which no further cell begins.
SECONDS = float(os.environ.get("CALIBRATION_SECONDS", "inf"))

# Constants that no data set moves. Means spread like the rows of a component (κ₀ = 1 under the conjugate prior), so
# that components overlap in most data sets; ν₀ is small, so that Σ_k is uncertain.
_SCALE, _SPREAD = [[3.0, 0.5], [0.5, 2.0]], [[2.0, 0.4], [0.4, 1.5]]
PRIORS = {
    "conjugate": Conjugate([0.0, 0.0], 1.0, 5.0, _SCALE),
    "independent": Independent([0.0, 0.0], _SPREAD, 5.0, _SCALE, concentration=2.0),
    "hierarchical": Hierarchical([0.0, 0.0], _SPREAD, 2.5, 3.0, [[2.0, 0.3], [0.3, 2.5]], concentration=1.5),
    "lkj": LKJ([0.0, 0.0], _SPREAD, 2.0, LogNormal([1.0, 0.8], 0.5)),
}
ENGINES = {"nuts": tuple(PRIORS), "gibbs": tuple(name for name in PRIORS if name != "lkj")}
# Draws depend on each other for long by Gibbs, and cost little.
LENGTHS = {"nuts": {"draws": 300, "tune": 300}, "gibbs": {"draws": 2000, "tune": 200}}


def cells() -> list[tuple[str, str, str]]:
    """(engine, prior, covariance type) of every cell, a covering subset first."""
    every = [(e, p, f) for e, priors in ENGINES.items() for p in priors for f in FAMILIES]
    return sorted(every, key=lambda cell: (FAMILIES.index(cell[2]) - list(PRIORS).index(cell[1])) % len(FAMILIES))


def cell(engine: str, prior: str, covariance_type: str, replications: int, seed: int) -> Calibration:
    """One cell."""
    options = {"covariance_type": covariance_type, "engine": engine, **LENGTHS[engine]}
    return calibrate(PRIORS[prior], N, K, replications=replications, seed=seed, progress=False, **options)


def measure(quick: bool = False) -> list[Table]:
    """Every cell; quick: one of Gibbs, with three data sets."""
    if quick:
        return [_table([_row(("gibbs", "conjugate", "full"), 3)])]
    kept, began = _kept(), time.monotonic()
    for place, one in enumerate(cells()):
        if one not in kept and time.monotonic() - began < SECONDS:
            kept[one] = _row(one, REPLICATIONS, seed=place)
            with KEPT.open("a") as file:
                file.write(json.dumps(kept[one]) + "\n")
    return [_table([kept[one] for one in cells() if one in kept])]


def _kept() -> dict[tuple, dict]:
    """The cells that earlier runs finished."""
    rows = map(json.loads, KEPT.read_text().splitlines()) if KEPT.exists() else ()
    return {(row["engine"], row["prior"], row["covariances"]): row for row in rows}


def _row(one: tuple[str, str, str], replications: int, seed: int = 0) -> dict:
    began = time.process_time()
    found = cell(*one, replications, seed)
    p = found.p_values
    return {"engine": one[0], "prior": one[1], "covariances": one[2], "data sets": replications,
            "draws, median": float(np.median(found.n_draws)), "draws, least": int(found.n_draws.min()),
            "quantities": len(p), "outside": len(found.outside(LEVEL)), "smallest p": float(p.min()),
            "of": str(p.idxmin()), "CPU, s": time.process_time() - began}  # fmt: skip


def _table(rows: list[dict]) -> Table:
    missing = len(cells()) - len(rows)
    note = (
        f"{N} rows of 2 features, K = {K}, drawn from the prior; ranks of label-invariant quantities among draws "
        f"thinned to their effective number. `outside`: how many leave the simultaneous {LEVEL:.1%} band of the ECDF, "
        f"where one in {1 / (1 - LEVEL):.0f} does by chance. " + (f"{missing} cells were not run." if missing else "")
    )
    return Table("Ranks outside the band", ("engine", "prior", "covariances"), rows, note.strip())
