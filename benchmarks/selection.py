"""`select` beside mclust and scikit-learn: seconds of whole sweeps, and how high the maxima are that they find."""

from __future__ import annotations

import warnings

import numpy as np

import bayesgmm as bg
from benchmarks.clock import against, seconds, side_by_side
from benchmarks.mclust import beside, names, reference, seconds_in_r, summary
from benchmarks.tables import Table

TITLE = "Model selection"
TIMED = ("faithful", "thyroid", "wine")
FAMILIES = ("full", "tied", "diag", "spherical")
# How many times as fast as a scikit-learn loop over its four families; and the starts that ours climbs from by default.
WANTED, STARTS = 5, 10
# A sweep takes less than a second, in which a shared machine may do anything.
_REPEATS = 7


def _sweep(x, **options):
    return bg.select(x, seed=0, progress=False, **options)


def scikit_learn(x, numbers=range(1, 10), starts=1) -> float:
    """The loop that people write: every number of components of every family; the lowest BIC."""
    from sklearn.mixture import GaussianMixture

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fits that have not converged
        return min(GaussianMixture(k, covariance_type=family, n_init=starts, random_state=0).fit(x).bic(x)
                   for k in numbers for family in FAMILIES)  # fmt: skip


def _numbers(quick: bool) -> range:
    return range(1, 4 if quick else 10)


def _seconds(ref, quick: bool) -> tuple[float, float | None]:
    """Ours and, where R is here, mclust's, medians of seven that alternate."""
    numbers, ours, theirs = _numbers(quick), [], []
    _sweep(ref.x, n_components=2)
    for _ in range(1 if quick else _REPEATS):
        ours.append(seconds(lambda: _sweep(ref.x, n_components=numbers)))
        theirs.append(None if quick else seconds_in_r(ref.x))
    return float(np.median(ours)), None if None in theirs else float(np.median(theirs))


def _whole(quick: bool) -> Table:
    rows = []
    for ref in filter(None, map(reference, TIMED)):
        ours, theirs = _seconds(ref, quick)
        rows.append({"data": ref.name, "N": len(ref.x), "D": ref.x.shape[1], "ours, s": ours, "mclust, s": theirs,
                     "mclust recorded, s": ref.seconds})  # fmt: skip
    note = (
        "Wall seconds of 14 families × K = 1 … 9: ours from ten starts a fit and from each other, on all cores; "
        "`mclustBIC` from one, on one, at its tolerance of 1e-5, alternating with ours where R is here, and as "
        "recorded on another machine of two cores."
    )
    return Table("A whole sweep", ("data",), rows, note)


def _side_by_side(ref, quick: bool) -> dict:
    x, numbers, lowest = ref.x.to_numpy(dtype=float), _numbers(quick), {}

    def ours():
        lowest["ours"] = _sweep(x, n_components=numbers, covariance_types=FAMILIES).best.bic

    def theirs():
        lowest["theirs"] = scikit_learn(x, numbers)

    def as_many():
        lowest["as many"] = scikit_learn(x, numbers, STARTS)

    took = side_by_side({"ours": ours, "theirs": theirs, "as many": as_many}, 1 if quick else _REPEATS)
    return {"ours, s": float(np.median(took["ours"])), "scikit-learn, one start, s": float(np.median(took["theirs"])),
            "ratio": against(took["ours"], took["theirs"]), "ratio, ten starts each":
            against(took["ours"], took["as many"]), "ratio wanted": WANTED, "our lowest BIC": lowest["ours"],
            "its, one start": lowest["theirs"], "its, ten": lowest["as many"]}  # fmt: skip


def _four(quick: bool) -> Table:
    rows = [{"data": ref.name} | _side_by_side(ref, quick) for ref in filter(None, map(reference, TIMED))]
    note = (
        "scikit-learn's four families × K = 1 … 9, as it comes: from one k-means start, and from ten, as ours; its "
        "`reg_covar` lets fits through that have all but collapsed, so its BIC may be that of no fit."
    )
    return Table("Four families beside scikit-learn", ("data",), rows, note)


def _quality(quick: bool) -> list[Table]:
    rows, rest = [], []
    for ref in filter(None, map(reference, names()[:1] if quick else names())):
        found = _sweep(ref.x)
        cells = beside(found, ref)
        best, (k, code) = found.ranking.iloc[0], ref.selected
        rows.append({"data": ref.name} | summary(cells) |
                    {"selected": f"{best['covariance_type']}, {best['n_components']}", "BIC": float(best["bic"]),
                     "climbs to it": _climbs(found.best), "kept": _kept(found.best, ref.x),
                     "mclust's": f"{code}, {k}", "its BIC": ref.bic})  # fmt: skip
        rest += [cell for cell in cells
                 if (cell["excluded"] or cell["higher"] < -0.01) and not cell["theirs degenerate"]]  # fmt: skip
    note = (
        "Cells are those with a value in mclust's table at an EM tolerance of 1e-10. Compared are those in which "
        "neither mixture is degenerate; as high is a log-likelihood no more than 0.01 below. Excluded are cells in "
        "which ours is degenerate. Climbs to it: how many of those of the selected mixture ended there. Kept: how much "
        "higher in log-likelihood one ends that begins at the mode under the default prior nearest to it."
    )
    listed = [{"data": c["data"], "family": c["family"], "K": c["K"],
               "log-likelihood, ours less theirs": None if c["excluded"] else c["higher"],
               "note": c["note"].partition(";")[0]} for c in rest]  # fmt: skip
    return [Table("How high the maxima are, beside mclust", ("data",), rows, note),
            Table("Cells in which mclust's mixture is sound, and ours lower or degenerate", ("data", "family", "K"),
                  listed)]  # fmt: skip


def _climbs(fit: bg.Fit) -> str:
    here = min(fit.census, key=lambda mode: abs(mode.objective - fit.log_likelihood))
    return f"{here.n_starts} of {len(fit.starts)}"


def _kept(fit: bg.Fit, x) -> float:
    """The log-likelihood to which EM returns from the posterior's mode near a fit, less the fit's."""
    options = {"covariance_type": fit.covariance_type, "progress": False}
    bayes = bg.fit_mle(x, fit.n_components, prior="conjugate", starts=fit, **options)
    return bg.fit_mle(x, fit.n_components, starts=bayes, **options).log_likelihood - fit.log_likelihood


def measure(quick: bool) -> list[Table]:
    """The tables of this piece."""
    return [_whole(quick), _four(quick), *_quality(quick)]
