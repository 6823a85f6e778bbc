"""Projections that show components apart: against Fisher's discriminants, under linear maps, and on draws."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import eigh, subspace_angles
from sklearn.datasets import load_iris
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

import bayesgmm as bg
from bayesgmm.draws.mixtures import from_arrays


def of_classes(tied=False):
    """The mixture of iris's species, as if labels were known."""
    x, y = load_iris(return_X_y=True)
    covariances = np.array([np.cov(x[y == k].T, bias=True) for k in range(3)])
    covariances = np.tile(covariances.mean(axis=0), (3, 1, 1)) if tied else covariances
    return bg.Mixture(np.full(3, 1 / 3), [x[y == k].mean(axis=0) for k in range(3)], covariances), x, y


def test_of_equal_covariances_directions_are_fishers():
    mixture, x, y = of_classes(tied=True)
    found = bg.project(mixture, x)
    lda = LinearDiscriminantAnalysis(solver="eigen").fit(x, y)
    assert found.directions.shape == (4, 2)
    assert np.degrees(subspace_angles(found.directions, lda.scalings_[:, :2])).max() < 1e-4


@pytest.mark.parametrize("balance", [0.0, 0.3, 0.5, 1.0])
def test_directions_solve_the_generalised_problem(balance):
    mixture, _, _ = of_classes()
    found = bg.project(mixture, balance=balance)
    pi, mu = mixture.weights, mixture.means - mixture.weights @ mixture.means
    within = np.einsum("k,kij->ij", pi, mixture.covariances)
    between = np.einsum("k,ki,kj->ij", pi, mu, mu)
    whole = within + between
    means = between @ np.linalg.solve(whole, between)
    spreads = sum(p * (s - within) @ np.linalg.solve(whole, s - within) for p, s in zip(pi, mixture.covariances))
    values, vectors = eigh(2 * balance * means + 2 * (1 - balance) * spreads, whole)
    p = found.directions.shape[1]
    np.testing.assert_allclose(found.strength, (values[::-1] / values.sum())[:p], atol=1e-10)
    np.testing.assert_allclose(np.abs(found.directions), np.abs(vectors[:, ::-1][:, :p]), atol=1e-6)
    np.testing.assert_allclose(found.directions.T @ whole @ found.directions, np.eye(p), atol=1e-9)


@pytest.mark.parametrize("data", ["iris", "wine"])
@pytest.mark.parametrize("balance", [1.0, 0.5])
def test_directions_are_those_of_mclust(data, balance):
    """MclustDR of mclust's own mixtures; the file tells the R commands. Numbers there have thirteen digits."""
    found = json.loads((Path(__file__).parents[1] / "reference" / "mclust_dr.json").read_text())[data]
    theirs = next(one for one in found["projections"] if one["lambda"] == balance)
    ours = bg.project(bg.Mixture(found["weights"], found["means"], found["covariances"]), balance=balance)
    values, basis = np.array(theirs["evalues"]), np.array(theirs["basis"])
    assert ours.directions.shape == basis.shape
    np.testing.assert_allclose(ours.strength, (values / values.sum())[: basis.shape[1]], atol=1e-10)
    unit = ours.directions / np.linalg.norm(ours.directions, axis=0)
    np.testing.assert_allclose(unit * np.sign((unit * basis).sum(axis=0)), basis, atol=1e-8)


def test_no_linear_map_of_the_features_is_seen():
    mixture, x, _ = of_classes()
    turn = np.random.default_rng(0).normal(size=(4, 4)) + 2 * np.eye(4)
    moved = bg.Mixture(mixture.weights, mixture.means @ turn.T + 3, turn @ mixture.covariances @ turn.T)
    one, two = bg.project(mixture, x), bg.project(moved, x @ turn.T + 3)
    np.testing.assert_allclose(one.strength, two.strength, atol=1e-10)
    np.testing.assert_allclose(np.abs(one.scores), np.abs(two.scores), atol=1e-6)


def test_the_mixture_seen_is_that_of_the_scores():
    mixture, x, _ = of_classes()
    found = bg.project(mixture, x)
    np.testing.assert_allclose(found.mixture.predict(found.scores), mixture.predict(x))
    np.testing.assert_allclose(found(x), found.scores)
    some = bg.project(mixture, x, n_directions=2)
    assert some.mixture.n_features == 2
    np.testing.assert_allclose(some.mixture.means, found.mixture.means[:, :2])
    assert "direction 1" in str(some)


def test_draws_count_as_their_mean():
    mixture, x, _ = of_classes()
    arrays = (np.tile(a, (1, 3, *[1] * a.ndim)) for a in (mixture.weights, mixture.means, mixture.covariances))
    np.testing.assert_allclose(bg.project(from_arrays(*arrays), x).strength, bg.project(mixture).strength, atol=1e-10)


def test_mistakes_get_a_sentence():
    same = bg.Mixture([0.5, 0.5], np.zeros((2, 2)), np.tile(np.eye(2), (2, 1, 1)))
    with pytest.raises(ValueError, match="no direction shows them apart"):
        bg.project(same)
    mixture, _, _ = of_classes()
    with pytest.raises(ValueError, match="balance must be between 0 and 1"):
        bg.project(mixture, balance=2)
    with pytest.raises(ValueError, match="n_directions"):
        bg.project(mixture, n_directions=0)
    with pytest.raises(ValueError, match="can be projected"):
        bg.project("mixture")
