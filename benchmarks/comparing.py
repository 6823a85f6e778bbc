"""How long `compare` takes: 500 rows of two features, a fit and 4000 draws, without held-out scores and with them."""

from __future__ import annotations

import numpy as np

import bayesgmm as bg
from bayesgmm.models import finite_mixture
from benchmarks.clock import seconds
from benchmarks.tables import Table

TITLE = "MLE beside Bayes"
WANTED = 2.0


def measure(quick: bool = False) -> list[Table]:
    """Medians of three, after one that imports what is needed."""
    truth = bg.Mixture([0.4, 0.6], [[0.0, 0.0], [3.0, 1.0]], [np.eye(2), np.eye(2)])
    x = truth.sample(500, seed=1)[0]
    fit = bg.fit_mle(x, 2, seed=1, progress=False)
    length = 100 if quick else 1000
    draws = bg.sample(finite_mixture(x, 2), draws=length, tune=length, seed=1, progress=False)
    rows = []
    for what, folds in (("parameters and memberships", None), ("PSIS-LOO and ten refits as well", 10)):
        bg.compare(fit, draws, folds=folds)
        took = [seconds(lambda folds=folds: bg.compare(fit, draws, folds=folds)) for _ in range(1 if quick else 3)]
        rows.append({"what": what, "wall, s": float(np.median(took)), "wanted, s": WANTED if folds is None else None})
    note = f"500 rows, D = 2, K = 2, {4 * length} draws. The first call of a process takes seconds more, for imports."
    return [Table("compare", ("what",), rows, note)]
