"""Priors: densities with their constants, modes that cannot be bettered, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import dirichlet, invgamma, invwishart, multivariate_normal

from bayesgmm import Conjugate, Mixture, prior
from bayesgmm.families import WITH_PRIORS as FAMILIES
from bayesgmm.families import family
from bayesgmm.kernel import Stats

FEW = settings(max_examples=10, derandomize=True, deadline=None)
EACH = pytest.mark.parametrize("kind", FAMILIES, ids=lambda f: f.alias)
SCALE = np.array([[2.0, 0.3], [0.3, 1.0]])
PRIOR = Conjugate(mean=[1.0, -1.0], shrinkage=0.4, dof=4.5, scale=SCALE, concentration=[1.5, 2.0, 3.0])


def independent_log_density(alias, weights, means, covariances):
    """Built from scipy's distributions, straight from the formulas of the prior."""
    total = dirichlet(PRIOR.concentration).logpdf(weights)
    total += sum(multivariate_normal(PRIOR.mean, c / 0.4).logpdf(m) for m, c in zip(means, covariances, strict=True))
    variances = np.diagonal(covariances, axis1=1, axis2=2)
    if alias == "full":
        return total + sum(invwishart(4.5, SCALE).logpdf(c) for c in covariances)
    if alias == "tied":
        return total + invwishart(4.5, SCALE).logpdf(covariances[0])
    if alias == "diag":
        return total + invgamma(2.25, scale=np.diag(SCALE) / 2).logpdf(variances).sum()
    return total + invgamma(2.25, scale=np.trace(SCALE) / 4).logpdf(variances[:, 0]).sum()


def random_stats(rng):
    x = rng.normal(size=(60, 2)) @ rng.normal(size=(2, 2)) + 3 * rng.normal(size=2)
    return Stats.of(x, rng.dirichlet(np.full(3, 0.4), size=60) + 0.01)


def objective(alias, weights, means, covariances, stats):
    """Q(θ; S) + log p(θ), from the definitions."""
    gap = stats.means - means
    scatter = stats.scatters + stats.counts[:, None, None] * gap[:, :, None] * gap[:, None, :]
    trace = np.trace(np.linalg.solve(covariances, scatter), axis1=1, axis2=2).sum()
    fit = stats.counts @ (np.log(weights) - 0.5 * np.linalg.slogdet(2 * np.pi * covariances)[1]) - 0.5 * trace
    return fit + independent_log_density(alias, weights, means, covariances)


@EACH
def test_log_density_is_that_of_scipys_distributions(kind):
    stats = random_stats(np.random.default_rng(2))
    weights, means, covariances = PRIOR.mode(stats, kind)
    expected = independent_log_density(kind.alias, weights, means, covariances)
    np.testing.assert_allclose(PRIOR.log_density(Mixture(weights, means, covariances), kind), expected, rtol=1e-11)


@EACH
@FEW
@given(st.integers(0, 10_000))
def test_mode_cannot_be_bettered(kind, seed):
    rng = np.random.default_rng(seed)
    stats = random_stats(rng)
    weights, means, covariances = PRIOR.mode(stats, kind)
    assert abs(weights.sum() - 1) < 1e-14
    top = objective(kind.alias, weights, means, covariances, stats)
    for size in (1e-3, 0.1):
        for _ in range(5):
            near_weights = weights * np.exp(size * rng.normal(size=3))
            near_means = means + size * rng.normal(size=means.shape)
            # One factor for all of Σ keeps every structure; the families' own tests turn them in other ways.
            near = covariances * np.exp(size * rng.normal())
            value = objective(kind.alias, near_weights / near_weights.sum(), near_means, near, stats)
            assert value <= top + 1e-10 * abs(top)
            assert objective(kind.alias, weights, near_means, covariances, stats) <= top + 1e-10 * abs(top)


@pytest.mark.parametrize("alias", ["full", "tied"])
def test_one_component_has_the_textbook_posterior_mode(alias):
    # Gelman et al. (2013), section 3.6: μ_n, κ_n, ν_n, Λ_n; the joint mode of (μ, Σ) is Λ_n / (ν_n + D + 2).
    x = np.random.default_rng(0).normal(size=(30, 2)) + [2.0, 5.0]
    p = Conjugate(mean=[1.0, -1.0], shrinkage=0.4, dof=4.5, scale=SCALE, concentration=1.0)
    weights, means, covariances = p.mode(Stats.of(x), family(alias))
    centre = x.mean(axis=0)
    scatter = (x - centre).T @ (x - centre)
    gap = (centre - p.mean)[:, None]
    posterior_scale = SCALE + scatter + 0.4 * 30 / 30.4 * gap @ gap.T
    np.testing.assert_allclose(weights, [1.0])
    np.testing.assert_allclose(means[0], (0.4 * p.mean + 30 * centre) / 30.4, rtol=1e-12)
    np.testing.assert_allclose(covariances[0], posterior_scale / (4.5 + 30 + 2 + 2), rtol=1e-12)


def test_a_component_without_points_goes_to_the_prior():
    p = Conjugate(mean=[1.0], shrinkage=0.4, dof=3.0, scale=[[2.0]])
    stats = Stats(np.array([5.0, 0.0]), np.array([[3.0], [9.0]]), np.array([[[4.0]], [[0.0]]]))
    weights, means, covariances = p.mode(stats, family("full"))
    np.testing.assert_array_equal(weights, [1.0, 0.0])
    assert means[1, 0] == 1.0 and np.isclose(covariances[1, 0, 0], 2.0 / (3.0 + 1 + 2))
    value = p.log_density(Mixture(weights, means, covariances), family("full"))
    assert np.isfinite(value), "at α = 1 the density at π_k = 0 is finite"


@pytest.mark.parametrize(
    ("constants", "message"),
    [
        ({"shrinkage": 0.0}, "shrinkage must be above 0"),
        ({"shrinkage": np.nan}, "shrinkage must be above 0"),
        ({"concentration": 0.0}, "concentration must be above 0"),
        ({"concentration": [1.0, -1.0]}, "concentration must be above 0"),
        ({"scale": [[1.0, 2.0], [2.0, 1.0]]}, "positive definite"),
        ({"scale": [[1.0, 0.5], [0.0, 1.0]]}, "symmetric"),
        ({"scale": [[1e-12, 5e-13], [0.0, 1e-12]]}, "symmetric"),
        ({"scale": [1.0, 2.0]}, "symmetric"),
        ({"scale": [[1.0, 2.0]]}, "symmetric"),
        ({"scale": [[np.nan]]}, "symmetric"),
        ({"scale": np.eye(3), "dof": 2.0}, "dof must be above D - 1 = 2"),
        ({"scaling": "other"}, "'pooled' or 'mclust'"),
    ],
)
def test_constants_out_of_range_are_refused(constants, message):
    with pytest.raises(ValueError, match=message):
        Conjugate(**constants)


def test_constants_left_out_are_filled_and_given_ones_kept():
    assert not Conjugate().is_scaled and PRIOR.is_scaled
    constants = {"mean": np.zeros(2), "shrinkage": 0.7, "dof": 4.0, "scale": np.eye(2)}
    filled = Conjugate(shrinkage=0.1, concentration=2.0).with_constants(3, **constants)
    assert filled.is_scaled and filled.shrinkage == 0.1 and filled.dof == 4.0
    np.testing.assert_array_equal(filled.concentration, [2.0, 2.0, 2.0])
    with pytest.raises(ValueError, match="concentration has 2 values for 3 components"):
        Conjugate(concentration=[1.0, 2.0]).with_constants(3, **constants)
    with pytest.raises(ValueError, match="dof must be above"):
        Conjugate(dof=0.5).with_constants(3, **constants)


def test_a_prior_prints_its_formulas_in_data_units():
    text = str(PRIOR)
    assert "Dirichlet([1.5, 2, 3])" in text and "InverseWishart(dof = 4.5, scale = [[2, 0.3], [0.3, 1]])" in text
    assert "Normal([1, -1], covariance_k / 0.4)" in text
    assert "scaled by the data (pooled)" in str(Conjugate())
    assert "scaled by the data (mclust)" in str(Conjugate.mclust())
    assert "D + 2" in str(Conjugate()) and "/ 0.01" in str(Conjugate.mclust())


def test_priors_are_looked_up_by_name_or_value():
    assert isinstance(prior("conjugate"), Conjugate) and prior(PRIOR) is PRIOR
    for wrong in ("flat", None, 3, ["lkj"]):
        with pytest.raises(ValueError, match="use 'conjugate', 'independent'"):
            prior(wrong)
