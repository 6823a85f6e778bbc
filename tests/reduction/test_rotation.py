"""Loadings of draws turned to agree: nothing else changes, and what was turned at random comes back."""

import numpy as np
import pytest
from scipy.stats import ortho_group

import bayesgmm as bg
from bayesgmm.draws.mixtures import from_arrays
from bayesgmm.reduction.rotation import varimax


def turned_at_random(loadings, noise, draws=40, jitter=0.0, seed=0):
    """A posterior whose draws differ by rotations of the factors, and a little more."""
    rng = np.random.default_rng(seed)
    k, d, q = loadings.shape
    many = np.array([[loadings[c] @ ortho_group.rvs(q, random_state=rng) for c in range(k)] for _ in range(draws)])
    many = many + jitter * rng.normal(size=many.shape)
    covariances = many @ many.mT + noise[:, :, None] * np.eye(d)
    weights, means = np.full((1, draws, k), 1 / k), np.zeros((1, draws, k, d))
    tree = from_arrays(weights, means, covariances[None])
    lead = ("chain", "draw", "component", "feature")
    posterior = tree["posterior"].to_dataset()
    tree["posterior"] = posterior.assign(loadings=((*lead, "factor"), many[None]),
                                         noise=(lead, np.broadcast_to(noise, (1, draws, k, d))))  # fmt: skip
    return tree


def made(k=2, d=7, q=3, seed=1):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(k, d, q)), rng.uniform(0.3, 2.0, (k, d))


@pytest.mark.parametrize("rotation", ["principal", "varimax"])
def test_draws_that_differ_by_rotations_alone_become_equal(rotation):
    draws = turned_at_random(*made())
    found = bg.align_factors(draws, rotation=rotation)["posterior"]
    loadings = found["loadings"].values[0]
    np.testing.assert_allclose(loadings, np.broadcast_to(loadings[:1], loadings.shape), atol=1e-6)
    whole = loadings @ loadings.mT + found["noise"].values[0][..., None] * np.eye(7)
    np.testing.assert_allclose(whole, draws["posterior"]["covariances"].values[0], atol=1e-9)
    assert found.attrs["factor_rotation"] == rotation


def test_a_reference_is_what_draws_are_turned_to():
    loadings, noise = made()
    found = bg.align_factors(turned_at_random(loadings, noise), reference=loadings)["posterior"]
    np.testing.assert_allclose(found["loadings"].values[0], np.broadcast_to(loadings, (40, 2, 7, 3)), atol=1e-9)


def test_what_is_no_rotation_is_left():
    loadings, noise = made()
    found = bg.align_factors(turned_at_random(loadings, noise, draws=400, jitter=0.1), reference=loadings)
    spread = found["posterior"]["loadings"].values[0].std(axis=0)
    # Of 21 deviations of a component three are rotations, and are turned away: √(18 / 21) of 0.1 remains.
    np.testing.assert_allclose(np.sqrt((spread**2).mean()), 0.1 * np.sqrt(18 / 21), rtol=0.05)


def test_varimax_finds_factors_that_have_features_of_their_own():
    simple = np.zeros((6, 2))
    simple[:3, 0], simple[3:, 1] = [1.0, 2.0, 1.5], [1.0, -1.0, 2.0]
    turn = ortho_group.rvs(2, random_state=3)
    found = simple @ turn @ varimax(simple @ turn)
    np.testing.assert_allclose(np.sort(np.abs(found), axis=1)[:, 0], 0.0, atol=1e-6)


def test_mistakes_get_a_sentence():
    draws = turned_at_random(*made(), draws=3)
    with pytest.raises(ValueError, match="rotation must be one of"):
        bg.align_factors(draws, rotation="promax")
    with pytest.raises(ValueError, match="reference has the shape"):
        bg.align_factors(draws, reference=np.zeros((2, 7, 2)))
