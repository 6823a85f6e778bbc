"""A whole photograph as a mixture of eight Gaussians, beside scikit-learn: seconds, and how high the maxima are."""

from __future__ import annotations

import time
import warnings

import numpy as np

import bayesgmm as bg
from benchmarks.tables import Table

TITLE = "Image segmentation"
N_COMPONENTS, WANTED = 8, 15
# Gains a row at which scikit-learn stops: its own choice, and one at which it has nearly converged.
TOLERANCES = (1e-3, 1e-5)


def pixels(step: int = 1) -> np.ndarray:
    """Colours and places (N, 5) of every so manieth pixel of scikit-learn's photograph of a temple, each in [0, 1]."""
    from sklearn.datasets import load_sample_image

    photograph = load_sample_image("china.jpg")
    rows, columns = np.mgrid[: photograph.shape[0], : photograph.shape[1]]
    features = np.dstack([photograph / 255.0, columns / photograph.shape[1], rows / photograph.shape[0]])
    return np.ascontiguousarray(features[::step, ::step].reshape(-1, 5))


def _timed(work):
    began = time.process_time()
    found = work()
    return time.process_time() - began, found


def _ours(x, starts) -> tuple[float, float]:
    took, fit = _timed(lambda: bg.fit_mle(x, N_COMPONENTS, starts=starts, seed=0, progress=False))
    return took, fit.log_likelihood


def _theirs(x, tolerance) -> tuple[float, float]:
    from sklearn.mixture import GaussianMixture

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it may not have converged
        took, fit = _timed(lambda: GaussianMixture(N_COMPONENTS, tol=tolerance, max_iter=2000, random_state=0).fit(x))
    return took, fit.score(x) * len(x)


def measure(quick: bool = False) -> list[Table]:
    """All pixels, three times; quick: every fourth in each direction, once."""
    x = pixels(4 if quick else 1)
    runs = [[_ours(x, 1), *(_theirs(x, tol) for tol in TOLERANCES)] for _ in range(1 if quick else 3)]
    took = np.median([[seconds for seconds, _ in run] for run in runs], axis=0)
    heights = [height for _, height in runs[0]]
    rows = [{"fit": "ours, one start", "CPU, s": took[0], "log-likelihood": heights[0]}]
    for tolerance, seconds, height in zip(TOLERANCES, took[1:], heights[1:], strict=True):
        rows.append({"fit": f"scikit-learn, tol = {tolerance:g}", "CPU, s": seconds, "log-likelihood": height,
                     "ratio": seconds / took[0], "ratio wanted": WANTED})  # fmt: skip
    note = (f"{len(x)} pixels, D = 5, K = {N_COMPONENTS}, full covariances, one start each: ours from a tree of a "
            "sample of them, to convergence; scikit-learn from k-means, which its seconds count. CPU seconds of whole "
            "fits, medians of three that alternate.")  # fmt: skip
    return [Table("A photograph, all pixels", ("fit",), rows, note)]
