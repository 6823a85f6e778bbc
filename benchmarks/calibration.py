"""Simulation-based calibration of every engine under every prior and family. Takes hours: run it by name.

`calibration.jsonl` beside the other results keeps each cell as it ends, and `calibration/` its ranks as numbers that
ought to be uniform, so that a run that was stopped goes on where it was: delete both to begin anew. At the end
`calibration.png` shows the ranks of all cells.
"""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from bayesgmm.calibration import Calibration, calibrate
from bayesgmm.priors import LKJ, Conjugate, Hierarchical, Independent, LogNormal
from benchmarks.machine import cores
from benchmarks.tables import Table

TITLE = "Simulation-based calibration"
# Rows and components of a data set; data sets of a cell; the level of a band.
N, K, REPLICATIONS, LEVEL = 30, 2, 500, 0.999
FAMILIES = ("full", "tied", "diag", "spherical")
KEPT = Path(__file__).parent / "results" / "calibration.jsonl"
RANKS, FIGURE = KEPT.with_suffix(""), KEPT.with_suffix(".png")
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
# "sweeps": those of Gibbs alone, without the search for modes and starts, which takes most of its time.
_CLOSED = tuple(name for name in PRIORS if name != "lkj")
ENGINES = {"sweeps": _CLOSED, "nuts": tuple(PRIORS), "gibbs": _CLOSED}
# Draws depend on each other for long by Gibbs, and cost little.
LENGTHS = {"nuts": {"draws": 300, "tune": 300}, "gibbs": {"draws": 2000, "tune": 200}}


def cells() -> list[tuple[str, str, str]]:
    """(engine, prior, covariance type) of every cell: full and diagonal covariances first, the whole of Gibbs last."""
    every = [(e, p, f) for e, priors in ENGINES.items() for p in priors for f in FAMILIES]
    return sorted(every, key=lambda one: (one[2] not in ("full", "diag"), list(ENGINES).index(one[0])))


def cell(engine: str, prior: str, covariance_type: str, replications: int, seed: int) -> Calibration:
    """One cell."""
    value, options = PRIORS[prior], {"covariance_type": covariance_type, "replications": replications, "seed": seed}
    if engine == "sweeps":
        options["sampler"] = sweeps(value, covariance_type)
    else:
        options |= {"engine": engine, **LENGTHS[engine]}
    return calibrate(value, N, K, progress=False, **options)


def sweeps(prior, covariance_type):
    """A sampler, for `calibrate`, of sweeps from one fixed point: data set after data set in milliseconds."""
    from bayesgmm.draws import from_arrays
    from bayesgmm.engines.density import density_of
    from bayesgmm.engines.density.native import Density
    from bayesgmm.engines.sweeps import sweep
    from bayesgmm.models import finite_mixture

    rows = np.random.default_rng(0).normal(size=(N, len(prior.mean)))
    known = density_of(finite_mixture(rows, K, prior=prior, covariance_type=covariance_type))

    def sampler(x, seed):
        density, key = Density(known.form, known.prior, known.layout, x), np.array([seed, 1], np.uint64)
        points = sweep(density, np.zeros(density.size), key, 0, 2500).points[500:]
        found = density.variables(points.reshape(2, 1000, density.size))
        return from_arrays(*(found[name] for name in ("weights", "means", "covariances")))

    return sampler


def measure(quick: bool = False) -> list[Table]:
    """Every cell, as many at a time as there are cores; quick: one of sweeps, with three data sets."""
    if quick:
        return [_table([_row(("sweeps", "conjugate", "full"), 3)])]
    kept, until = _kept(), time.time() + SECONDS
    left = [(one, REPLICATIONS, place, until) for place, one in enumerate(cells())
            if one not in kept or not _ranks(one).exists()]  # fmt: skip
    with ProcessPoolExecutor(cores(), mp_context=get_context("spawn")) as pool, KEPT.open("a") as file:
        for done in as_completed([pool.submit(_row, *arguments) for arguments in left]):
            if row := done.result():
                print(json.dumps(row), file=file, flush=True)
    kept = _kept()
    _draw([one for one in cells() if _ranks(one).exists()])
    return [_table([kept[one] for one in cells() if one in kept])]


def _kept() -> dict[tuple, dict]:
    """The cells that earlier runs finished."""
    rows = map(json.loads, KEPT.read_text().splitlines()) if KEPT.exists() else ()
    return {(row["engine"], row["prior"], row["covariances"]): row for row in rows}


def _ranks(one: tuple[str, str, str]) -> Path:
    """Where a cell's ranks are kept."""
    return RANKS / f"{'_'.join(one)}.npz"


def _draw(done: list[tuple[str, str, str]]) -> None:
    """A panel for each cell of full and diagonal covariances: `bayesgmm.plot_calibration`."""
    import pandas as pd
    from matplotlib import pyplot as plt

    from bayesgmm.plots import plot_calibration, save

    shown = [(engine, prior) for engine, prior, family in done if family == "full"]
    if not shown:
        return
    _, axes = plt.subplots(len(shown), 2, figsize=(8.4, 2.1 * len(shown)), sharex=True, sharey=True,
                           layout="constrained", squeeze=False)  # fmt: skip
    for row, (engine, prior) in zip(axes, shown, strict=True):
        for ax, family in zip(row, ("full", "diag"), strict=True):
            if (engine, prior, family) not in done:
                ax.set_axis_off()
                continue
            with np.load(_ranks((engine, prior, family))) as kept:
                pit = pd.DataFrame((kept["pit"] + 0.5) / 65536, columns=kept["names"])
            plot_calibration(Calibration(pit, np.full(len(pit), 65535), pit), level=LEVEL, ax=ax)
            ax.set_title(f"{engine}, {prior}, {family}", fontsize=8.5)
            ax.set(xlabel="rank of the truth" if ax in axes[-1] else "", ylabel="ECDF − uniform")
    save(axes, FIGURE)


def _row(one: tuple[str, str, str], replications: int, seed: int = 0, until: float = np.inf) -> dict | None:
    """One cell, unless it is too late to begin."""
    if time.time() > until:
        return None
    began = time.process_time()
    found = cell(*one, replications, seed)
    p = found.p_values
    if replications == REPLICATIONS:
        RANKS.mkdir(exist_ok=True)
        pit = np.minimum(found.pit.to_numpy() * 65536, 65535).astype(np.uint16)
        np.savez_compressed(_ranks(one), pit=pit, names=np.array(found.pit.columns, dtype=str))
    return {"engine": one[0], "prior": one[1], "covariances": one[2], "data sets": replications,
            "draws, median": float(np.median(found.n_draws)), "draws, least": int(found.n_draws.min()),
            "quantities": len(p), "outside": len(found.outside(LEVEL)), "smallest p": float(p.min()),
            "of": str(p.idxmin()), "CPU, s": time.process_time() - began}  # fmt: skip


def _table(rows: list[dict]) -> Table:
    missing = len(cells()) - len(rows)
    note = (
        f"{N} rows of 2 features, K = {K}, drawn from the prior; ranks of label-invariant quantities among draws "
        f"thinned to their effective number. `outside`: how many leave the simultaneous {LEVEL:.1%} band of the ECDF, "
        f"where one in {1 / (1 - LEVEL):.0f} does by chance. `sweeps`: those of Gibbs alone, from a fixed start."
    )
    note += f" {missing} of {len(cells())} cells were not run." if missing else ""
    return Table("Ranks outside the band", ("engine", "prior", "covariances"), rows, note)
