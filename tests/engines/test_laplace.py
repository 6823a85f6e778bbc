"""Laplace's approximation, weighed: against NUTS where it may be trusted, and its own verdict where it may not."""

import arviz as az
import numpy as np
import pytest
from scipy.stats import norm

import bayesgmm as bg
from bayesgmm.draws.invariants import quantities
from bayesgmm.draws.mixtures import read
from bayesgmm.engines.importance import smoothed, systematic
from bayesgmm.models import finite_mixture

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def apart():
    """N = 2000, D = 3, K = 2, components well apart."""
    rng = np.random.default_rng(3)
    of = bg.Mixture([0.4, 0.6], [[0, 0, 0], [5, 4, 0]], [np.eye(3), np.diag([1.0, 2.0, 0.5])])
    return finite_mixture(of.sample(2000, seed=int(rng.integers(100)))[0], 2)


def test_agrees_with_nuts_where_there_are_many_rows(apart):
    laplace = bg.sample(apart, engine="laplace", draws=2000, seed=1, progress=False)
    nuts = bg.sample(apart, draws=2000, seed=2, progress=False)
    assert laplace.attrs["pareto_k"] < 0.7 and laplace.attrs["engine"] == "laplace"
    assert set(laplace["posterior"]) == set(nuts["posterior"])
    for name in ("weights", "means", "covariances"):
        a, b = (d["posterior"][name].std(("chain", "draw")).values for d in (laplace, nuts))
        np.testing.assert_allclose(a, b, rtol=0.05)
    a, b = ({k: v.reshape(4, -1) for k, v in quantities(d, read(d)).items()} for d in (laplace, nuts))
    z = norm.ppf(1 - 1e-4 / (2 * len(a)))
    for name in a:
        # Resampled draws repeat: their number is that of the weights.
        own = a[name].std() / np.sqrt(laplace.attrs["importance_ess"] / 2)
        assert abs(a[name].mean() - b[name].mean()) < z * np.hypot(own, float(az.mcse(b[name]))), name


def test_says_where_it_is_poor():
    few = bg.load_dataset("faithful").to_numpy(float)[:25]
    with pytest.warns(UserWarning, match="Laplace's approximation is poor here: Pareto's k is"):
        found = bg.sample(finite_mixture(few, 3), engine="laplace", draws=500, seed=1, progress=False)
    assert found.attrs["pareto_k"] > 0.7
    assert bg.diagnose(found).verdict == "high Pareto k"


def test_the_same_seed_gives_the_same_draws(apart):
    a, b = (bg.sample(apart, engine="laplace", draws=50, seed=5, progress=False) for _ in range(2))
    np.testing.assert_array_equal(a["posterior"]["means"], b["posterior"]["means"])
    assert a["posterior"].sizes["draw"] == 50 and a["posterior"].sizes["chain"] == 4


def test_weights_turn_one_normal_into_another():
    z = np.random.default_rng(0).standard_normal(16_000)
    weights, k = smoothed(0.5 * z**2 - 0.5 * ((z - 0.3) / 0.9) ** 2)
    assert k < 0.7
    assert weights @ z == pytest.approx(0.3, abs=0.03)
    assert weights @ z**2 - (weights @ z) ** 2 == pytest.approx(0.81, abs=0.04)


def test_systematic_draws_are_in_proportion():
    weights = np.array([0.5, 0.0, 0.3, 0.2])
    chosen = systematic(weights, 1000, np.random.default_rng(0))
    assert (np.abs(np.bincount(chosen, minlength=4) - 1000 * weights) <= 1).all()
