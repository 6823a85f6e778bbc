"""Imputation against the closed form of a conditional Gaussian, and of a mixture of them."""

import numpy as np
import pytest

import bayesgmm as bg
from bayesgmm.draws import from_arrays, impute, membership

COVARIANCE = np.array([[2.0, 0.9, 0.3], [0.9, 1.5, -0.4], [0.3, -0.4, 1.0]])
MEAN = np.array([1.0, -2.0, 0.5])


def one_gaussian(x, n_draws):
    shape = (1, n_draws, 1)
    means = np.broadcast_to(MEAN, (*shape, 3))
    return from_arrays(np.ones(shape), means, np.broadcast_to(COVARIANCE, (*shape, 3, 3)), x=x)


def test_cells_of_a_row_have_the_conditional_mean_and_covariance():
    n = 4000
    cells = impute(one_gaussian([[1.0, 2.0, 3.0], [3.0, np.nan, np.nan]], n), seed=1)
    assert cells["obs"].values.tolist() == [1, 1] and cells["feature"].values.tolist() == ["x1", "x2"]
    slope = COVARIANCE[1:, 0] / COVARIANCE[0, 0]
    mean = MEAN[1:] + slope * (3.0 - MEAN[0])
    covariance = COVARIANCE[1:, 1:] - np.outer(slope, COVARIANCE[0, 1:])
    found = cells.values[0]
    assert (np.abs(found.mean(axis=0) - mean) < 4.5 * np.sqrt(np.diag(covariance) / n)).all()
    spread = np.sqrt(2 / n) * covariance.diagonal().max()
    assert np.abs(np.cov(found.T) - covariance).max() < 4.5 * spread


def test_a_row_without_any_cell_is_drawn_from_the_mixture():
    n = 4000
    found = impute(one_gaussian([[np.nan] * 3, [0.0] * 3], n), seed=2).values[0]
    assert (np.abs(found.mean(axis=0) - MEAN) < 4.5 * np.sqrt(np.diag(COVARIANCE) / n)).all()


def test_labels_follow_the_observed_cells():
    """Two components far apart in both features: the seen one tells which."""
    n, shape = 500, (1, 500, 2)
    means = np.broadcast_to([[-9.0, -9.0], [9.0, 9.0]], (*shape, 2))
    draws = from_arrays(np.full(shape, 0.5), means, np.broadcast_to(np.eye(2), (*shape, 2, 2)), x=[[9.0, np.nan]])
    assert abs(impute(draws, seed=3).values.mean() - 9.0) < 4.5 / np.sqrt(n)
    assert membership(draws)["probability"].values[0, 1] == pytest.approx(1.0)


def test_the_seed_decides_and_complete_rows_are_refused():
    draws = one_gaussian([[1.0, np.nan, 0.0]], 3)
    np.testing.assert_array_equal(impute(draws, seed=1), impute(draws, seed=1))
    with pytest.raises(ValueError, match="no cell is missing"):
        impute(one_gaussian([[1.0, 2.0, 3.0]], 3))


def test_new_points_with_missing_cells_are_refused_unless_asked_for():
    draws = one_gaussian([[1.0, 2.0, 3.0]], 3)
    with pytest.raises(ValueError, match="marginalise"):
        membership(draws, [[1.0, np.nan, 2.0]])
    assert membership(draws, [[1.0, np.nan, 2.0]], missing="marginalise")["probability"].values == 1.0
    assert bg.impute is impute
