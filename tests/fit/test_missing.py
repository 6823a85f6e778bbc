"""Fits of rows with missing cells."""

import numpy as np
import pytest

import bayesgmm as bg
from bayesgmm.fit.moments import moments
from bayesgmm.kernel import Incomplete

FAMILIES = ("full", "tied", "diag", "spherical")


@pytest.fixture(scope="module")
def faithful():
    return bg.load_dataset("faithful").to_numpy(float)


@pytest.fixture(scope="module")
def holed(faithful):
    x = faithful.copy()
    x[np.random.default_rng(0).random(x.shape) < 0.2] = np.nan
    return x


def test_a_missing_cell_is_an_error_that_says_where_and_what_to_do(holed):
    row, column = np.argwhere(np.isnan(holed))[0]
    with pytest.raises(ValueError, match=rf"NaN in row {row + 1} .*'x{column}'.*missing='marginalise'"):
        bg.fit_mle(holed, 2)


@pytest.mark.parametrize("prior", [None, "conjugate"])
def test_with_nothing_missing_it_is_the_ordinary_fit_to_the_last_bit(faithful, prior):
    fits = [bg.fit_mle(faithful, 2, prior=prior, missing=m, seed=0) for m in ("raise", "marginalise")]
    for name in ("weights", "means", "covariances"):
        np.testing.assert_array_equal(*(getattr(f.mixture, name) for f in fits))
    np.testing.assert_array_equal(*(f.history for f in fits))


@pytest.mark.parametrize("prior", [None, "conjugate"])
@pytest.mark.parametrize("alias", FAMILIES)
def test_em_never_falls_and_converges(holed, alias, prior):
    fit = bg.fit_mle(holed, 2, covariance_type=alias, prior=prior, missing="marginalise", seed=0)
    assert fit.converged and (np.diff(fit.history) >= -1e-9 * abs(fit.history[-1])).all()


def test_one_gaussian_with_a_feature_that_stops_early_has_the_closed_form(faithful):
    """Anderson (1957): the first feature's own moments, and the regression of the second on it."""
    x = faithful.copy()
    x[180:, 1] = np.nan
    both = x[:180]
    mean, variance = x[:, 0].mean(), x[:, 0].var()
    slope = np.cov(both.T, bias=True)[0, 1] / both[:, 0].var()
    residual = both[:, 1].var() - slope**2 * both[:, 0].var()
    second = both[:, 1].mean() + slope * (mean - both[:, 0].mean())
    found = moments(Incomplete.of(x))
    np.testing.assert_allclose(found.means[0], [mean, second], rtol=1e-6)
    expected = [[variance, slope * variance], [slope * variance, residual + slope**2 * variance]]
    np.testing.assert_allclose(found.scatters[0] / found.total, expected, rtol=1e-4)


def test_case_weights_are_duplicates(holed):
    weights = np.random.default_rng(1).integers(1, 3, size=len(holed))
    fit = bg.fit_mle(holed, 2, case_weights=weights, missing="marginalise", seed=0)
    twice = bg.fit_mle(np.repeat(holed, weights, axis=0), 2, missing="marginalise", seed=0)
    assert fit.log_likelihood == pytest.approx(twice.log_likelihood, rel=1e-8)


def test_a_story_has_the_same_mode_as_the_fit(holed):
    from bayesgmm.models import finite_mixture

    fit = bg.fit_mle(holed, 2, prior="conjugate", missing="marginalise", seed=0)
    same = bg.fit_map(finite_mixture(holed, 2, missing="marginalise"), seed=0)
    assert same.log_posterior == pytest.approx(fit.log_posterior, abs=1e-7)


def test_columns_that_say_nothing_and_dependent_ones_are_named(faithful):
    x = np.column_stack([faithful, np.full(len(faithful), np.nan)])
    with pytest.raises(ValueError, match="'x2' has no observed cell"):
        bg.fit_mle(x, 2, missing="marginalise")
    x[:, 2] = faithful[:, 0] + faithful[:, 1]
    x[::7, 0] = np.nan
    with pytest.raises(ValueError, match="linearly dependent"):
        bg.fit_mle(x, 2, missing="marginalise")


@pytest.mark.slow
def test_a_fifth_of_the_cells_removed_leaves_no_bias():
    """K = 2 apart, N = 300: over 200 simulations, no parameter is further off than chance explains."""
    rng, found = np.random.default_rng(7), []
    truth = bg.Mixture([0.4, 0.6], [[0.0, 0.0], [6.0, 5.0]], [[[1.0, 0.5], [0.5, 1.0]], [[1.0, -0.3], [-0.3, 2.0]]])
    for _ in range(200):
        x, _ = truth.sample(300, seed=rng.integers(1 << 30))
        x[rng.random(x.shape) < 0.2] = np.nan
        m = bg.fit_mle(x, 2, missing="marginalise", starts=2, seed=0, progress=False).mixture
        counts = 300 * np.array([0.4, 0.6])[:, None, None]
        # Maximum likelihood divides by n and not n − 1 within a component.
        found.append(np.concatenate([m.weights[:1], m.means.ravel(), (m.covariances * counts / (counts - 1)).ravel()]))
    error = np.mean(found, axis=0) - np.concatenate([[0.4], truth.means.ravel(), truth.covariances.ravel()])
    assert (np.abs(error) < 4.0 * np.std(found, axis=0) / np.sqrt(200)).all()
