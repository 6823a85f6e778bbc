"""The posterior of the story of factors, by simulation: what is ranked sees neither labels nor rotations of factors."""

import numpy as np
import pymc as pm
import pytensor
import pytest

import bayesgmm as bg
from bayesgmm.calibration import _calibration, _ranked, quantities
from bayesgmm.draws.mixtures import MixtureDraws, read
from bayesgmm.models import factor_mixture

K, D, Q, N = 2, 3, 1, 25


def told_of_other_rows(noise):
    """The story, its prior scaled by rows that are not the data, and the shared variable that holds its rows."""
    model = factor_mixture(np.random.default_rng(0).normal(size=(N, D)), K, Q, noise=noise)
    rows = pytensor.shared(np.zeros((N, D)), name="rows")
    model.rvs_to_values[model["x"]] = rows
    model.values_to_rvs[rows] = model["x"]
    return model, rows


def drawn_from_the_prior(model, n, rng):
    """Mixtures, and the noise of each, drawn by PyMC without regard to the rows."""
    names = "weights", "means", "covariances", "noise"
    return pm.draw([model[name] for name in names], draws=n, random_seed=rng)


def rows_of(weights, means, covariances, rng):
    labels = rng.choice(K, p=weights, size=N)
    return np.array([rng.multivariate_normal(means[k], covariances[k]) for k in labels])


def ranked_quantities(mixtures, noise, x):
    return quantities(mixtures, x, np.array([[-1.0] * D, [0.0] * D, [1.0] * D])) | {
        "log noise": np.log(noise).sum(axis=(1, 2)),
        "largest covariance": np.abs(mixtures.covariances[:, :, 0, 1]).max(axis=1),
    }


def calibrated(noise, replications, seed, **options):
    (model, rows), rng, found = told_of_other_rows(noise), np.random.default_rng(seed), []
    truths = drawn_from_the_prior(model, replications, rng)
    for r in range(replications):
        weights, means, covariances, own = (values[r] for values in truths)
        x = rows_of(weights, means, covariances, rng)
        rows.set_value(x)
        draws = bg.sample(model, engine="nuts", seed=int(rng.integers(2**31)), progress=False, **options)
        mixtures = read(draws)
        truth = MixtureDraws(weights[None], means[None], covariances[None], mixtures.features)
        of_draws = draws["posterior"]["noise"].values.reshape(-1, K, D)
        found.append(_ranked(ranked_quantities(mixtures, of_draws, x), ranked_quantities(truth, own[None], x),
                             mixtures.n_chains, rng))  # fmt: skip
    return _calibration(found, rng)


@pytest.mark.slow
def test_ranks_of_what_no_rotation_changes_are_uniform():
    found = calibrated("diagonal", 30, seed=1, draws=250, tune=250, chains=1)
    assert np.median(found.n_draws) > 50
    assert not found.outside(0.999), str(found)
