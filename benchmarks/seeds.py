"""Fifty seeds a case: how often chains agree on what does not depend on labels. Takes half an hour: run it by name."""

from __future__ import annotations

import time

import numpy as np

import bayesgmm as bg
from benchmarks.problems import sample, separated
from benchmarks.tables import Table

TITLE = "Fifty seeds"
# R-hat up to which chains agree, and the size of the simulation.
AGREED, SIMULATED = 1.01, (2_000, 10, 5)


def cases() -> dict[str, tuple[np.ndarray, int]]:
    """Rows and K by name."""
    from sklearn.datasets import load_iris

    n, d, k = SIMULATED
    return {
        "Old Faithful": (bg.load_dataset("faithful").to_numpy(float), 2),
        "iris": (load_iris().data, 3),
        "simulated, well apart": (sample(separated(d, k), n), k),
    }


def _one(model, seed: int) -> dict:
    """The largest R-hat and the least effective sample size among the label-invariant quantities of a run."""
    from bayesgmm.draws.convergence import convergence
    from bayesgmm.draws.invariants import quantities
    from bayesgmm.draws.mixtures import read

    start = time.process_time()
    tree = bg.sample(model, seed=seed, progress=False)
    took = time.process_time() - start
    found = convergence(quantities(tree, read(tree)), 4)
    return {
        "rhat": float(found["r_hat"].max()),
        "ess": float(found["ess_bulk"].min()),
        "divergences": int(tree["sample_stats"]["diverging"].sum()),
        "cpu": took,
    }


def measure(quick: bool = False) -> list[Table]:
    """Fifty seeds; quick: two of Old Faithful."""
    from bayesgmm.models import finite_mixture

    seeds, rows = 2 if quick else 50, []
    for name, (x, k) in cases().items():
        if quick and name != "Old Faithful":
            continue
        model = finite_mixture(x, k)
        runs = [_one(model, seed) for seed in range(seeds)]
        rhat = np.array([run["rhat"] for run in runs])
        rows.append({"data": name, "N": len(x), "D": x.shape[1], "K": k, "seeds": seeds,
                     f"R-hat at most {AGREED}": int((rhat <= AGREED).sum()), "largest": float(rhat.max()),
                     "without divergences": sum(run["divergences"] == 0 for run in runs),
                     "least ESS, median": float(np.median([run["ess"] for run in runs])),
                     "CPU, s": float(np.median([run["cpu"] for run in runs]))})  # fmt: skip
    note = (
        "4 chains of 1000 draws after 1000 of warm-up. R-hat and bulk ESS of `bayesgmm.draws.invariants.quantities`: "
        "sorted weights, moments of the whole mixture, the log-likelihood, the log density at five rows, and whether "
        "neighbours among them are together."
    )
    return [Table("Do chains agree?", ("data", "N", "D", "K"), rows, note)]
