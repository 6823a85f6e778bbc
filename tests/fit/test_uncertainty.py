"""Standard errors against second differences of the log density, closed forms, and the laws that they keep."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import norm

import bayesgmm as bg
from bayesgmm.data import DataError
from bayesgmm.families import family
from bayesgmm.fit.again import rows_of, target_of
from bayesgmm.fit.em import climb
from bayesgmm.fit.parameters import parameter_vector

TYPES = ("full", "tied", "diag", "spherical")
K, D = 2, 2


@cache
def faithful(case="plain"):
    x = bg.load_dataset("faithful").to_numpy(dtype=float)[::2]
    if case == "missing":
        rng = np.random.default_rng(3)
        x[rng.choice(len(x), 30, replace=False), rng.integers(2, size=30)] = np.nan
    weights = np.random.default_rng(2).integers(1, 4, len(x)).astype(float) if case == "weighted" else None
    return x, weights


@cache
def fitted(covariance_type="full", case="plain", prior=None):
    x, weights = faithful(case)
    fit = bg.fit_mle(x, K, covariance_type=covariance_type, prior=prior, case_weights=weights, missing="marginalise",
                     seed=0, progress=False)  # fmt: skip
    # To the maximum itself: at a distance, second derivatives depend a little on the coordinates they are taken in.
    table, weights = rows_of(fit, x, weights)
    return replace(fit, mixture=climb(table.rows, fit.mixture, target_of(fit, ""), weights, tolerance=0.0)[0].mixture)


def mixture_at(theta, covariance_type):
    """A mixture of a family from K − 1 logits, means, and logarithms and slopes of the factors of Σ."""
    weights = softmax([0.0, theta[0]])
    means, rest = theta[1 : 1 + K * D].reshape(K, D), theta[1 + K * D :]
    if covariance_type in ("full", "tied"):
        a, b, c = np.broadcast_to(rest.reshape(-1, 3), (K, 3)).T
        zero = np.zeros(K)
        factors = np.array([[np.exp(a), zero], [b, np.exp(c)]]).transpose(2, 0, 1)
        return bg.Mixture.from_scale_trils(weights, means, factors)
    sds = np.exp(np.broadcast_to(rest.reshape(K, -1), (K, D)))
    return bg.Mixture.from_scale_trils(weights, means, sds[:, :, None] * np.eye(D))


def place(mixture, covariance_type):
    factors = mixture.scale_trils
    logs = np.log(np.diagonal(factors, axis1=1, axis2=2))
    shapes = {
        "full": np.column_stack([logs[:, 0], factors[:, 1, 0], logs[:, 1]]),
        "tied": np.array([logs[0, 0], factors[0, 1, 0], logs[0, 1]]),
        "diag": logs,
        "spherical": logs[:, 0],
    }
    w = mixture.weights
    return np.concatenate([[np.log(w[1] / w[0])], mixture.means.ravel(), shapes[covariance_type].ravel()])


def log_normal(x, mean, covariance):
    factor = np.linalg.cholesky(covariance)
    z = np.linalg.solve(factor, (x - mean).T)
    return -0.5 * (z * z).sum(axis=0) - np.log(np.diag(factor)).sum() - 0.5 * len(mean) * np.log(2 * np.pi)


def log_likelihood(mixture, x, weights):
    """Σ w log p of the cells that are there."""
    found, missing = 0.0, np.isnan(x)
    weights = np.ones(len(x)) if weights is None else weights
    for seen in ([0, 1], [0], [1]):
        rows = (missing == ~np.isin([0, 1], seen)).all(axis=1)
        if rows.any():
            parts = zip(mixture.weights, mixture.means[:, seen], mixture.covariances[:, seen][:, :, seen], strict=True)
            joint = [np.log(w) + log_normal(x[rows][:, seen], m, c) for w, m, c in parts]
            found += weights[rows] @ np.logaddexp(*joint)
    return found


def vector(mixture):
    return parameter_vector(mixture.weights, mixture.means, mixture.covariances)


def differenced(value, theta, steps):
    """Minus second differences of two step sizes, so that the next term of the error cancels."""
    basis = np.diag(steps)

    def second(a, b, s):
        ends = value(theta + s * (a + b)) - value(theta + s * (a - b))
        return (ends - value(theta - s * (a - b)) + value(theta - s * (a + b))) / (4 * s * s)

    found = np.zeros(2 * [len(steps)])
    for i, j in zip(*np.triu_indices(len(steps)), strict=True):
        found[i, j] = found[j, i] = -(4 * second(basis[i], basis[j], 1) - second(basis[i], basis[j], 2)) / 3
    return found / np.outer(steps, steps)


def errors_by_differences(fit, covariance_type, case):
    """√ diag J I⁻¹ Jᵀ, I and J by differences, of the parameters in their order."""
    theta, (x, weights) = place(fit.mixture, covariance_type), faithful(case)

    def height(at):
        mixture = mixture_at(at, covariance_type)
        prior = fit.prior.log_density(mixture, family(covariance_type)) if fit.prior is not None else 0.0
        return log_likelihood(mixture, x, weights) + prior

    wide, top = np.diag(1e-3 * np.maximum(1.0, np.abs(theta))), height(theta)
    falls = np.array([2 * top - height(theta + step) - height(theta - step) for step in wide])
    steps = 0.05 * np.diag(wide) / np.sqrt(falls)  # a twentieth of a standard deviation
    covariance = np.linalg.inv(differenced(height, theta, steps))
    ends = [[vector(mixture_at(theta + s * e, covariance_type)) for e in np.diag(4e-3 * steps)] for s in (1, -1)]
    slopes = (np.array(ends[0]) - ends[1]) / (8e-3 * steps[:, None])
    return np.sqrt(np.einsum("ip,ij,jp->p", slopes, covariance, slopes))


CASES = [*((kind, "plain", None) for kind in TYPES), ("full", "weighted", None)]
CASES += [("full", "missing", None), ("diag", "missing", None), ("tied", "missing", "independent")]
CASES += [(kind, "plain", "conjugate") for kind in ("full", "spherical")]


@pytest.mark.parametrize(("covariance_type", "case", "prior"), CASES)
def test_equal_those_by_second_differences(covariance_type, case, prior):
    fit, (x, weights) = fitted(covariance_type, case, prior), faithful(case)
    found = bg.standard_errors(fit, x, case_weights=weights)
    expected = errors_by_differences(fit, covariance_type, case)
    np.testing.assert_allclose(found.table["se"], expected, rtol=1e-5, atol=1e-12)
    np.testing.assert_allclose(vector(found), found.table["se"])


def test_one_gaussian_has_closed_forms():
    x, _ = faithful()
    fit = bg.fit_mle(x, 1, progress=False)
    found, n = bg.standard_errors(fit, x), len(x)
    sigma = fit.mixture.covariances[0]
    variances = np.diag(sigma)
    rho = sigma[0, 1] / np.sqrt(variances.prod())
    np.testing.assert_allclose(found.weights, [0.0], atol=1e-12)
    np.testing.assert_allclose(found.means[0], np.sqrt(variances / n))
    np.testing.assert_allclose(found.covariances[0], np.sqrt((np.outer(variances, variances) + sigma**2) / n))
    np.testing.assert_allclose(found.sds[0], np.sqrt(variances / (2 * n)))
    np.testing.assert_allclose(found.correlations[0], (1 - rho**2) / np.sqrt(n) * (1 - np.eye(2)), atol=1e-12)
    z = norm.ppf(0.975)
    lower, upper = found.table.loc["means[0, x0]", ["lower", "upper"]]
    np.testing.assert_allclose([x[:, 0].mean() - lower, upper - x[:, 0].mean()], z * found.means[0, 0])


def test_tables_have_the_rows_of_compare():
    x = bg.load_dataset("faithful")
    fit = bg.fit_mle(x, 2, seed=0, progress=False)
    found = bg.standard_errors(fit, x)
    table = bg.compare(fit).table
    assert list(found.table.index) == list(table.index)
    np.testing.assert_array_equal(found.table["estimate"], table["mle"])
    assert list(found.derived.index[-2:]) == [f"correlations[{k}, eruptions, waiting]" for k in (0, 1)]
    assert (found.table["note"] == "").all()


def test_half_the_weights_are_twice_the_rows():
    x, weights = np.repeat(faithful()[0], 2, axis=0), np.full(len(faithful()[0]), 2.0)
    double = bg.fit_mle(x, 2, seed=0, progress=False)
    counted = bg.fit_mle(faithful()[0], 2, seed=0, case_weights=weights, progress=False)
    found = bg.standard_errors(counted, faithful()[0], case_weights=weights).covariance
    np.testing.assert_allclose(found, bg.standard_errors(double, x).covariance, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("covariance_type", ["full", "tied"])
def test_affine_maps_carry_them_along(covariance_type):
    x, _ = faithful()
    turn, shift = np.array([[2.0, 0.3], [-40.0, 7.0]]), np.array([1e3, -5.0])
    fit = fitted(covariance_type)
    m = fit.mixture
    moved = bg.Mixture(m.weights, m.means @ turn.T + shift, turn @ m.covariances @ turn.T)
    there = replace(fit, mixture=moved, log_likelihood=fit.log_likelihood - len(x) * np.log(np.linalg.det(turn)))
    found = bg.standard_errors(there, x @ turn.T + shift).covariance

    def linear(theta):
        w, mu, pairs = np.split(theta, [K, K + K * D])
        a, b, c = pairs.reshape(K, 3).T
        sigma = np.array([[a, b], [b, c]]).transpose(2, 0, 1)
        return parameter_vector(w, mu.reshape(K, D) @ turn.T, turn @ sigma @ turn.T)

    matrix = np.array([linear(e) for e in np.eye(K + K * D + 3 * K)]).T
    expected = matrix @ bg.standard_errors(fit, x).covariance @ matrix.T
    size = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    # A fit ends within 1e-4 standard errors of the maximum, where the gradient is not quite zero.
    assert (np.abs(found - expected) <= 1e-4 / np.sqrt(len(x)) * size).all()


@pytest.mark.parametrize("covariance_type", TYPES)
def test_permuting_components_permutes_them(covariance_type):
    x, _ = faithful()
    fit = fitted(covariance_type)
    here, there = (bg.standard_errors(f, x) for f in (fit, replace(fit, mixture=fit.mixture.permute([1, 0]))))
    for name in ("weights", "means", "covariances", "sds", "correlations"):
        np.testing.assert_allclose(getattr(there, name)[::-1], getattr(here, name), rtol=1e-9, atol=1e-12)


def test_overlap_few_rows_and_the_boundary_are_named():
    truth = bg.Mixture([0.5, 0.45, 0.05], [[0.0], [2.0], [12.0]], np.ones((3, 1, 1)))
    x, z = truth.sample(300, seed=2)
    fit = bg.fit_mle(x, 3, seed=0, progress=False)
    with pytest.warns(UserWarning, match=r"components 0 \(.*overlaps component 1 .*, 2 \(about .* rows"):
        found = bg.standard_errors(fit, x)
    assert "overlaps" not in " ".join(found.doubts[2])
    assert found.table.loc["means[2, x0]", "note"] == "; ".join(found.doubts[2])
    assert f"about {fit.mixture.weights[2] * 300:.1f} rows" in found.doubts[2][0]
    near = bg.Mixture([0.985, 0.015], [[0.0], [9.0]], np.ones((2, 1, 1))).sample(200, seed=1)[0]
    with pytest.warns(UserWarning, match="boundary"):
        bg.standard_errors(bg.fit_mle(near, 2, covariance_type="tied", seed=0, progress=False), near)


def test_where_two_components_are_one_nothing_tells_them_apart():
    x, _ = faithful()
    one = bg.fit_mle(x, 1, progress=False)
    m = one.mixture
    twice = bg.Mixture([0.3, 0.7], m.means[[0, 0]], m.covariances[[0, 0]])
    with pytest.warns(UserWarning, match="components 0 .*, 1 "):
        found = bg.standard_errors(replace(one, mixture=twice), x)
    assert np.isnan(found.weights).all() and np.isnan(found.means).all()
    assert all(any("determine" in w or "maximum" in w for w in why) for why in found.doubts)


def test_errors_teach():
    x, _ = faithful()
    with pytest.raises(DataError, match="has a log-likelihood of .* give the rows"):
        bg.standard_errors(fitted(), x[::-1] + 0.1)
    with pytest.raises(ValueError, match="ci_prob must lie between 0 and 1, not 95"):
        bg.standard_errors(fitted(), x, ci_prob=95)
    with pytest.raises(ValueError, match="standard_errors needs a fit by maximum likelihood"):
        bg.standard_errors(replace(fitted(prior="conjugate"), prior=None), x)
