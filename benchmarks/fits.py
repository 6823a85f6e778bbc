"""A whole fit: how long ours takes, from the same start, to the log-likelihood that scikit-learn's fit ends with."""

from __future__ import annotations

import warnings
from functools import partial
from typing import NamedTuple

import numpy as np

from bayesgmm import Mixture, family
from bayesgmm.fit.em import Likelihood, climb, em
from bayesgmm.fit.starts import start_statistics
from bayesgmm.kernel import e_step
from benchmarks.clock import seconds
from benchmarks.problems import overlapping, packed, sample, separated, unpacked
from benchmarks.tables import Table

TITLE = "A whole fit"
# Components, covariances, N, D, K, and how many times as fast as scikit-learn it has to be.
CASES = (
    ("separated", "full", 100_000, 5, 5, 15),
    ("separated", "full", 20_000, 2, 3, 15),
    ("overlapping", "full", 100_000, 5, 5, 25),
    ("overlapping", "full", 20_000, 2, 3, 25),
    ("overlapping", "tied", 20_000, 5, 3, None),
)
# N, D and K of overlapping components with full covariances, one letter growing at a time.
GROWTH = (
    *((n, 5, 5) for n in (2_000, 20_000, 200_000)),
    *((20_000, d, 5) for d in (2, 10, 20)),
    *((20_000, 5, k) for k in (2, 10, 20)),
)
# scikit-learn stops where a row's mean log density gains less than this: its default, and a tight one.
TOLERANCES = (1e-3, 1e-8)
MOST_STEPS = 5000
# Seconds after which scikit-learn is stopped, wherever it is.
PATIENCE = 60


class Job(NamedTuple):
    """Rows, where both begin, and what ours climbs."""

    x: np.ndarray
    start: Mixture
    target: Likelihood


def job(components: str, covariance_type: str, n: int, d: int, k: int) -> Job:
    """Rows of a mixture, and a start found from them."""
    truth = (separated if components == "separated" else overlapping)(d, k)
    x, target = sample(truth, n), Likelihood(family(covariance_type), truth.features)
    (stats,) = start_statistics(x, k, 1, np.random.default_rng(1))
    return Job(x, target.update(stats), target)


def scikit_learn(job: Job, tol: float, max_iter: int):
    """scikit-learn's fit from the start; given all three initial values, it runs no k-means."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    structure = job.target.family.alias
    model = GaussianMixture(
        job.start.n_components,
        covariance_type=structure,
        reg_covar=0,
        tol=tol,
        max_iter=max_iter,
        weights_init=job.start.weights,
        means_init=job.start.means,
        precisions_init=packed(np.linalg.inv(job.start.covariances), structure),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(job.x)


def height(job: Job, mixture: Mixture) -> float:
    """The log-likelihood of a mixture, by one and the same function for both."""
    return e_step(job.x, mixture, pointwise=False)[0]


def climb_to(job: Job, least: float) -> tuple[int, float]:
    """Steps until the log-likelihood is at least so high, and how high it then is."""
    for steps, step in enumerate(em(job.x, job.start, job.target), start=1):
        if step.log_likelihood >= least or steps >= MOST_STEPS:
            break
    return steps, step.log_likelihood


def _timed(run) -> tuple[float, object]:
    results = []
    took = seconds(lambda: results.append(run()))
    return took, results[0]


def duel(job: Job, tol: float, repeats: int) -> dict:
    """scikit-learn's fit, then ours to its height, in turn."""
    one, _ = _timed(lambda: scikit_learn(job, tol, 2))
    most = int(np.clip(2 * PATIENCE / one, 2, MOST_STEPS))
    ours, theirs = [], []
    while len(ours) < (repeats if not theirs or max(theirs) < PATIENCE / 4 else 1):
        took, model = _timed(lambda: scikit_learn(job, tol, most))
        theirs.append(took)
        its = height(job, unpacked(model))
        # Sums over the same rows in another order differ by rounding.
        least = its - 1e-13 * abs(its)
        took, (steps, reached) = _timed(partial(climb_to, job, least))
        ours.append(took)
    arrived = reached >= least
    return {
        "scikit-learn, s": float(np.median(theirs)),
        "its steps": model.n_iter_,
        "it converged": bool(model.converged_),
        "ours to its height, s": float(np.median(ours)) if arrived else None,
        "our steps": steps if arrived else None,
        "ratio": float(np.median(np.array(theirs) / ours)) if arrived else None,
        "its log L": its,
    }


def to_the_end(job: Job) -> dict:
    """Ours until it stops by itself."""
    took, (last, history, converged) = _timed(lambda: climb(job.x, job.start, job.target))
    return {"ours to the end, s": took, "steps to the end": len(history), "we converged": converged,
            "log L at the end": last.log_likelihood}  # fmt: skip


def _growth(quick: bool) -> Table:
    rows = []
    for n, d, k in GROWTH:
        n, repeats = (40 * k + 20 * d, 1) if quick else (n, 3)
        took = duel(job("overlapping", "full", n, d, k), TOLERANCES[0], repeats)
        rows.append({"N": n, "D": d, "K": k} | took)
    note = f"Overlapping components, full covariances, scikit-learn's default tol = {TOLERANCES[0]:g}."
    return Table("How a fit grows", ("N", "D", "K"), rows, note)


def _cases(quick: bool) -> Table:
    rows = []
    for components, covariances, n, d, k, floor in CASES:
        n, repeats = (500, 1) if quick else (n, 3)
        one = job(components, covariances, n, d, k)
        end = to_the_end(one)
        for tol in TOLERANCES:
            name = {"components": components, "covariances": covariances, "N": n, "D": d, "K": k, "tol": f"{tol:g}"}
            rows.append(name | duel(one, tol, repeats) | {"ratio wanted": floor} | end)
    note = (
        "Both begin at the same mixture, `reg_covar=0`. scikit-learn (no k-means: it is given all three initial "
        f"values) stops by its `tol`, or after about {PATIENCE} s; the ratio is its time over ours until our "
        "log-likelihood is at least its last. To the end means until less than 1e-9 of log-likelihood is left "
        "to gain. Ours counts E-steps, of which scikit-learn runs one more than its steps. A dash: ours climbed to "
        "another, lower, maximum."
    )
    return Table("Fit to the same log-likelihood", ("components", "covariances", "N", "D", "K", "tol"), rows, note)


def measure(quick: bool = False) -> list[Table]:
    """A row a case and tolerance; then growth."""
    return [_cases(quick), _growth(quick)]
