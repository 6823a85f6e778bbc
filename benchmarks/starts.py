"""Where climbs begin: what a tree of rows costs, and which kinds of start find the highest maxima."""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path

import numpy as np

from bayesgmm import family
from bayesgmm.fit.begin import Beginning
from bayesgmm.fit.best import best_climb
from bayesgmm.fit.degenerate import DegenerateFit
from bayesgmm.fit.em import Likelihood
from bayesgmm.fit.hierarchy import CRITERIA, hierarchy
from bayesgmm.fit.moments import moments
from bayesgmm.fit.starts import starts_for
from benchmarks.clock import seconds
from benchmarks.tables import Table

TITLE = "Starts"
# Rows and features of a tree; mclust takes 0.9 s for 2000 rows of five features.
SIZES = ((272, 2), (1000, 5), (2000, 2), (2000, 5), (2000, 10), (2000, 20))
# Sets of as many climbs, and the set whose best is the yardstick, beside all others.
SETS = {
    "hierarchy, 1": {"hierarchy": 1},
    "hierarchy, 3": {"hierarchy": 3},
    "kmeans++, 10": {"kmeans++": 10},
    "random, 10": {"random": 10},
    "3 hierarchy, 3 kmeans++, 4 random": {"hierarchy": 3, "kmeans++": 3, "random": 4},
    "the default, 10": 10,
    "30": 30,
}
FAMILIES = ("full", "tied", "diag", "spherical")
DATA = ("faithful", "iris", "thyroid", "diabetes_mclust_flawed", "wine")
REFERENCES = Path(os.environ.get("BAYESGMM_REFERENCES", Path(__file__).parents[2] / "shared" / "refs"))


def _trees(quick: bool) -> Table:
    rows = []
    hierarchy(np.arange(4.0)[:, None]).merges()  # loads the compiled code
    for n, d in SIZES[:1] if quick else SIZES:
        x = np.random.default_rng(0).standard_normal((n, d))
        # A tree keeps what it has grown, so each is grown on a tree of its own.
        took = [seconds(partial(hierarchy(x).merges, criterion)) for criterion in CRITERIA]
        rows.append({"N": n, "D": d} | dict(zip((f"{c}, s" for c in CRITERIA), took, strict=True)))
    note = "Normal rows, the tree whole, from N clusters to one; it is cut at every K at no further cost."
    return Table("A tree of rows", ("N", "D"), rows, note)


def _height(x, features, code, k, starts) -> float:
    """The log-likelihood of the best fit that is not degenerate; −inf if there is none."""
    from bayesgmm.data import Table as Rows

    target, whole = Likelihood(family(code), features), moments(x)
    begin: list[Beginning] = list(starts_for(x, k, starts, 0, whole=whole, moves=True))
    try:
        fit = best_climb(Rows(x, features), target, begin, None, whole)
    except DegenerateFit:
        return -np.inf
    return fit.log_likelihood if fit.degeneracy is None else -np.inf


def _reached(quick: bool) -> Table:
    import pandas as pd

    found, theirs = [], []
    for name in DATA[:1] if quick else DATA:
        reference = json.loads((REFERENCES / "mclust" / f"{name}.json").read_text())
        frame = pd.read_csv(REFERENCES / "data" / f"{name}.csv")[reference["features"]]
        x = np.ascontiguousarray(frame.to_numpy(dtype=float))
        for code in FAMILIES[:1] if quick else FAMILIES:
            for k in (2, 3) if quick else range(2, 10):
                model = family(code).code
                bic = reference["BIC_tight_tol1e10"][model][str(k)]
                free = reference["npar"][model][str(k)]
                theirs.append(-np.inf if bic is None else 0.5 * (bic + free * np.log(len(x))))
                found.append([_height(x, tuple(frame.columns), code, k, starts) for starts in SETS.values()])
    heights, theirs = np.array(found), np.array(theirs)
    highest = np.maximum(heights.max(axis=1), -1e300)
    both = np.isfinite(theirs) & np.isfinite(heights).any(axis=1)
    rows = [
        {
            "starts": name,
            "reach the highest, %": 100 * float((reached > highest - 1e-2).mean()),
            "at least mclust's, %": 100 * float((reached[both] > theirs[both] - 1e-2).mean()),
            "degenerate, %": 100 * float(np.isinf(reached).mean()),
        }
        for name, reached in zip(SETS, heights.T, strict=True)
    ]
    data = ", ".join(DATA[:1] if quick else DATA)
    note = (
        f"{data}; {len(highest)} fits: {', '.join(FAMILIES)}; K = 2 … 9. The highest is the best that any set "
        "found and that is not degenerate. mclust's maxima, from its one start, may be degenerate by the same rule, "
        "which its tables do not tell: those fits count as missed."
    )
    return Table("Which starts find the highest maxima", ("starts",), rows, note)


def measure(quick: bool = False) -> list[Table]:
    """Seconds of trees; then shares of fits, where the reference results are at hand."""
    return [_trees(quick)] + ([_reached(quick)] if (REFERENCES / "mclust").is_dir() else [])
