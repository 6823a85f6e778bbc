"""Standard errors of families that share parts, against second differences in coordinates made by hand; and refits."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy.special import logsumexp, softmax

import bayesgmm as bg
from bayesgmm.families import FAMILIES
from bayesgmm.fit.again import rows_of, target_of
from bayesgmm.fit.em import climb
from bayesgmm.fit.parameters import parameter_vector

K, D = 2, 2
NEW = pytest.mark.parametrize("code", [f.code for f in FAMILIES if f.code == f.alias])


@cache
def rows(case="plain"):
    x = bg.load_dataset("faithful").to_numpy(dtype=float)[::2] / [1.0, 10.0]
    if case == "missing":
        rng = np.random.default_rng(3)
        x[rng.choice(len(x), 30, replace=False), rng.integers(2, size=30)] = np.nan
    return x


@cache
def fitted(code, case="plain", prior=None):
    x = rows(case)
    fit = bg.fit_mle(x, K, covariance_type=code, prior=prior, missing="marginalise", starts=3, seed=0, progress=False)
    table, _ = rows_of(fit, x)
    return replace(fit, mixture=climb(table.rows, fit.mixture, target_of(fit, ""), tolerance=0.0)[0].mixture)


def spread(part, letter):
    """One number for all components, one for each, or none."""
    return np.zeros(K) if letter == "I" else np.broadcast_to(part, K)


def parameters(theta, code):
    """(π, μ, Σ) from a logit, means, log volumes, log ratios of the axes' variances, and angles."""
    sizes = [{"E": 1, "V": K, "I": 0}[letter] for letter in code]
    logit, means, *parts = np.split(theta, np.cumsum([1, K * D, *sizes[:2]]))
    volumes, ratios, angles = (spread(part, letter) for part, letter in zip(parts, code, strict=True))
    turn = np.array([[np.cos(angles), -np.sin(angles)], [np.sin(angles), np.cos(angles)]]).transpose(2, 0, 1)
    values = np.exp(volumes[:, None] + 0.5 * ratios[:, None] * np.array([1.0, -1.0]))
    return softmax([0.0, logit[0]]), means.reshape(K, D), (turn * values[:, None, :]) @ turn.transpose(0, 2, 1)


def place(mixture, code):
    covariances = mixture.covariances
    axes = np.linalg.eigh(covariances)[1][:, :, ::-1]
    if code[2] == "E":
        axes = np.repeat(axes[:1], K, axis=0)
    if code[2] == "I":
        axes = np.repeat(np.eye(2)[None], K, axis=0)
    values = np.diagonal(axes.transpose(0, 2, 1) @ covariances @ axes, axis1=1, axis2=2)
    found = [0.5 * np.log(values).sum(axis=1), np.log(values[:, 0] / values[:, 1]),
             np.arctan2(axes[:, 1, 0], axes[:, 0, 0])]  # fmt: skip
    kept = [part[: {"E": 1, "V": K, "I": 0}[letter]] for part, letter in zip(found, code, strict=True)]
    logit = np.log(mixture.weights[1] / mixture.weights[0])
    return np.concatenate([[logit], mixture.means.ravel(), *kept])


def log_normal(x, mean, covariance):
    gap = x - mean
    distance = (gap * np.linalg.solve(covariance, gap.T).T).sum(axis=1)
    return -0.5 * (distance + np.linalg.slogdet(2 * np.pi * covariance)[1])


def log_likelihood(x, weights, means, covariances):
    """Σ log p of the cells that are there."""
    found, missing = 0.0, np.isnan(x)
    for seen in ([0, 1], [0], [1]):
        some = x[(missing == ~np.isin([0, 1], seen)).all(axis=1)][:, seen]
        joint = [np.log(w) + log_normal(some, m[seen], c[np.ix_(seen, seen)])
                 for w, m, c in zip(weights, means, covariances, strict=True)]  # fmt: skip
        found += logsumexp(joint, axis=0).sum() if len(some) else 0.0
    return found


def inverse_hessian(value, theta, h=2e-4):
    steps = h * np.eye(len(theta))
    second = [[value(theta + a + b) - value(theta + a - b) - value(theta - a + b) + value(theta - a - b)
               for b in steps] for a in steps]  # fmt: skip
    return np.linalg.inv(-np.array(second) / (4 * h * h))


def by_hand(fit, code, x):
    theta, target = place(fit.mixture, code), target_of(fit, "")

    def value(t):
        parts = parameters(t, code)
        return log_likelihood(x, *parts) + target.log_prior(bg.Mixture(*parts))

    np.testing.assert_allclose(parameters(theta, code)[2], fit.mixture.covariances, rtol=1e-7, atol=1e-9)
    slopes = [parameter_vector(*parameters(theta + h, code)) - parameter_vector(*parameters(theta - h, code))
              for h in 1e-6 * np.eye(len(theta))]  # fmt: skip
    slopes = np.array(slopes).T / 2e-6
    return slopes @ inverse_hessian(value, theta) @ slopes.T


@NEW
@pytest.mark.parametrize(("case", "prior"), [("plain", None), ("missing", None), ("plain", "conjugate")])
@pytest.mark.filterwarnings("ignore:Wald intervals")
def test_they_are_those_of_second_differences_in_other_coordinates(code, case, prior):
    x, fit = rows(case), fitted(code, case, prior)
    found, expected = bg.standard_errors(fit, x).covariance, by_hand(fit, code, x)
    units = np.sqrt(np.diag(expected))
    units[units < 1e-9] = 1.0  # covariances of diagonal families are zero, and sure
    gap = np.abs(found - expected) / np.outer(units, units)
    # Second differences of a log-likelihood of 1e2 with steps of 2e-4 have five or six digits.
    assert gap.max() < 1e-4


@NEW
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_refits_in_compiled_code_are_those_of_pythons_loop(code):
    x, fit = rows(), fitted(code)
    found = bg.bootstrap(fit, x, replicates=4, seed=1, progress=False)
    assert found.degenerate == found.unconverged == 0
    rngs = map(np.random.default_rng, np.random.SeedSequence(1).spawn(4))
    for means, rng in zip(found.means, rngs, strict=True):
        weights = rng.multinomial(len(x), np.full(len(x), 1 / len(x))).astype(float)
        step, _, _ = climb(x, fit.mixture, target_of(fit, ""), weights)
        # A refit ends a hundredth of a standard error from its maximum.
        np.testing.assert_allclose(means, step.mixture.means, atol=5e-3)
