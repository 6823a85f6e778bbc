"""Whose point is it: the posterior mean of responsibilities, and what it is not."""

import runpy
import time
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from bayesgmm.data import DataError
from bayesgmm.draws import from_arrays, membership, mixture_at
from bayesgmm.draws.mixtures import read

synthetic = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("synthetic.py"))))


@pytest.fixture(scope="module")
def draws():
    return synthetic.posterior(synthetic.truth(3, 2, apart=2.0), n=50, noise=0.3)


def joint(mixture, x):
    """π_k N(x | μ_k, Σ_k) (N, K), by SciPy."""
    from scipy.stats import multivariate_normal

    parts = [multivariate_normal(m, c).pdf(x) for m, c in zip(mixture.means, mixture.covariances)]
    return mixture.weights * np.stack(parts, axis=-1)


def brute(draws, x):
    """(E[r], E[π N] / E[p]) from the definitions."""
    joints = np.array(
        [joint(mixture_at(draws, c, d), x) for c in range(4) for d in range(draws.posterior.sizes["draw"])]
    )
    return (joints / joints.sum(axis=2, keepdims=True)).mean(axis=0), joints.mean(axis=0) / joints.sum(axis=2).mean(
        axis=0
    )[:, None]


def test_both_numbers_are_what_their_definitions_say(draws):
    x = draws["observed_data"]["x"].values
    mean, predictive = brute(draws, x)
    own, new = membership(draws), membership(draws, x)
    assert np.allclose(own["probability"], mean, atol=1e-12) and np.allclose(own["mean"], mean, atol=1e-12)
    assert np.allclose(new["probability"], predictive, atol=1e-12) and np.allclose(new["mean"], mean, atol=1e-12)
    assert np.abs(mean - predictive).max() > 0.01


def test_rows_sum_to_one_and_the_interval_holds_the_mean(draws):
    for found in (membership(draws), membership(draws, [[50.0, -1.0], [1.0, 300.0]])):
        for name in ("probability", "mean"):
            assert np.allclose(found[name].sum("component"), 1.0, atol=1e-13)
        assert (found["lower"] <= found["upper"]).all() and found["entropy"].dims == ("obs",)
        p = found["probability"].values
        assert np.allclose(found["entropy"], -np.sum(p * np.log(np.maximum(p, 1e-300)), axis=1))
    wide, narrow = membership(draws, ci_prob=0.99), membership(draws, ci_prob=0.5)
    assert (wide["upper"] >= narrow["upper"]).all()


def test_for_a_new_point_the_mean_of_responsibilities_is_far_from_the_probability():
    """Few points, so that where the second component lies is hardly known: draws that put it at the point count."""
    rng = np.random.default_rng(0)
    shape = (4, 500)
    spread = 1.0 / np.sqrt(10)
    means = np.stack([rng.normal(0, spread, shape), rng.normal(4, 3.0, shape)], axis=-1)[..., None]
    weights = rng.beta(10, 10, shape)
    draws = from_arrays(np.stack([weights, 1 - weights], axis=-1), means, np.full((*shape, 2, 1, 1), 1.0))
    found = membership(draws, [[4.5]])
    joints = np.array([joint(read(draws).mixture(m), np.array([[4.5], [4.5]]))[0] for m in range(0, 2000)])
    assert np.allclose(found["probability"].values[0], joints.mean(axis=0) / joints.sum(axis=1).mean(), atol=1e-12)
    assert np.allclose(found["mean"].values[0], (joints / joints.sum(axis=1, keepdims=True)).mean(axis=0), atol=1e-12)
    assert found["probability"].values[0, 1] > 0.99 and found["mean"].values[0, 1] < 0.9


def test_far_away_points_are_computed_in_the_log_domain(draws):
    found = membership(draws, [[1e4, 1e4], [-1e5, 0.0]])
    assert np.isfinite(found["probability"]).all() and np.allclose(found["probability"].sum("component"), 1)


def test_permuting_draws_and_labels_changes_nothing_but_the_labels(draws):
    from bayesgmm.draws.permute import permute

    x = draws["observed_data"]["x"].values[:7]
    turned = membership(permute(draws, [2, 0, 1]), x)
    back = draws.copy()
    back["posterior"].dataset = draws["posterior"].to_dataset().isel(draw=slice(None, None, -1))
    for name in ("probability", "mean", "lower", "upper"):
        expected = membership(draws, x)[name].values
        assert np.allclose(turned[name].values, expected[:, [2, 0, 1]], atol=1e-13)
        assert np.allclose(membership(back, x)[name].values, expected, atol=1e-13)


def test_blocks_of_rows_do_not_show(draws, monkeypatch):
    import sys

    whole = membership(draws)
    monkeypatch.setattr(sys.modules["bayesgmm.draws.membership"], "_BLOCK", 200 * 3 * 7)
    assert all(np.allclose(whole[name], membership(draws)[name], rtol=0, atol=1e-14) for name in whole)


def test_frames_are_read_by_name_and_arrays_by_position(draws):
    x = draws["observed_data"]["x"].values[:4]
    frame = pd.DataFrame({"other": ["a"] * 4, "f1": x[:, 1], "f0": x[:, 0]})
    assert np.array_equal(membership(draws, frame)["probability"], membership(draws, x)["probability"])
    assert membership(draws).sizes == {"obs": 60, "component": 3}


def test_what_cannot_be_read_is_said_in_a_sentence(draws):
    with pytest.raises(DataError, match="one dimension"):
        membership(draws, [1.0, 2.0])
    with pytest.raises(DataError, match="3 columns"):
        membership(draws, np.zeros((2, 3)))
    with pytest.raises(DataError, match="f1"):
        membership(draws, pd.DataFrame({"f0": [1.0]}))
    with pytest.raises(ValueError, match="ci_prob"):
        membership(draws, ci_prob=95)
    with pytest.raises(ValueError, match="hold no rows"):
        membership(draws.drop_nodes("observed_data"))


def test_four_thousand_draws_of_old_faithful_size_are_quick():
    draws = synthetic.posterior(synthetic.truth(2, 2), n=1000, x=synthetic.truth(2, 2).sample(272, seed=0)[0])
    membership(draws)
    start = time.process_time()
    membership(draws)
    assert time.process_time() - start < 1.5


def test_components_that_cannot_be_told_apart_are_warned_of():
    overlapping = synthetic.posterior(synthetic.truth(2, 1, apart=0.3), noise=0.3)
    with pytest.warns(UserWarning, match="average over different components"):
        membership(overlapping)
    apart = synthetic.posterior(synthetic.truth())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        membership(apart)
    with pytest.warns(UserWarning, match="relabel"):
        membership(synthetic.shuffled(apart, synthetic.random_orders(apart, 0)))
