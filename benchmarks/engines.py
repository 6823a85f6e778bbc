"""Every engine under every prior it takes: effective draws a CPU second, warm-up counted; and a long run's wait."""

from __future__ import annotations

import time
from functools import partial
from importlib.util import find_spec
from unittest import mock

import numpy as np

import bayesgmm as bg
from benchmarks.sampling import STAN, cases
from benchmarks.tables import Table

TITLE = "Engines"
PRIORS = ("conjugate", "independent", "hierarchical", "lkj")
ENGINES = ("nuts", "gibbs")
# A second NUTS, on the rows of `STAN` alone, and once: it compiles for longer than the others sample.
PEER = "numpyro"
# What NUTS is to reach: its rate under LKJ over that under the conjugate prior, and over the peer's under any.
AT_LEAST = {"lkj over conjugate": 0.7, "nuts over numpyro": 5.0}
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

    run = {"nuts": nuts, "gibbs": gibbs, PEER: partial(nuts, nuts_sampler=PEER)}[engine]
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


def _engines(name: str, prior: str) -> list[str]:
    """Those that take a prior; the peer where it is installed and asked."""
    peer = name in STAN and all(find_spec(needed) for needed in ("jax", PEER))
    return [*(e for e in ENGINES if e == "nuts" or prior != "lkj"), *([PEER] if peer else [])]


def _compiled(model, draws: int) -> dict:
    """A run of the peer, with the CPU seconds until its chains begin."""
    from bayesgmm.engines import jaxed

    ready, took = jaxed.ready, []

    def timed(*arguments, **options):
        start, found = time.process_time(), ready(*arguments, **options)
        took.append(time.process_time() - start)
        return found

    with mock.patch.object(jaxed, "ready", timed):
        return _sampled(model, PEER, draws, 1) | {"ready": took[0]}


def _row(model, engine: str, draws: int, seeds: int) -> dict:
    """Medians over seeds; for the peer, one run."""
    if engine == PEER:
        runs = [_compiled(model, draws)]
    else:
        runs = [_sampled(model, engine, draws, seed) for seed in range(seeds + 1)][1:]
    cpu, wall, ess = (float(np.median([run[key] for run in runs])) for key in ("cpu", "wall", "ess"))
    rate = float(np.median([run["ess"] / run["cpu"] for run in runs]))
    ready = runs[0].get("ready")
    return {"engine": engine, "CPU, s": cpu, "wall, s": wall, "least bulk ESS": ess, "ESS a CPU second": rate,
            "compiling, CPU s": ready, "ESS a CPU second without it": ready and ess / (cpu - ready)}  # fmt: skip


def _targets(rates: dict[tuple[str, str, str], float]) -> list[dict]:
    """Ratios of rates (data, prior, engine) for which there is a target."""
    found = []
    for name in STAN:
        at = {key[1:]: rate for key, rate in rates.items() if key[0] == name}
        found.append((name, "lkj", "lkj over conjugate", at["lkj", "nuts"] / at["conjugate", "nuts"]))
        found += [(name, prior, "nuts over numpyro", at[prior, "nuts"] / at[prior, PEER])
                  for prior in PRIORS if (prior, PEER) in at]  # fmt: skip
    return [dict(zip(("data", "prior", "ratio of rates", "measured"), row)) | {"at least": AT_LEAST[row[2]]}
            for row in found]  # fmt: skip


def measure(quick: bool = False) -> list[Table]:
    """Three seeds a case; quick: one, and few draws."""
    from bayesgmm.models import finite_mixture

    draws, seeds, rows, rates = (50, 1, [], {}) if quick else (1000, 3, [], {})
    for name, (x, k) in _cases().items():
        for prior in PRIORS:
            model = finite_mixture(x, k, prior=prior)
            for engine in _engines(name, prior):
                row = _row(model, engine, draws, seeds)
                rates[name, prior, engine] = row["ESS a CPU second"]
                over = row["ESS a CPU second"] / rates[name, prior, "nuts"]
                rows.append({"data": name, "prior": prior, **row, "over nuts": over})
    note = f"4 × ({draws} + {draws}) draws; the search for the mode and the warm-up are counted, imports are not. The "
    note += f"smallest ESS is that of weights, means and covariances, labels matched. {PEER}: "
    note += "one run; what it takes to compile is counted, and stands beside it."
    note += "" if find_spec(PEER) else " It is not installed."
    long = 50 if quick else 5000
    wait = Table("A long run", ("engine",), [_long_run(engine, long) for engine in ENGINES[::-1]],
                 f"Old Faithful, 4 × (1000 + {long}) draws by `sample`, log-likelihood included.")  # fmt: skip
    targets = Table("NUTS by nutpie, beside what is wanted", ("data", "prior", "ratio of rates"), _targets(rates), "")
    return [Table("By engine and prior", ("data", "prior", "engine"), rows, note), targets, wait]
