"""Every engine under every prior it takes: effective draws a CPU second, warm-up counted; and a long run's wait."""

from __future__ import annotations

import time

import numpy as np

import bayesgmm as bg
from benchmarks.sampling import cases
from benchmarks.tables import Table

TITLE = "Engines"
PRIORS = ("conjugate", "independent", "hierarchical")
ENGINES = ("nuts", "gibbs")
# Seconds that 4 × 5000 draws of Old Faithful may take by Gibbs, the search for the mode and matching included.
AT_MOST = {"gibbs": 2.0}


def _cases() -> dict[str, tuple[np.ndarray, int]]:
    """Those of ``sampling``, whose components stand apart, and one where two of them overlap."""
    from sklearn.datasets import load_iris

    return cases() | {"iris": (load_iris().data, 3)}


def _sampled(model, engine: str, draws: int, seed: int) -> dict:
    """CPU and wall seconds of an engine alone, and the smallest bulk ESS of weights, means and covariances, matched."""
    import arviz as az

    from bayesgmm.engines.gibbs import gibbs
    from bayesgmm.engines.nuts import nuts

    run = {"nuts": nuts, "gibbs": gibbs}[engine]
    wall, cpu = time.perf_counter(), time.process_time()
    tree = run(model, draws=draws, tune=draws, chains=4, seed=seed, progress=False)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    posterior = bg.relabel(tree)["posterior"].to_dataset()[["weights", "means", "covariances"]]
    return {"cpu": cpu, "wall": wall, "ess": min(float(v.min()) for v in az.ess(posterior).data_vars.values())}


def _long_run(engine: str, draws: int) -> dict:
    """Wall and CPU seconds of `bayesgmm.sample` with everything that it adds to the draws."""
    from bayesgmm.models import finite_mixture

    model, took = finite_mixture(bg.load_dataset("faithful"), 2), []
    for seed in range(4):  # the first run loads what it needs
        wall, cpu = time.perf_counter(), time.process_time()
        bg.sample(model, engine=engine, draws=draws, seed=seed, progress=False)
        took.append((time.perf_counter() - wall, time.process_time() - cpu))
    wall, cpu = np.median(took[1:], axis=0)
    return {"engine": engine, "wall, s": float(wall), "CPU, s": float(cpu), "at most": AT_MOST.get(engine)}


def measure(quick: bool = False) -> list[Table]:
    """Three seeds a case; quick: one, and few draws."""
    from bayesgmm.models import finite_mixture

    draws, seeds, rows = (50, 1, []) if quick else (1000, 3, [])
    for name, (x, k) in _cases().items():
        for prior in PRIORS:
            model, rates = finite_mixture(x, k, prior=prior), {}
            for engine in ENGINES:
                runs = [_sampled(model, engine, draws, seed) for seed in range(seeds + 1)][1:]
                cpu, wall, ess = (float(np.median([run[key] for run in runs])) for key in ("cpu", "wall", "ess"))
                rates[engine] = float(np.median([run["ess"] / run["cpu"] for run in runs]))
                rows.append({"data": name, "prior": prior, "engine": engine, "CPU, s": cpu, "wall, s": wall,
                             "least bulk ESS": ess, "ESS a CPU second": rates[engine],
                             "over nuts": rates[engine] / rates["nuts"]})  # fmt: skip
    note = f"4 × ({draws} + {draws}) draws; the search for the mode and the warm-up are counted, imports are not. The "
    note += "smallest ESS is that of weights, means and covariances, labels matched."
    long = 50 if quick else 5000
    wait = Table("A long run", ("engine",), [_long_run(engine, long) for engine in ENGINES[::-1]],
                 f"Old Faithful, 4 × (1000 + {long}) draws by `sample`, log-likelihood included.")  # fmt: skip
    return [Table("By engine and prior", ("data", "prior", "engine"), rows, note), wait]
