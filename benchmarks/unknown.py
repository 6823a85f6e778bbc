"""Components of unknown number: how fast, how it grows, and p(K | y), p(K₊ | y) beside those that others recorded.

`unknown.jsonl` beside the other results keeps each recorded case as it ends, so that a run that was stopped goes on
where it was: delete it to begin anew.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np

import bayesgmm as bg
from bayesgmm import priors
from benchmarks.problems import sample, separated
from benchmarks.tables import Table

TITLE = "An unknown number of components"
KEPT = Path(__file__).parent / "results" / "unknown.jsonl"
FOLDER = Path(os.environ.get("BAYESGMM_REFERENCES", Path(__file__).resolve().parents[1] / "../shared/refs"))
#: CPU seconds that 10 000 telescoping sweeps may take.
AT_MOST = {"galaxies_rg": 2.0, "thyroid": 15.0}
# Name in the references: data, process, and how many million sweeps of eight chains settle it.
RICHARDSON_GREEN = {"n_components": priors.Uniform(30), "concentration": 1.0}
CASES = {
    "galaxy_RG1997": ("galaxies_rg", RICHARDSON_GREEN, 4),
    "acidity_RG1997": ("acidity", RICHARDSON_GREEN, 12),
    "galaxy_telescope_vignette": ("galaxies", RICHARDSON_GREEN, 8),
    "galaxy_dynamicMFM": ("galaxies", {}, 20),
    "acidity_e001_poisson": ("acidity", {"n_components": priors.Poisson(1), "concentration": 0.01}, 4),
    "galaxy_sparse_K10_e0_gamma": ("galaxies", {"process": "sparse", "concentration": priors.Gamma(1, 20)}, 8),
    "galaxy_sparse_K10_e0_0.01": ("galaxies", {"process": "sparse", "concentration": 0.01}, 4),
    "galaxy_fixedK3": ("galaxies", {"process": "sparse", "n_components": 3, "concentration": 1.0}, 1),
    "galaxy_fixedK6": ("galaxies", {"process": "sparse", "n_components": 6, "concentration": 1.0}, 4),
}
CHAINS, THIN = 8, 10
PROCESSES = {
    "mfm": {},
    "mfm, Richardson & Green": RICHARDSON_GREEN,
    "sparse": {"process": "sparse"},
    "dp": {"process": "dp"},
    "py": {"process": "py"},
}


def rows_of(name: str) -> np.ndarray:
    """Columns of numbers of a data set of the references."""
    lines = [line.split(",") for line in (FOLDER / "data" / f"{name}.csv").read_text().splitlines()]
    columns = [j for j, cell in enumerate(lines[1]) if _is_number(cell)]
    return np.array([[float(row[j]) for j in columns] for row in lines[1:]])


def _is_number(cell: str) -> bool:
    try:
        return np.isfinite(float(cell))
    except ValueError:
        return False


def probabilities(values: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """p(1) … p(most) of whole numbers (chain, draw), and their standard errors by the spread of the chains."""
    each = np.array([np.bincount(chain, minlength=most + 1)[1 : most + 1] / chain.size for chain in values])
    return each.mean(axis=0), each.std(axis=0, ddof=1) / np.sqrt(len(each))


def beside(found: np.ndarray, recorded: dict) -> dict:
    """How far p is from the recorded one, as the project judges it."""
    most = max(int(found.max()), *map(int, recorded))
    p, se = probabilities(found, most)
    theirs, error = (np.array([recorded.get(str(k), (0, 0))[i] for k in range(1, most + 1)]) for i in range(2))
    apart = np.abs(p - theirs)
    return {
        "total variation": float(apart.sum() / 2),
        "largest difference": float(apart.max()),
        "of what is allowed": float((apart / (4 * np.hypot(error, se) + 0.005)).max()),
        "largest SE, ours": float(se.max()),
        "theirs": float(error.max()),
    }


def _compared(name: str, millions: float) -> list[dict]:
    data, options, _ = CASES[name]
    results = json.loads((FOLDER / "unknown_k.json").read_text())["results"]
    (recorded,) = (r["result"] for key, r in results.items() if key.split(" ")[0] == name)
    start, draws = time.process_time(), int(millions * 1e6 / CHAINS / THIN)
    tree = bg.sample_components(rows_of(data), draws=draws, tune=10_000, thin=THIN, chains=CHAINS, keep="numbers",
                                seed=1, progress=False, **options)  # fmt: skip
    took = time.process_time() - start
    rows = []
    for what, variable, key in (("K", "n_components", "p_K_given_y"), ("K₊", "n_clusters", "p_Kplus_given_y")):
        found = tree["posterior"][variable].values
        if not (what == "K" and found.min() == found.max()):
            rows.append({"case": name, "of": what, **beside(found, recorded[key]), "CPU, s": took})
    return rows


def _once(name: str, millions: float) -> list[dict]:
    """The same, unless it was kept from an earlier run."""
    kept = [json.loads(line) for line in KEPT.read_text().splitlines()] if KEPT.exists() else []
    for one in kept:
        if (one["case"], one["millions"]) == (name, millions):
            return one["rows"]
    rows = _compared(name, millions)
    with KEPT.open("a") as file:
        print(json.dumps({"case": name, "millions": millions, "rows": rows}), file=file)
    return rows


def _speed(x, name: str, process: str, sweeps: int) -> dict:
    import arviz as az

    start = time.process_time()
    options = {"draws": sweeps, "tune": 1000, "thin": 1, "keep": "allocations", **PROCESSES[process]}
    tree = bg.sample_components(x, seed=1, progress=False, **options)
    took = time.process_time() - start
    filled = tree["posterior"]["n_clusters"].values
    ess = float(az.ess(filled.astype(float)))
    return {"data": name, "N": len(x), "D": x.shape[1], "process": process, "mean K₊": float(filled.mean()),
            "CPU s, 10 000 sweeps": took / (4 * (sweeps + 1000)) * 10_000, "at most": AT_MOST.get(name),
            "ESS of K₊ a CPU second": ess / took}  # fmt: skip


def _growth(quick: bool) -> Table:
    rows = []
    for n, d, k in [(100, 2, 3), (1000, 2, 3), (10_000, 2, 3), (1000, 5, 3), (1000, 10, 3), (1000, 2, 10)]:
        x = sample(separated(d, k), n)
        sweeps = 20 if quick else max(200, 200_000 // n)
        for process in ("mfm", "dp"):
            row = _speed(x, f"{k} clusters", process, sweeps)
            rows.append({"clusters": k, **{key: row[key] for key in ("N", "D", "process", "mean K₊")},
                         "µs a sweep": row["CPU s, 10 000 sweeps"] * 100})  # fmt: skip
    return Table("With N, D and clusters", ("clusters", "N", "D", "process"), rows, "")


def measure(quick: bool = False) -> list[Table]:
    """Speed, growth, and the recorded probabilities, where they are to be found."""
    names = [name for name in AT_MOST if (FOLDER / "data" / f"{name}.csv").exists()]
    sweeps = 100 if quick else 20_000
    speed = [_speed(rows_of(name), name, process, sweeps) for name in names for process in PROCESSES]
    note = f"4 × (1000 + {sweeps}) sweeps, allocations kept; everything counted but imports."
    tables = [Table("Speed", ("data", "process"), speed, note), _growth(quick)]
    if (FOLDER / "unknown_k.json").exists():
        found = [_compared(name, 0.01) if quick else _once(name, case[2]) for name, case in CASES.items()]
        rows = [row for one in found for row in one]
        note = "By the telescoping sampler of others, four chains. Wanted: a total variation of at most 0.02, a "
        note += "standard error of ours of at most 0.002, and no difference above the allowed 4 √(SE² + SE²) + 0.005."
        tables.append(Table("Beside recorded probabilities", ("case", "of"), rows, note))
    return tables
