"""The posterior mode against independent optimisers of the same density."""

import numpy as np
import pymc as pm
import pytest
from scipy.optimize import minimize
from scipy.stats import dirichlet, invwishart, multivariate_normal

import bayesgmm as bg
from bayesgmm.fit.mode import _climb_any
from bayesgmm.fit.starts import starts_for
from bayesgmm.models import finite_mixture

FAMILIES = ["full", "tied", "diag", "spherical"]


@pytest.fixture(scope="module")
def x():
    return bg.load_dataset("faithful").to_numpy(float)


def assert_same(a, b, relative=1e-5):
    for name in ("weights", "means", "covariances"):
        found, expected = getattr(a, name), getattr(b, name)
        scale = np.sqrt(np.einsum("kii,kjj->kij", expected, expected)) if name == "covariances" else np.abs(expected)
        assert (np.abs(found - expected) <= relative * scale).all(), name


@pytest.mark.parametrize("prior", ["conjugate", "independent"])
@pytest.mark.parametrize("covariance_type", FAMILIES)
def test_closed_form_equals_the_general_way(x, covariance_type, prior):
    model = finite_mixture(x, 2, covariance_type=covariance_type, prior=prior)
    closed = bg.fit_map(model, seed=0)
    general = _climb_any(model, starts_for(x, 2, {"kmeans++": 2}, 1))
    assert general.converged and general.coordinates == tuple(v.name for v in model.free_RVs)
    order = np.argsort(general.mixture.means[:, 0])
    assert_same(general.mixture.permute(order), closed.mixture)
    assert general.log_posterior == pytest.approx(closed.log_posterior, abs=1e-6)


@pytest.mark.parametrize("covariance_type", FAMILIES)
def test_fit_mle_with_a_prior_is_the_same_fit(x, covariance_type):
    story = bg.fit_map(finite_mixture(x, 2, covariance_type=covariance_type), seed=0)
    fit = bg.fit_mle(x, 2, covariance_type=covariance_type, prior="conjugate", seed=1, progress=False)
    assert_same(fit.mixture, story.mixture)
    assert fit.estimator == story.estimator == "MAP"


def unpack(u):
    weights = np.append(np.exp(u[0]), 1.0) / (1 + np.exp(u[0]))
    means, factors = u[1:5].reshape(2, 2), np.zeros((2, 2, 2))
    factors[:, [0, 1, 1], [0, 0, 1]] = u[5:].reshape(2, 3)
    return weights, means, factors @ factors.swapaxes(1, 2)


def test_equals_an_independent_optimiser_of_scipys_densities(x):
    """log p(π, μ, Σ | x), no Jacobian, written with SciPy alone and climbed without our gradient."""
    prior, scale = bg.scale_prior("conjugate", x, 2), x.std(axis=0)

    def height(u):
        weights, means, covariances = unpack(u)
        total = dirichlet(prior.concentration).logpdf(weights)
        density = np.zeros(len(x))
        for w, m, c in zip(weights, means, covariances, strict=True):
            total += invwishart(prior.dof, prior.scale).logpdf(c)
            total += multivariate_normal(prior.mean, c / prior.shrinkage).logpdf(m)
            density += w * multivariate_normal(m, c).pdf(x)
        return total + np.log(density).sum()

    unit = np.concatenate([[1.0], scale, scale, np.tile([scale[0], scale[1], scale[1]], 2)])
    start = np.array([-0.5, 2.0, 55.0, 4.3, 80.0, 0.3, 1.0, 5.0, 0.4, 1.0, 5.0]) / unit
    best = minimize(lambda v: -height(v * unit), start, method="L-BFGS-B", options={"gtol": 1e-6, "ftol": 1e-15})
    for _ in range(3):
        best = minimize(lambda v: -height(v * unit), best.x, method="BFGS", options={"gtol": 1e-9})
    found = bg.fit_map(finite_mixture(x, 2), seed=0)
    assert_same(found.mixture, bg.Mixture(*unpack(best.x * unit)))
    assert found.log_posterior == pytest.approx(-best.fun, rel=1e-11)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`find_MAP` will return:FutureWarning")
def test_equals_pymcs_find_map(x):
    model = finite_mixture(x, 2)
    found = bg.fit_map(model, seed=0)
    start = {"weights": np.array([0.35, 0.65]), "means": np.array([[2.0, 54.0], [4.3, 80.0]])}
    options = {"gtol": 1e-9, "ftol": 1e-15, "maxiter": 5000, "maxfun": 5000}
    point = pm.find_MAP(
        initvals=start, model=model, progressbar=False, options=options, jitter=False, return_inferencedata=False
    )
    assert_same(bg.Mixture(*(point[n] for n in ("weights", "means", "covariances"))), found.mixture)


def test_a_concentration_below_one_has_no_mode(x):
    with pytest.raises(ValueError, match="concentration = 0.5 is below 1"):
        bg.fit_map(finite_mixture(x, 2, prior=bg.Conjugate(concentration=0.5)))


@pytest.mark.parametrize("covariance_type", FAMILIES)
def test_lkj_mode_equals_an_independent_optimiser_of_scipys_densities(x, covariance_type):
    """No gradient of ours, and coordinates of its own: log π, log s and Fisher's z of the correlation."""
    prior, family = bg.scale_prior("lkj", x, 2), bg.family(covariance_type)
    found = bg.fit_map(finite_mixture(x, 2, covariance_type=covariance_type, prior=prior), starts=2, seed=0)
    order = np.argsort(found.mixture.means[:, 0])
    found_mixture = found.mixture.permute(order)
    unit = x.std(axis=0)

    def mixture(u):
        logs, r = np.exp(u[5:9].reshape(2, 2)) * unit, np.tanh(u[9:11])
        covariances = np.array([np.outer(s, s) * [[1, c], [c, 1]] for s, c in zip(logs, r)])
        covariances = family.m_step(covariances, np.ones(2))  # the structure of the family
        weights = np.array([1 / (1 + np.exp(-u[0])), 1 / (1 + np.exp(u[0]))])
        return bg.Mixture(weights, u[1:5].reshape(2, 2) * unit, covariances)

    def height(m):
        density = sum(w * multivariate_normal(a, c).pdf(x) for w, a, c in zip(m.weights, m.means, m.covariances))
        return np.log(density).sum() + prior.log_density(m, family)

    assert found.log_posterior == pytest.approx(height(found_mixture), rel=1e-11)
    sds = np.sqrt(found_mixture.covariances.diagonal(0, 1, 2))
    r = found_mixture.covariances[:, 0, 1] / sds.prod(axis=1)
    w, scaled = found_mixture.weights, found_mixture.means / unit
    top = np.concatenate([[np.log(w[0] / w[1])], scaled.ravel(), np.log(sds / unit).ravel(), np.arctanh(r)])
    best = minimize(lambda u: -height(mixture(u)), top + 0.02, method="L-BFGS-B", options={"ftol": 1e-15})
    for _ in range(3):
        best = minimize(lambda u: -height(mixture(u)), best.x, method="BFGS", options={"gtol": 1e-8})
    assert found.log_posterior == pytest.approx(-best.fun, rel=1e-11)
    assert_same(found_mixture, mixture(best.x), relative=1e-4)


def test_the_hierarchical_mode_is_that_given_the_mean_of_its_rate(x):
    model = finite_mixture(x, 2, prior="hierarchical")
    prior = bg.scale_prior("hierarchical", x, 2)
    given = prior.given(prior.rate_shape * np.linalg.inv(prior.rate_rate))
    fit, same = bg.fit_map(model, seed=0), bg.fit_map(finite_mixture(x, 2, prior=given), seed=0)
    assert_same(fit.mixture, same.mixture)
    assert_same(bg.fit_mle(x, 2, prior="hierarchical", seed=0, progress=False).mixture, same.mixture)
    assert "rate" not in fit.coordinates


def test_what_has_no_mode_is_refused_with_the_reason(x):
    for prior, message in (
        (bg.priors.LKJ(scales=bg.priors.HalfNormal()), "under HalfNormal scales a component may collapse on a row"),
        (bg.priors.LKJ(eta=2.0), r"eta = 2 is not above 1 \+ D/2 = 2, so a component may collapse on 2 rows"),
        (bg.priors.Conjugate(concentration=bg.priors.Gamma(2.0, 1.0)), "concentration has a prior of its own"),
    ):
        with pytest.raises(ValueError, match=message):
            bg.fit_map(finite_mixture(x, 2, prior=prior))
    with pytest.raises(ValueError, match="kind LKJ has no closed form; declare its story"):
        bg.fit_mle(x, 2, prior="lkj")


def test_any_story_of_a_users_own(x):
    """Fixed spherical components: everything but the weights is known, and the mode is where EM's map stands still."""
    import pytensor.tensor as pt

    means, factors = np.array([[2.0, 55.0], [4.3, 80.0]]), np.array([np.diag([0.4, 6.0])] * 2)
    with pm.Model(coords=bg.coords(x, 2)) as model:
        weights = pm.Dirichlet("weights", np.array([3.0, 2.0]), dims="component")
        pm.Deterministic("means", pt.constant(means), dims=("component", "feature"))
        bg.MarginalGaussianMixture("x", weights, pt.constant(means), pt.constant(factors), observed=x)
    fit = bg.fit_map(model, starts=2, seed=0)
    r = fit.mixture.responsibilities(x).sum(axis=0)
    np.testing.assert_allclose(fit.mixture.weights, (r + [2, 1]) / (len(x) + 3), rtol=1e-7)
