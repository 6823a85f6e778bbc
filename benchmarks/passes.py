"""One EM pass (E and M step), ours against scikit-learn's at equal parameters, `reg_covar=0`."""

from __future__ import annotations

import time

import numpy as np

from bayesgmm import Mixture
from bayesgmm.families import Full
from bayesgmm.fit.em import Likelihood
from bayesgmm.kernel import e_step

SIZES = [(272, 2, 2), (100_000, 2, 3), (100_000, 5, 5), (1_000_000, 10, 10)]


def problem(n: int, d: int, k: int) -> tuple[np.ndarray, Mixture]:
    """Rows from a mixture of overlapping components, and that mixture."""
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(k, d, d)) * 0.4 + np.eye(d)
    covariances = factors @ factors.swapaxes(1, 2) + 0.1 * np.eye(d)
    mixture = Mixture(np.full(k, 1 / k), 3 * rng.normal(size=(k, d)), covariances)
    return mixture.sample(n, seed=1)[0], mixture


def ours(x, mixture) -> None:
    """A pass of the kernel, then the M-step."""
    Likelihood(Full(), mixture.features).update(e_step(x, mixture)[1])


def scikit_learn(x, mixture):
    """A pass of scikit-learn's GaussianMixture, as its fit loop runs it."""
    from sklearn.mixture import GaussianMixture

    model = GaussianMixture(mixture.n_components, reg_covar=0)
    model.weights_, model.means_, model.covariances_ = mixture.weights, mixture.means, mixture.covariances
    model.precisions_cholesky_ = np.linalg.inv(mixture.scale_trils).swapaxes(1, 2)

    def run():
        _, log_r = model._e_step(x)
        model._m_step(x, log_r)

    return run


def seconds(run) -> float:
    """One timed call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def measure(repeats: int = 5) -> list[dict]:
    """Medians and the median of the paired ratios, a row a size."""
    rows = []
    for n, d, k in SIZES:
        x, mixture = problem(n, d, k)
        peer = scikit_learn(x, mixture)
        pairs = [(seconds(lambda x=x, m=mixture: ours(x, m)), seconds(peer)) for _ in range(repeats + 1)][1:]
        mine, theirs = np.median(pairs, axis=0)
        ratio = float(np.median([b / a for a, b in pairs]))
        rows.append({"N": n, "D": d, "K": k, "ours_s": float(mine), "scikit_learn_s": float(theirs), "ratio": ratio})
    return rows
