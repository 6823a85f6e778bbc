"""A whole photograph as a mixture of eight Gaussians, beside scikit-learn: seconds, and how high the maxima are."""

from __future__ import annotations

import time
import warnings
from itertools import takewhile

import numpy as np

import bayesgmm as bg
from bayesgmm import Mixture, family
from bayesgmm.fit.em import Likelihood, em
from bayesgmm.fit.scouts import scout
from bayesgmm.fit.starts import starts_for
from bayesgmm.fit.wanted import wanted
from bayesgmm.kernel import e_step
from benchmarks.tables import Table

TITLE = "Image segmentation"
N_COMPONENTS, WANTED = 8, 15
# Newton's decrement at which a climb has ended below a height that it was to reach.
_DONE = 1e-3
# Gains a row at which scikit-learn stops: its own choice, and one at which it has nearly converged.
TOLERANCES = (1e-3, 1e-5)


def pixels(step: int = 1) -> np.ndarray:
    """Colours and places (N, 5) of every so manieth pixel of scikit-learn's photograph of a temple, each in [0, 1]."""
    from sklearn.datasets import load_sample_image

    photograph = load_sample_image("china.jpg")
    rows, columns = np.mgrid[: photograph.shape[0], : photograph.shape[1]]
    features = np.dstack([photograph / 255.0, columns / photograph.shape[1], rows / photograph.shape[0]])
    return np.ascontiguousarray(features[::step, ::step].reshape(-1, 5))


def timed(work):
    began = time.process_time()
    found = work()
    return time.process_time() - began, found


def _ours(x) -> tuple[float, float]:
    """From `fit_mle`'s ten starts to convergence."""
    took, fit = timed(lambda: bg.fit_mle(x, N_COMPONENTS, seed=0, progress=False))
    return took, fit.log_likelihood


def _ours_to(x, least: float) -> float:
    """Seconds of the same, over all rows from the first of its modes, until the log-likelihood is so high."""
    table = bg.as_table(x)
    target = Likelihood(family("full"), table.features)

    def climb() -> Mixture | None:
        scouted = scout(table, target, wanted(10, N_COMPONENTS, *x.shape), N_COMPONENTS, 0, progress=False)
        begin = target.update(next(starts_for(x, N_COMPONENTS, 1, 0) if scouted is None else iter(scouted.begin)).stats)
        steps = takewhile(lambda one: one.decrement > _DONE, em(x, begin, target))
        return next((one.mixture for one in steps if one.log_likelihood >= least), None)

    took, mixture = timed(climb)
    return took if mixture is not None and e_step(x, mixture, pointwise=False)[0] >= least else np.nan


def _theirs(x, tolerance) -> tuple[float, float]:
    from sklearn.mixture import GaussianMixture

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it may not have converged
        took, fit = timed(lambda: GaussianMixture(N_COMPONENTS, tol=tolerance, max_iter=2000, random_state=0).fit(x))
    return took, fit.score(x) * len(x)


def _duel(x, tolerance) -> dict:
    """scikit-learn's fit, then ours to its height."""
    theirs, height = _theirs(x, tolerance)
    return {"theirs": theirs, "height": height, "ours": _ours_to(x, height)}


def measure(quick: bool = False) -> list[Table]:
    """All pixels, three times; quick: every fourth in each direction, once."""
    x = pixels(4 if quick else 1)
    runs = [(_ours(x), [_duel(x, tol) for tol in TOLERANCES]) for _ in range(1 if quick else 3)]
    end = float(np.median([ours[0] for ours, _ in runs]))
    rows = [{"fit": "ours, to the end", "CPU, s": end, "log-likelihood": runs[0][0][1]}]
    for i, tolerance in enumerate(TOLERANCES):
        duels = [run[i] for _, run in runs]
        theirs, ours = (np.array([duel[side] for duel in duels]) for side in ("theirs", "ours"))
        rows.append({"fit": f"scikit-learn, tol = {tolerance:g}", "CPU, s": float(np.median(theirs)),
                     "log-likelihood": duels[0]["height"], "ours to its height, CPU, s": float(np.median(ours)),
                     "ratio": float(np.median(theirs / ours)), "ratio wanted": WANTED,
                     "ratio to the end": float(np.median(theirs)) / end})  # fmt: skip
    note = (
        f"{len(x)} pixels, D = 5, K = {N_COMPONENTS}, full covariances. Ours is `fit_mle` as it comes, "
        "from ten starts, of which it climbs over all pixels from those that are best on a sample; scikit-learn begins "
        "with k-means of all pixels; seconds count both. "
        "The ratio is scikit-learn's seconds over ours until our log-likelihood is at least its last, as in `fits`; to "
        "the end is to convergence. CPU seconds, medians of three that alternate."
    )
    return [Table("A photograph, all pixels", ("fit",), rows, note)]
