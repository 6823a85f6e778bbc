"""What a posterior makes of missing cells: wider intervals, that still cover."""

import numpy as np
import pytest
from scipy.stats import binom

import bayesgmm as bg
from bayesgmm.draws.invariants import quantities
from bayesgmm.draws.mixtures import read
from bayesgmm.models import finite_mixture

pytestmark = pytest.mark.slow
TRUTH = bg.Mixture([0.4, 0.6], [[0.0, 0.0], [6.0, 2.0]], [[[1.0, 0.6], [0.6, 1.0]], [[2.0, -0.5], [-0.5, 1.0]]])
# Intervals of all data sets are counted; how much wider they are, a mean, is taken over every fourth.
LEVEL, DATA_SETS, COMPARED = 0.9, 40, 4


def moments(mixture):
    """The mean and the covariance of the whole mixture, as `quantities` names them."""
    mean = mixture.weights @ mixture.means
    apart = mixture.means - mean
    covariance = np.einsum("k,kij->ij", mixture.weights, mixture.covariances + apart[:, :, None] * apart[:, None, :])
    found = {f"overall mean[x{i}]": mean[i] for i in range(2)}
    return found | {f"overall covariance[x{i}, x{j}]": covariance[i, j] for i, j in ((0, 0), (0, 1), (1, 1))}


def posterior(x, seed):
    model = finite_mixture(x, 2, missing="marginalise")
    tree = bg.sample(model, draws=250, tune=300, chains=2, seed=seed, progress=False)
    found = quantities(tree, read(tree))
    return {name: found[name] for name in moments(TRUTH)}


def test_intervals_widen_and_still_cover():
    rng, truth = np.random.default_rng(0), moments(TRUTH)
    covered, wider = dict.fromkeys(truth, 0), {name: [] for name in truth}
    for seed in range(DATA_SETS):
        x = TRUTH.sample(100, seed=seed)[0]
        holes = np.where(rng.random(x.shape) < 0.3, np.nan, x)
        holes[0] = x[0]
        partial = posterior(holes, seed)
        whole = None if seed % COMPARED else posterior(x, seed)
        for name, value in truth.items():
            low, high = np.quantile(partial[name], [0.5 - LEVEL / 2, 0.5 + LEVEL / 2])
            covered[name] += low <= value <= high
            if whole:
                wider[name].append(partial[name].std() / whole[name].std())
    # A false alarm once in 10 000 runs, for each side of five binomial counts.
    fewest, most = binom.ppf(1e-5, DATA_SETS, LEVEL), binom.ppf(1 - 1e-5, DATA_SETS, LEVEL)
    for name in truth:
        assert fewest <= covered[name] <= most, (name, covered[name])
        assert np.mean(wider[name]) > 1.05, (name, np.mean(wider[name]))
