"""`Mixture`: identities of the normal distribution, and what it refuses."""

import copy
import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp
from scipy.integrate import quad
from scipy.stats import kstest, multivariate_normal, norm

from bayesgmm import Mixture

FEW = settings(max_examples=15, derandomize=True, deadline=None)
SEEDS = st.integers(0, 10_000)


def random_mixture(seed=0, k=3, d=3, features=None):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(k, d, d))
    covariances = root @ root.swapaxes(1, 2) + 0.4 * np.eye(d)
    return Mixture(rng.dirichlet(np.full(k, 3.0)), 2 * rng.normal(size=(k, d)), covariances, features=features)


def scipy_prob(mixture, x):
    parts = zip(mixture.weights, mixture.means, mixture.covariances, strict=True)
    return sum(w * multivariate_normal(m, c).pdf(x) for w, m, c in parts)


@FEW
@given(SEEDS)
def test_joint_density_is_marginal_times_conditional(seed):
    mixture = random_mixture(seed, features="abc")
    x = 2 * np.random.default_rng(seed + 1).normal(size=3)
    joint = mixture.log_prob(x[None])[0]
    for seen, rest in (([0], [1, 2]), ([2, 0], [1])):
        given_features = {"abc"[j]: x[j] for j in seen}
        conditional = mixture.condition(given_features).log_prob(x[rest][None])[0]
        marginal = mixture.marginal(["abc"[j] for j in seen]).log_prob(x[seen][None])[0]
        np.testing.assert_allclose(marginal + conditional, joint, rtol=1e-9, atol=1e-9)


def test_marginal_has_the_density_scipy_gives_and_its_names():
    mixture, x = random_mixture(features=("a", "b", "c")), np.random.default_rng(1).normal(size=(20, 2))
    for features in (["c", "a"], [2, 0]):
        part = mixture.marginal(features)
        assert part.features == ("c", "a")
        parts = zip(mixture.weights, mixture.means, mixture.covariances, strict=True)
        expected = sum(w * multivariate_normal(m[[2, 0]], c[np.ix_([2, 0], [2, 0])]).pdf(x) for w, m, c in parts)
        np.testing.assert_allclose(part.prob(x), expected, rtol=1e-12)
    assert mixture.marginal("b").features == mixture.marginal(1).features == ("b",)


def test_conditional_is_the_regression_of_one_normal():
    # K = 1: mean μ_a + Σ_ab/Σ_bb (b − μ_b), variance Σ_aa − Σ_ab²/Σ_bb.
    one = Mixture([1.0], [[1.0, -2.0]], [[[4.0, 1.5], [1.5, 9.0]]], features=("a", "b"))
    given_b = one.condition({"b": 4.0})
    np.testing.assert_allclose(given_b.means[0, 0], 1.0 + 1.5 / 9.0 * 6.0)
    np.testing.assert_allclose(given_b.covariances[0, 0, 0], 4.0 - 1.5**2 / 9.0)
    assert given_b.features == ("a",)


@FEW
@given(SEEDS)
def test_quantile_inverts_cdf(seed):
    mixture = random_mixture(seed, d=1)
    q = np.array([1e-9, 1e-3, 0.2, 0.5, 0.77, 0.999])
    x = mixture.quantile(q)
    assert (np.diff(x) > 0).all()
    np.testing.assert_allclose(mixture.cdf(x), q, rtol=1e-8)


def test_cdf_is_the_integral_of_the_density():
    mixture = random_mixture(3, d=1)
    total = quad(lambda t: mixture.prob([t])[0], -40, 40, limit=200)[0]
    below = quad(lambda t: mixture.prob([t])[0], -40, 0.7, limit=200)[0]
    assert abs(total - 1) < 1e-8 and abs(below - mixture.cdf(0.7)[0]) < 1e-8


def test_quantile_is_sound_where_components_all_but_agree():
    same = Mixture([0.5 + 1e-9, 0.5], [[1.0], [1.0 + 1e-15]], [[[1.0]], [[1.0 + 1e-15]]])
    np.testing.assert_allclose(same.quantile([0.1, 0.9]), norm(1, 1).ppf([0.1, 0.9]), atol=1e-7)


def test_quantile_does_not_depend_on_the_unit():
    m = random_mixture(5, d=1)
    small = Mixture(m.weights, m.means * 1e-12, m.covariances * 1e-24)
    np.testing.assert_allclose(small.quantile([0.3, 0.6]) * 1e12, m.quantile([0.3, 0.6]), rtol=1e-9)


def test_density_in_two_dimensions_integrates_to_one():
    mixture = random_mixture(2, d=2)
    axis = np.linspace(-20, 20, 401)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    # The trapezoidal rule converges faster than any power for a smooth density that vanishes at the ends.
    assert abs(mixture.prob(grid).sum() * (axis[1] - axis[0]) ** 2 - 1) < 1e-6


def test_density_is_scipys_and_rows_of_responsibilities_are_bayes_rule():
    mixture, x = random_mixture(), np.random.default_rng(3).normal(size=(50, 3))
    np.testing.assert_allclose(mixture.prob(x), scipy_prob(mixture, x), rtol=1e-11)
    parts = zip(mixture.weights, mixture.means, mixture.covariances, strict=True)
    joint = np.column_stack([w * multivariate_normal(m, c).pdf(x) for w, m, c in parts])
    r = joint / joint.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(mixture.responsibilities(x), r, rtol=1e-9, atol=1e-13)
    np.testing.assert_array_equal(mixture.predict(x), r.argmax(axis=1))


def test_samples_have_the_mixtures_moments_and_labels():
    mixture, n = random_mixture(7), 40_000
    x, z = mixture.sample(n, seed=1)
    mean = mixture.weights @ mixture.means
    gap = mixture.means - mean
    covariance = np.einsum("k,kij->ij", mixture.weights, mixture.covariances + gap[:, :, None] * gap[:, None, :])
    sd = np.sqrt(np.diag(covariance))
    assert (np.abs(x.mean(axis=0) - mean) < 5 * sd / np.sqrt(n)).all()
    assert (np.abs(np.cov(x.T) - covariance) < 0.05 * np.outer(sd, sd)).all()
    assert (np.abs(np.bincount(z) / n - mixture.weights) < 5 / np.sqrt(4 * n)).all()
    for k in range(3):
        sd = np.sqrt(np.diag(mixture.covariances[k]))
        assert (np.abs(x[z == k].mean(axis=0) - mixture.means[k]) < 0.1 * sd).all()
    one = mixture.marginal(0)
    assert kstest(x[:2000, 0], one.cdf).pvalue > 1e-3
    again = mixture.sample(n, seed=1)
    assert (again[0] == x).all() and (again[1] == z).all()


@FEW
@given(SEEDS)
def test_the_order_of_the_components_does_not_matter(seed):
    mixture, rng = random_mixture(seed), np.random.default_rng(seed)
    x, order = rng.normal(size=(10, 3)), rng.permutation(3)
    other = mixture.permute(order)
    np.testing.assert_array_equal(other.means, mixture.means[order])
    np.testing.assert_allclose(other.covariances, mixture.covariances[order], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(other.log_prob(x), mixture.log_prob(x), rtol=1e-12)
    np.testing.assert_allclose(other.responsibilities(x), mixture.responsibilities(x)[:, order], rtol=1e-10, atol=1e-14)
    np.testing.assert_array_equal(other.permute(np.argsort(order)).means, mixture.means)


def test_to_dict_goes_through_json_and_back():
    mixture = random_mixture(features=("a", "b", "c"))
    back = Mixture(**json.loads(json.dumps(mixture.to_dict())))
    for name in ("weights", "means", "covariances"):
        np.testing.assert_array_equal(getattr(back, name), getattr(mixture, name))
    assert back.features == mixture.features
    for same in (pickle.loads(pickle.dumps(mixture)), copy.deepcopy(mixture)):
        np.testing.assert_array_equal(same.covariances, mixture.covariances)


def test_factors_and_covariances_make_the_same_mixture():
    mixture, x = random_mixture(), np.random.default_rng(3).normal(size=(50, 3))
    same = Mixture.from_scale_trils(mixture.weights, mixture.means, np.linalg.cholesky(mixture.covariances))
    np.testing.assert_allclose(same.log_prob(x), mixture.log_prob(x), rtol=1e-12)
    np.testing.assert_allclose(same.covariances, mixture.covariances, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("n_features", [2, 5, 10])
@pytest.mark.parametrize("condition", [1e2, 1e5, 1e10])
def test_factors_of_covariances_hold_their_digits_whatever_the_condition(n_features, condition):
    # Elements are rounded once or twice, an eps of their row's length. Small pivots: Σ − L Lᵀ is known to D 2⁻⁷⁸ (the
    # rounding of products with parts of L below 2⁻²⁶), which times a condition number of 1e10 is 1e-12.
    rng = np.random.default_rng(n_features)
    turn = np.linalg.qr(rng.normal(size=(n_features, n_features)))[0]
    covariance = (turn * np.geomspace(1, 1 / condition, n_features)) @ turn.T
    units = 10.0 ** rng.uniform(-6, 6, n_features)
    covariance = np.tril(covariance) + np.tril(covariance, -1).T
    covariance *= units[:, None] * units
    with mp.workdps(60):
        exact = np.array(mp.cholesky(mp.matrix(covariance.tolist())).tolist(), dtype=float)
    got = Mixture([1.0], np.zeros((1, n_features)), covariance[None]).scale_trils[0]
    length = np.sqrt(np.diag(covariance))[:, None]
    assert (np.abs(got - exact) / length).max() < 2 * np.finfo(float).eps
    np.testing.assert_allclose(np.diag(got), np.diag(exact), rtol=1e-11)


def test_a_covariance_on_the_edge_of_being_singular_is_refused_or_has_a_finite_factor():
    rng = np.random.default_rng(0)
    for _ in range(100):
        root = rng.normal(size=(4, 3))
        try:
            factor = Mixture([1.0], np.zeros((1, 4)), [root @ root.T]).scale_trils[0]
        except ValueError as refusal:
            assert "not positive definite" in str(refusal)
        else:
            assert np.isfinite(factor).all() and (np.diag(factor) > 0).all()


def test_a_mixture_cannot_be_changed_and_keeps_nothing_of_the_callers():
    weights, means, covariances = np.array([0.5, 0.5]), np.zeros((2, 1)), np.ones((2, 1, 1))
    mixture = Mixture(weights, means, covariances)
    means[:], covariances[:], weights[:] = 7, 7, 7
    assert (mixture.means == 0).all() and (mixture.covariances == 1).all() and (mixture.weights == 0.5).all()
    with pytest.raises(AttributeError, match="make a new one"):
        mixture.weights = weights
    for name in ("weights", "means", "covariances", "scale_trils", "log_weights"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(mixture, name)[0] = 3.0
    assert "n_components=2" in repr(mixture)


def test_frames_are_read_by_the_names_of_the_features():
    import pandas as pd

    mixture = random_mixture(d=2, features=("a", "b"))
    frame = pd.DataFrame({"b": [1.0, 2.0], "other": [0.0, 0.0], "a": [3.0, 4.0]})
    np.testing.assert_array_equal(mixture.prob(frame), mixture.prob([[3.0, 1.0], [4.0, 2.0]]))


EYES = [np.eye(2), np.eye(2)]
ZEROS = np.zeros((2, 2))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.5, 0.5], np.zeros((3, 2)), EYES), "must have shapes"),
        (([0.5, 0.5], ZEROS, [np.eye(3)] * 2), "must have shapes"),
        (([0.5, 0.5], np.zeros(2), EYES), "must have shapes"),
        (([0.5, np.nan], ZEROS, EYES), "weights has a value that is not finite in component 1"),
        (([0.5, 0.5], [[0, 0], [np.inf, 0]], EYES), "means has a value that is not finite in component 1"),
        (([0.5, 0.5], ZEROS, [np.full((2, 2), np.nan), np.eye(2)]), "covariances has a value .* component 0"),
        (([0.5, 0.6], ZEROS, EYES), "sum to one"),
        (([1.5, -0.5], ZEROS, EYES), "non-negative"),
        (([0.5, 0.5], ZEROS, [np.eye(2), [[1, 0.5], [0, 1]]]), r"covariances\[1\] is not symmetric"),
        (([0.5, 0.5], ZEROS, [np.eye(2), [[1, 2], [2, 1]]]), r"covariances\[1\] is not positive definite"),
        (([0.5, 0.5], ZEROS, [ZEROS, np.eye(2)]), r"covariances\[0\] is not positive definite"),
    ],
)
def test_what_is_no_mixture_is_refused_in_a_sentence(arguments, message):
    with pytest.raises(ValueError, match=message):
        Mixture(*arguments)


def test_names_must_fit():
    with pytest.raises(ValueError, match="3 names but means has 2 columns"):
        Mixture([0.5, 0.5], ZEROS, EYES, features=("a", "b", "c"))
    with pytest.raises(ValueError, match="twice"):
        Mixture([0.5, 0.5], ZEROS, EYES, features=("a", "a"))


@pytest.mark.parametrize("factor", [[[1.0, 0.0], [0.0, -1.0]], [[1.0, 0.3], [0.0, 1.0]]])
def test_factors_must_be_lower_triangular(factor):
    with pytest.raises(ValueError, match="lower triangular"):
        Mixture.from_scale_trils([1.0], [[0.0, 0.0]], [factor])


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda m: m.log_prob(np.zeros((3, 3))), r"shape \(N, 2\)"),
        (lambda m: m.log_prob(np.zeros(2)), r"shape \(N, 2\)"),
        (lambda m: m.log_prob([[0.0, 1.0], [0.0, np.nan]]), "row 1, feature 'b'"),
        (lambda m: m.marginal("c"), "no feature 'c'"),
        (lambda m: m.marginal(2), "no feature 2"),
        (lambda m: m.marginal(-1), "no feature -1"),
        (lambda m: m.marginal([]), "at least one"),
        (lambda m: m.marginal(["a", 0]), "twice"),
        (lambda m: m.condition({}), "at least one feature given"),
        (lambda m: m.condition({"a": 0.0, "b": 0.0}), "one left"),
        (lambda m: m.condition({"c": 0.0}), "no feature 'c'"),
        (lambda m: m.condition({"a": 0.0, 0: 1.0}), "twice"),
        (lambda m: m.permute([0, 0]), "permutation"),
        (lambda m: m.permute([0]), "permutation"),
        (lambda m: m.cdf(0.0), "one feature"),
        (lambda m: m.quantile(0.5), "one feature"),
        (lambda m: m.marginal("a").quantile(1.0), "strictly between"),
        (lambda m: m.marginal("a").quantile(np.nan), "strictly between"),
    ],
)
def test_what_cannot_be_asked_is_said_in_a_sentence(act, message):
    with pytest.raises(ValueError, match=message):
        act(Mixture([0.5, 0.5], ZEROS, EYES, features=("a", "b")))
