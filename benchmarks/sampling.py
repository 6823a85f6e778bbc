"""NUTS alone, on native log densities: effective draws a CPU second, warm-up counted, and how a gradient grows."""

from __future__ import annotations

import time

import numpy as np

import bayesgmm as bg
from benchmarks.clock import side_by_side
from benchmarks.problems import sample, separated
from benchmarks.tables import Table

TITLE = "Sampling"
# (name, N, D, K); None is Old Faithful.
CASES = (("Old Faithful", None, 2, 2), ("separated", 2_000, 4, 3))
GROWTH = tuple((n, 4, 3) for n in (1_000, 10_000, 100_000, 1_000_000))


def _model(n, d, k):
    from bayesgmm.models import finite_mixture

    return finite_mixture(bg.load_dataset("faithful") if n is None else sample(separated(d, k), n), k)


def _sampled(model, draws: int, seed: int) -> dict:
    """CPU and wall seconds of a run, and the smallest bulk effective sample size of weights, means, covariances."""
    import arviz as az

    from bayesgmm.engines.nuts import nuts

    wall, cpu = time.perf_counter(), time.process_time()
    tree = nuts(model, draws=draws, tune=draws, chains=4, seed=seed, progress=False)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    found = az.ess(tree["posterior"].to_dataset())
    return {"cpu": cpu, "wall": wall, "ess": min(float(v.min()) for v in found.data_vars.values())}


def measure(quick: bool = False) -> list[Table]:
    """Three seeds a case; quick: one, and few draws."""
    draws, seeds = (50, 1) if quick else (1000, 3)
    rows, growth = [], []
    for name, n, d, k in CASES:
        model = _model(n, d, k)
        runs = [_sampled(model, draws, seed) for seed in range(seeds + 1)][1:]  # the first run loads what it needs
        cpu, wall, ess = (float(np.median([run[key] for run in runs])) for key in ("cpu", "wall", "ess"))
        rate = float(np.median([run["ess"] / run["cpu"] for run in runs]))
        rows.append({"data": name, "N": n or 272, "D": d, "K": k, "CPU, s": cpu, "wall, s": wall, "least bulk ESS": ess,
                     "ESS a CPU second": rate})  # fmt: skip
    from bayesgmm.engines.density import density_of

    for n, d, k in GROWTH[:2] if quick else GROWTH:
        density = density_of(_model(n, d, k))
        u = np.zeros(density.size)
        took = side_by_side({"gradient": lambda f=density, u=u: f(u)}, 1 if quick else 5)["gradient"]
        growth.append({"N": n, "D": d, "K": k, "value and gradient, ms": 1e3 * float(np.median(took))})
    note = f"4 × ({draws} + {draws}) draws; the search for the mode and the warm-up are counted, imports not."
    return [Table("NUTS", ("data", "N", "D", "K"), rows, note), Table("One gradient", ("N", "D", "K"), growth,
            "One thread, as a chain has.")]  # fmt: skip
