"""Value and gradient of the log-likelihood in PyTensor: our Op beside stock `pm.Mixture`, compiled for numba."""

from __future__ import annotations

import importlib
import json
import sys
import time

import numpy as np

from benchmarks.clock import fresh, seconds
from benchmarks.problems import mixture, sample
from benchmarks.tables import Table

TITLE = "Value and gradient in PyTensor"
# Who, D, K and growing N. Over a list, stock PyMC takes minutes to compile: once, at the small size.
CASES = (
    ("ours", 2, 2, (272,)),
    ("stock, batched", 2, 2, (272,)),
    ("stock, list", 2, 2, (272,)),
    ("ours", 5, 5, (200, 2_000, 20_000, 200_000)),
    ("stock, batched", 5, 5, (200, 2_000, 20_000, 200_000)),
    ("ours", 10, 10, (20_000,)),
    ("stock, batched", 10, 10, (20_000,)),
)
QUICK = (("ours", 2, 2, (50, 100)), ("stock, batched", 2, 2, (50, 100)), ("stock, list", 2, 2, (50,)))


def distribution(who: str, weights, means, scale_trils, shape):
    """The same mixture, as each writes it."""
    import pymc as pm

    if who == "ours":
        from bayesgmm import MarginalGaussianMixture

        return MarginalGaussianMixture.dist(weights, means, scale_trils, shape=shape)
    if who == "stock, batched":
        components = pm.MvNormal.dist(means, chol=scale_trils)
    else:
        components = [pm.MvNormal.dist(means[k], chol=scale_trils[k]) for k in range(means.type.shape[0])]
    return pm.Mixture.dist(weights, components, shape=shape)


def compiled(who: str, theta, quick: bool):
    """A function of (x, π, μ, L) that returns Σ_n log p(x_n) and its gradients by the last three."""
    import pymc as pm
    import pytensor
    import pytensor.tensor as pt

    names = ("weights", "means", "scale_trils")
    given = [pt.tensor(name, dtype="float64", shape=value.shape) for name, value in zip(names, theta, strict=True)]
    x = pt.tensor("x", dtype="float64", shape=(None, theta[1].shape[1]))
    value = pm.logp(distribution(who, *given, x.shape), x).sum()
    # Without numba all three compile in seconds: enough to see that they run and agree.
    mode = pytensor.compile.Mode("py", "fast_compile") if quick else "NUMBA"
    return pytensor.function([x, *given], [value, *pytensor.grad(value, given)], mode=mode)


def calls(run, x, theta, quick: bool) -> dict:
    """Milliseconds of a call, and what it returned."""
    value, *slopes = run(x, *theta)
    loops = 1 if quick else max(1, int(0.2 / seconds(lambda: run(x, *theta))))
    took = [seconds(lambda: run(x, *theta), loops) for _ in range(1 if quick else 7)]
    # Stock PyMC's gradient by L has parts above the diagonal, which L does not.
    sizes = [float(np.abs(np.tril(s) if s.ndim == 3 else s).sum()) for s in slopes]
    return {"N": len(x), "ms": 1e3 * float(np.median(took)), "value": float(value), "slopes": sizes}


def job(who: str, d: int, k: int, sizes: list[int], quick: bool) -> dict:
    """Seconds to compile, the first call included, and the calls after that, a size of data each."""
    # Imports are not the graph's.
    importlib.import_module("bayesgmm.ppl" if who == "ours" else "pymc")
    truth = mixture(d, k)
    theta = (truth.weights, truth.means, np.array(truth.scale_trils))
    x, start = sample(truth, sizes[0]), time.perf_counter()
    run = compiled(who, theta, quick)
    run(x, *theta)
    took = time.perf_counter() - start
    return {"compile_s": took, "calls": [calls(run, sample(truth, n), theta, quick) for n in sizes]}


def measure(quick: bool = False) -> list[Table]:
    """Each in a process of its own, with an empty PyTensor cache."""
    rows, own = [], {}
    for who, d, k, sizes in QUICK if quick else CASES:
        done = fresh("benchmarks.gradients", who, d, k, ",".join(map(str, sizes)), int(quick), cold=True)
        for call in done["calls"]:
            n = call["N"]
            if who == "ours":
                own[n, d, k] = call
            row = {"who": who, "N": n, "D": d, "K": k, "compile, s": done["compile_s"], "a call, ms": call["ms"]}
            rows.append(row | {"log L": call["value"], "call": call})
    for row in rows:
        ours, call = own[row["N"], row["D"], row["K"]], row.pop("call")
        row |= {"times ours": call["ms"] / ours["ms"], "same value and gradient": same(call, ours)}
    note = (
        'Σ log p and its gradients by (π, μ, L), `pytensor.function(…, mode="NUMBA")`; compiled in a fresh process '
        "with an empty cache (the first call included), then medians of seven. Ours runs in one thread. The same "
        "to 1e-8."
    )
    return [Table("Value and gradient", ("who", "N", "D", "K"), rows, note)]


def same(one: dict, other: dict) -> bool:
    """Equal values, and gradients of equal size, up to rounding."""
    return bool(np.allclose([one["value"], *one["slopes"]], [other["value"], *other["slopes"]], rtol=1e-8))


if __name__ == "__main__":
    who, d, k, sizes, quick = sys.argv[1:]
    print(json.dumps(job(who, int(d), int(k), [int(n) for n in sizes.split(",")], bool(int(quick)))))
