"""Passes over rows whose covariances are of low rank: how seconds grow with features and with factors."""

from __future__ import annotations

import numpy as np

from bayesgmm import Mixture
from bayesgmm.kernel import LowRank, e_step
from benchmarks.clock import side_by_side
from benchmarks.tables import Table

TITLE = "Factors"
_N, _K = 4000, 5
FEATURES, FACTORS = (125, 250, 500, 1000), (4, 8, 16, 32)


def problem(n: int, k: int, d: int, q: int):
    """Rows, the mixture they are from, and the same mixture with its covariances written out."""
    rng = np.random.default_rng(0)
    low_rank = LowRank(rng.normal(size=(k, d, q)), rng.uniform(0.5, 2.0, (k, d)))
    # Means so near to each other that all components have a share in every row: none is left out.
    weights, means = np.full(k, 1 / k), 0.01 * rng.normal(size=(k, d))
    low = Mixture.from_whitening(weights, means, low_rank)
    factors = rng.normal(size=(n, q))
    x = factors @ low_rank.loadings[0].T + rng.normal(size=(n, d))
    return x, low, low_rank


def measure(quick: bool = False) -> list[Table]:
    """Seconds of a pass; of D = 500 beside the dense pass; and the powers of D and of q."""
    n, repeats = (200, 1) if quick else (_N, 5)
    of_features = {d: _seconds(n, d, 8, repeats) for d in FEATURES[: 2 if quick else None]}
    of_factors = {q: _seconds(n, 500, q, repeats) for q in FACTORS[: 2 if quick else None]}
    rows = [{"N": n, "K": _K, "D": d, "q": 8, "s": took} for d, took in of_features.items()]
    rows += [{"N": n, "K": _K, "D": 500, "q": q, "s": took} for q, took in of_factors.items()]
    powers = [{"of": name, "power": _power(took)} for name, took in (("D", of_features), ("q", of_factors))]
    note = (
        "One `e_step` with statistics S_kβ_kᵀ and diag S_k, double precision, every component with a share in every "
        "row: O(N·K·D·q). `power` is the slope of log seconds."
    )
    return [
        Table("Seconds of a pass of low rank", ("N", "K", "D", "q"), rows, note),
        Table("How seconds grow", ("of",), powers),
        Table("Beside the dense pass", ("D", "q"), [_dense(n, repeats)]),
    ]


def _seconds(n, d, q, repeats) -> float:
    x, low, _ = problem(n, _K, d, q)
    return float(np.median(side_by_side({"pass": lambda: e_step(x, low, pointwise=False)}, repeats)["pass"]))


def _dense(n, repeats) -> dict:
    """D = 200, where a dense pass is bearable."""
    x, low, low_rank = problem(n, _K, 200, 8)
    dense = Mixture(low.weights, low.means, low_rank.covariances)
    took = side_by_side({"low": lambda: e_step(x, low, pointwise=False),
                         "dense": lambda: e_step(x, dense, pointwise=False)}, repeats)  # fmt: skip
    off = float(np.abs(e_step(x, low)[0] - e_step(x, dense)[0]).max())
    return {"D": 200, "q": 8, "low rank, s": float(np.median(took["low"])), "dense, s": float(np.median(took["dense"])),
            "dense / low rank": float(np.median(took["dense"] / took["low"])), "largest difference": off}  # fmt: skip


def _power(took: dict) -> float:
    return float(np.polyfit(np.log(list(took)), np.log(list(took.values())), 1)[0])
