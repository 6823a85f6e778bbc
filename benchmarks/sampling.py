"""NUTS alone, on native log densities: effective draws a CPU second, warm-up counted, and how a gradient grows."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

import bayesgmm as bg
from benchmarks.clock import side_by_side
from benchmarks.problems import sample, separated
from benchmarks.tables import Table

TITLE = "Sampling"
HERE = Path(__file__).parent
# Effective draws a CPU second that Stan 2.21 (rstan 2.21.7) took, warm-up counted, under LKJ priors, on the data of its
# name: the smallest over its parameters, from 4 × (1000 + 1000) draws.
STAN = {"Old Faithful": 282, "Stan's simulation": 14.5}
GROWTH = tuple((n, 4, 3) for n in (1_000, 10_000, 100_000, 1_000_000))


def cases() -> dict[str, tuple[np.ndarray, int]]:
    """Rows and K by name; ``data/stan_sim_n2000_d4_k3.csv`` are the rows on which Stan's seconds were taken."""
    simulated = np.loadtxt(HERE / "data" / "stan_sim_n2000_d4_k3.csv", delimiter=",", skiprows=1)
    return {
        "Old Faithful": (bg.load_dataset("faithful").to_numpy(float), 2),
        "well apart": (sample(separated(4, 3), 2_000), 3),
        "Stan's simulation": (simulated, 3),
    }


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
    from bayesgmm.engines.density import density_of
    from bayesgmm.models import finite_mixture

    for name, (x, k) in cases().items():
        model = finite_mixture(x, k)
        runs = [_sampled(model, draws, seed) for seed in range(seeds + 1)][1:]  # the first run loads what it needs
        cpu, wall, ess = (float(np.median([run[key] for run in runs])) for key in ("cpu", "wall", "ess"))
        rate = float(np.median([run["ess"] / run["cpu"] for run in runs]))
        stan = STAN.get(name)
        rows.append({"data": name, "N": len(x), "D": x.shape[1], "K": k, "CPU, s": cpu, "wall, s": wall,
                     "least bulk ESS": ess, "ESS a CPU second": rate, "Stan's, recorded elsewhere": stan,
                     "ratio": rate / stan if stan else None})  # fmt: skip
    for n, d, k in GROWTH[:2] if quick else GROWTH:
        density = density_of(finite_mixture(sample(separated(d, k), n), k))
        u = np.zeros(density.size)
        took = side_by_side({"gradient": lambda f=density, u=u: f(u)}, 1 if quick else 5)["gradient"]
        growth.append({"N": n, "D": d, "K": k, "value and gradient, ms": 1e3 * float(np.median(took))})
    note = f"4 × ({draws} + {draws}) draws; the search for the mode and the warm-up are counted, imports not. Our "
    note += "prior is the conjugate one, Stan's LKJ; Stan's 26 s of compiling are not counted. "
    note += "numpyro's NUTS is in `engines`."
    return [Table("NUTS", ("data", "N", "D", "K"), rows, note), Table("One gradient", ("N", "D", "K"), growth,
            "One thread, as a chain has.")]  # fmt: skip
