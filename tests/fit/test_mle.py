"""`fit_mle` against mclust, scikit-learn, and the laws of maximum likelihood."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.special import logsumexp, softmax
from scipy.stats import multivariate_normal

import bayesgmm as bg
from bayesgmm.fit import DegenerateFit
from bayesgmm.fit.em import Likelihood, climb

MCLUST = json.loads((Path(__file__).parents[1] / "reference" / "faithful_mclust.json").read_text())
CODES = {"full": "VVV", "tied": "EEE", "diag": "VVI", "spherical": "VII"}
EACH = pytest.mark.parametrize("alias", CODES)


@cache
def faithful():
    return bg.load_dataset("faithful").to_numpy(dtype=float)


@cache
def fitted(alias, k=2):
    return bg.fit_mle(faithful(), k, covariance_type=alias, seed=0, progress=False)


def log_joint(x, weights, means, covariances):
    parts = zip(weights, means, covariances, strict=True)
    return np.column_stack([np.log(w) + multivariate_normal(m, c).logpdf(x) for w, m, c in parts])


def log_likelihood(x, weights, means, covariances):
    return logsumexp(log_joint(x, weights, means, covariances), axis=1).sum()


def parts(mixture):
    return mixture.weights, mixture.means, mixture.covariances


@EACH
@pytest.mark.parametrize("k", [2, 3])
def test_reaches_mclusts_likelihood(alias, k):
    fit = fitted(alias, k)
    assert fit.converged and fit.log_likelihood >= MCLUST["fixed"][f"{CODES[alias]}_G{k}"]["loglik"] - 1e-4
    np.testing.assert_allclose(fit.log_likelihood, log_likelihood(faithful(), *parts(fit.mixture)), rtol=1e-12)


@EACH
def test_parameters_are_mclusts(alias):
    reference = MCLUST["fixed"][f"{CODES[alias]}_G2"]["parameters"]
    order = np.argsort(np.array(reference["means"])[:, 0])
    for name in ("weights", "means", "covariances"):
        np.testing.assert_allclose(getattr(fitted(alias).mixture, name), np.array(reference[name])[order], rtol=2e-5)


@EACH
def test_history_never_falls_and_ends_at_the_fit(alias):
    fit = fitted(alias, 3)
    rises = np.diff(fit.history)
    assert (rises >= -1e-12 * abs(fit.log_likelihood)).all()
    assert fit.history[-1] == fit.log_likelihood and fit.n_iter == len(rises)
    assert len(fit.starts) == 10 and max(s.objective for s in fit.starts) == fit.log_likelihood


def moved(mixture, alias, t):
    """The mixture moved by t in free coordinates in which the curvature of the log-likelihood is about N."""
    k, d = mixture.means.shape
    factors = mixture.scale_trils
    logits, shift, t = t[:k], t[k : k + k * d].reshape(k, d), t[k + k * d :]
    means = mixture.means + np.einsum("kij,kj->ki", factors, shift)
    shapes = {"full": (k, d, d), "tied": (1, d, d), "diag": (k, d, 1), "spherical": (k, 1, 1)}
    change = t.reshape(shapes[alias])
    change = change if alias in ("full", "tied") else change * np.eye(d)
    turned = factors @ (np.eye(d) + change)
    return softmax(np.log(mixture.weights) + logits), means, turned @ turned.swapaxes(1, 2)


@EACH
def test_gradient_is_zero_at_the_fit(alias):
    mixture, h = fitted(alias).mixture, 1e-5
    k, d = mixture.means.shape
    free = {"full": k * d * d, "tied": d * d, "diag": k * d, "spherical": k}[alias]
    gradient = []
    for direction in np.eye(k + k * d + free):
        up, down = (log_likelihood(faithful(), *moved(mixture, alias, s * h * direction)) for s in (1, -1))
        gradient.append((up - down) / (2 * h))
    # With curvature N, a gradient g leaves g²/2N of log-likelihood to gain; EM stops at 1e-9 by its own estimate.
    assert np.abs(gradient).max() ** 2 / (2 * len(faithful())) < 1e-8


@EACH
def test_agrees_with_scikit_learn_from_the_same_start(alias):
    from sklearn.mixture import GaussianMixture

    x, weights, means = faithful(), np.array([0.5, 0.5]), np.array([[2.5, 60.0], [4.0, 75.0]])
    covariance = np.diag(x.var(axis=0)) if alias != "spherical" else 50.0 * np.eye(2)
    precisions = {"full": np.linalg.inv([covariance] * 2), "tied": np.linalg.inv(covariance),
                  "diag": 1 / np.diagonal([covariance] * 2, axis1=1, axis2=2), "spherical": [1 / 50.0] * 2}  # fmt: skip
    theirs = GaussianMixture(2, covariance_type=alias, reg_covar=0, tol=1e-13, max_iter=2000, weights_init=weights,
                             means_init=means, precisions_init=precisions[alias]).fit(x)  # fmt: skip
    start = bg.Mixture(weights, means, [covariance] * 2)
    step, history, converged = climb(x, start, Likelihood(bg.family(alias), ("a", "b")))
    assert converged
    np.testing.assert_allclose(step.log_likelihood, theirs.score(x) * len(x), rtol=1e-8)
    np.testing.assert_allclose(step.mixture.means, theirs.means_, rtol=1e-5)
    np.testing.assert_allclose(history[0], log_likelihood(x, weights, means, [covariance] * 2), rtol=1e-12)


@EACH
def test_criteria_are_their_definitions_and_mclusts_with_the_sign_turned(alias):
    fit, x = fitted(alias), faithful()
    joint = log_joint(x, *parts(fit.mixture))
    log_r = joint - logsumexp(joint, axis=1)[:, None]
    p = MCLUST["npar"][CODES[alias]]["2"]
    assert fit.n_parameters == p and fit.n_obs == len(x)
    np.testing.assert_allclose(fit.aic, -2 * fit.log_likelihood + 2 * p)
    np.testing.assert_allclose(fit.bic, -2 * fit.log_likelihood + p * np.log(len(x)))
    np.testing.assert_allclose(fit.icl, fit.bic - 2 * log_r.max(axis=1).sum(), rtol=1e-10)
    np.testing.assert_allclose(fit.entropy, -(np.exp(log_r) * log_r).sum(), rtol=1e-8)
    np.testing.assert_allclose(fit.bic, -MCLUST["fixed"][f"{CODES[alias]}_G2"]["bic"], atol=1e-6)


def test_icl_adds_to_bic_what_mclusts_adds():
    def added(parameters):
        joint = log_joint(faithful(), *(np.array(parameters[n]) for n in ("weights", "means", "covariances")))
        return -2 * (joint.max(axis=1) - logsumexp(joint, axis=1)).sum()

    # mclust reports ICL for its first parameters alone, and from the E-step before its last M-step: hence two digits.
    theirs, fit = MCLUST["unpolished_VVV_G2"], fitted("full")
    np.testing.assert_allclose(added(theirs["parameters"]), theirs["bic"] - theirs["icl"], rtol=1e-2)
    np.testing.assert_allclose(fit.icl - fit.bic, added(MCLUST["fixed"]["VVV_G2"]["parameters"]), rtol=1e-4)


@pytest.mark.parametrize("prior", [None, "conjugate"])
def test_a_case_weight_is_a_number_of_rows(prior):
    x, times = faithful(), np.random.default_rng(0).integers(0, 4, size=len(faithful()))
    options = {"prior": prior, "seed": 0, "starts": 4, "progress": False}
    weighted = bg.fit_mle(x, 2, case_weights=times, **options)
    repeated = bg.fit_mle(np.repeat(x, times, axis=0), 2, **options)
    for name in ("log_likelihood", "n_obs", "bic", "aic"):
        np.testing.assert_allclose(getattr(weighted, name), getattr(repeated, name), rtol=1e-9)
    # Not stationary at the optimum: they differ by as much as the starts leave the parameters apart.
    for name in ("icl", "entropy"):
        np.testing.assert_allclose(getattr(weighted, name), getattr(repeated, name), rtol=1e-4)


@EACH
def test_a_weighted_climb_takes_the_same_steps_as_one_over_repeated_rows(alias):
    x, times = faithful(), np.random.default_rng(1).integers(0, 4, size=len(faithful()))
    start = bg.Mixture([0.5, 0.5], [[2.5, 60.0], [4.0, 75.0]], [np.diag([0.5, 50.0])] * 2)
    target = Likelihood(bg.family(alias), ("a", "b"))
    weighted = climb(x, start, target, times.astype(float))
    repeated = climb(np.repeat(x, times, axis=0), start, target)
    steps = min(len(weighted[1]), len(repeated[1]))
    np.testing.assert_allclose(weighted[1][:steps], repeated[1][:steps], rtol=1e-11)
    np.testing.assert_allclose(weighted[0].mixture.covariances, repeated[0].mixture.covariances, rtol=1e-6, atol=1e-8)


def test_a_row_of_weight_zero_is_not_there():
    x = np.vstack([faithful(), [[1e6, -1e6]]])
    fit = bg.fit_mle(x, 2, case_weights=[1.0] * 272 + [0.0], seed=0, progress=False)
    np.testing.assert_allclose(fit.log_likelihood, fitted("full").log_likelihood, rtol=1e-12)
    with pytest.raises(ValueError, match="only 2 distinct rows"):
        bg.fit_mle([[1.0], [2.0], [3.0]], 3, case_weights=[1, 1, 0])


@pytest.mark.parametrize("alias", ["full", "tied", "diag"])
@pytest.mark.parametrize("prior", [None, "conjugate"])
def test_units_of_the_features_do_not_matter(alias, prior):
    units = np.array([1e-7, 1e6])
    options = {"covariance_type": alias, "prior": prior, "seed": 0, "starts": 3, "progress": False}
    fit, other = (bg.fit_mle(data, 2, **options) for data in (faithful(), faithful() * units + [3e-6, 5e7]))
    jacobian = len(faithful()) * np.log(units).sum()
    np.testing.assert_allclose(other.log_likelihood, fit.log_likelihood - jacobian, rtol=1e-9)
    moved_rows = faithful() * units + [3e-6, 5e7]
    np.testing.assert_array_equal(other.mixture.predict(moved_rows), fit.mixture.predict(faithful()))


def test_one_feature():
    x = faithful()[:, 0]
    fit = bg.fit_mle(x, 2, seed=0, progress=False)
    assert fit.mixture.means.shape == (2, 1)
    densities = [fit.mixture.weights[k] * multivariate_normal(fit.mixture.means[k], fit.mixture.covariances[k]).pdf(x)
                 for k in range(2)]  # fmt: skip
    np.testing.assert_allclose(fit.log_likelihood, np.log(sum(densities)).sum(), rtol=1e-12)
    same = bg.fit_mle(x, 2, covariance_type="spherical", seed=0, progress=False)
    np.testing.assert_allclose(same.log_likelihood, fit.log_likelihood, rtol=1e-9)


@EACH
def test_one_component_is_the_sample_mean_and_covariance(alias):
    x, fit = faithful(), fitted(alias, 1)
    sample = np.cov(x.T, ddof=0)
    expected = {"full": sample, "tied": sample, "diag": sample * np.eye(2),
                "spherical": np.trace(sample) / 2 * np.eye(2)}[alias]  # fmt: skip
    np.testing.assert_allclose(fit.mixture.means[0], x.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(fit.mixture.covariances[0], expected, rtol=1e-10)
    assert fit.entropy == 0.0 and fit.icl == fit.bic and fit.converged


def test_a_seed_fixes_the_fit():
    a, b = (bg.fit_mle(faithful(), 3, seed=7, starts=2, progress=False) for _ in range(2))
    assert a.log_likelihood == b.log_likelihood and (a.mixture.means == b.mixture.means).all()


def test_components_are_ordered_by_the_first_feature():
    means = fitted("tied", 3).mixture.means[:, 0]
    assert (np.diff(means) > 0).all()


COLLAPSING = np.array([[0.0, 0.0]] * 2 + [[10.0, 3.0]] * 2 + [[5.0, 9.0]] * 2)


def test_a_collapse_is_said_and_a_prior_mends_it():
    with pytest.raises(DegenerateFit, match="n_components=3.*degenerate.*give prior='conjugate'"):
        bg.fit_mle(COLLAPSING, 3, seed=0, progress=False)
    p = bg.Conjugate(scale=np.eye(2))
    fit = bg.fit_mle(COLLAPSING, 3, prior=p, seed=0, progress=False)
    assert fit.converged and fit.estimator == "MAP" and np.isfinite(fit.log_posterior)
    np.testing.assert_allclose(fit.mixture.weights, 1 / 3, atol=0.05)


def test_the_default_prior_mends_two_points_doubled():
    x = np.vstack([np.random.default_rng(0).normal(size=(30, 2)), [[8.0, 8.0]] * 2, [[-9.0, 7.0]] * 2])
    with pytest.raises(DegenerateFit, match="collapsed|positive|lost"):
        bg.fit_mle(x, 3, seed=0, progress=False)
    fit = bg.fit_mle(x, 3, prior="conjugate", seed=0, progress=False)
    assert fit.converged and np.isfinite(fit.log_posterior)
    assert np.linalg.eigvalsh(fit.mixture.covariances).min() > 0


def test_the_posterior_history_never_falls_and_the_log_posterior_is_complete():
    fit = bg.fit_mle(faithful(), 2, prior="conjugate", seed=0, progress=False)
    assert (np.diff(fit.history) >= -1e-12 * abs(fit.log_posterior)).all()
    p = bg.scale_prior("conjugate", faithful(), 2)
    expected = log_likelihood(faithful(), *parts(fit.mixture)) + p.log_density(fit.mixture, bg.family("full"))
    np.testing.assert_allclose(fit.log_posterior, expected, rtol=1e-12)
    assert fit.coordinates == ("weights", "means", "covariances")


@pytest.mark.parametrize("concentration", [0.5, [1.0, 0.9]])
def test_concentration_below_one_has_no_mode(concentration):
    with pytest.raises(ValueError, match="below 1.*no mode"):
        bg.fit_mle(faithful(), 2, prior=bg.Conjugate(concentration=concentration), progress=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_components": 0}, "n_components"),
        ({"n_components": 2.5}, "n_components"),
        ({"n_components": True}, "n_components"),
        ({"covariance_type": "round"}, "covariance_type 'round' is not known"),
        ({"prior": "flat"}, "prior 'flat' is not known"),
        ({"starts": 0}, "starts must be an integer of at least 1"),
        ({"starts": 1.5}, "starts must be an integer of at least 1"),
        ({"missing": "em"}, "missing='em' is not known"),
        ({"case_weights": [1.0]}, "one weight a row"),
        ({"case_weights": np.full(272, -1.0)}, r"case_weights\[0\] is -1.0"),
        ({"case_weights": np.full(272, np.nan)}, r"case_weights\[0\] is nan"),
        ({"case_weights": np.zeros(272)}, "all zero"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        bg.fit_mle(faithful(), **{"n_components": 2, "progress": False} | arguments)


def test_more_components_than_distinct_rows_are_refused():
    with pytest.raises(ValueError, match="only 2 distinct rows; ask for at most 2"):
        bg.fit_mle([[0.0], [0.0], [1.0]], 3)


def test_a_fit_prints_a_short_table():
    text = str(fitted("full"))
    assert "MLE of a mixture of 2 Gaussians" in text and "11 parameters" in text and "converged" in text
