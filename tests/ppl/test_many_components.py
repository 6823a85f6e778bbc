"""The stories with more components than clusters: their densities, what is cut off, and the samplers beside them."""

import arviz as az
import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode
from scipy import stats
from scipy.special import expit

import bayesgmm as bg
from bayesgmm import priors
from bayesgmm.engines.density import density_of
from bayesgmm.models import sparse_mixture, stick_breaking_mixture
from bayesgmm.ppl import declaration
from bayesgmm.ppl.sticks import StickLogOdds
from bayesgmm.ppl.surface import Surface
from bayesgmm.testing import check_story

PYTHON = Mode(linker="py", optimizer="fast_compile")
FAMILIES = ["full", "diag", "spherical"]
# All comparisons of a test together fail by chance this rarely.
UNLIKELY = 1e-4


@pytest.fixture(scope="module")
def x():
    return bg.load_dataset("faithful").to_numpy(float)[::9]


@pytest.mark.slow
@pytest.mark.parametrize("covariance_type", FAMILIES)
def test_a_sparse_mixture_has_the_density_that_it_declares(x, covariance_type):
    """The native one, of the prior's formulas, against the graph."""
    model = sparse_mixture(x, 2, covariance_type=covariance_type)
    assert declaration(model).family.alias == covariance_type
    surface, native = Surface(model), density_of(model)
    density, rng = surface.density(jacobian=True), np.random.default_rng(0)
    for _ in range(3):
        u = surface.start + rng.normal(size=surface.start.shape)
        (value, gradient), (wanted, slope) = native(u), density(u)
        assert value == pytest.approx(wanted, rel=1e-12)
        np.testing.assert_allclose(gradient, slope, atol=1e-9 * np.abs(slope).max())


def test_a_sparse_mixture_keeps_its_concentration(x):
    assert declaration(sparse_mixture(x, 4, concentration=0.02)).prior.concentration.tolist() == [0.02] * 4
    assert str(declaration(sparse_mixture(x, 4)).prior.concentration) == str(priors.Gamma(1, 20))


def broken_off(sticks):
    """Weights (…, K) of sticks (…, K − 1)."""
    left = np.cumprod(np.concatenate([np.ones_like(sticks[..., :1]), 1 - sticks], axis=-1), axis=-1)
    return np.concatenate([sticks, np.ones_like(sticks[..., :1])], axis=-1) * left


def log_density_of_weights(w, a, b):
    """By Beta distributions of the sticks, and dV/dπ."""
    left = w[::-1].cumsum()[::-1]
    return stats.beta(a, b).logpdf(w[:-1] / left[:-1]).sum() - np.log(left[:-1]).sum()


def test_weights_have_the_density_of_stick_breaking():
    rng, alpha, sigma = np.random.default_rng(1), 1.3, 0.35
    w = broken_off(rng.uniform(0.1, 0.9, size=4))
    ones = np.ones(4)
    ours = float(pm.logp(bg.StickBreaking.dist(ones, alpha * ones), w).eval())
    assert ours == pytest.approx(float(pm.logp(pm.StickBreakingWeights.dist(alpha=alpha, K=4), w).eval()), rel=1e-12)
    a, b = (1 - sigma) * ones, alpha + sigma * np.arange(1, 5)
    many = np.array([w, broken_off(rng.beta(0.3, 3.0, size=4))])
    found = pm.logp(bg.StickBreaking.dist(a, b, shape=(2, 5)), many).eval()
    assert found == pytest.approx([log_density_of_weights(one, a, b) for one in many], rel=1e-12)


def test_samplers_see_the_log_odds_of_sticks():
    u = pt.dvector("u")
    weights = StickLogOdds().backward(u)
    backward = pytensor.function([u], weights, mode=PYTHON)
    at = np.array([0.3, -2.0, 40.0, -3.0])
    assert backward(at) == pytest.approx(broken_off(expit(at)), rel=1e-9)
    again = pytensor.function([u], StickLogOdds().forward(weights), mode=PYTHON)
    assert again(at) == pytest.approx(at, rel=1e-12)  # 1 − V₃ is 4·10⁻¹⁸, and no digit is lost
    at = np.array([0.3, -2.0, 1.0, -3.0])
    steps = [(backward(at + h) - backward(at - h))[:-1] / 2e-5 for h in 1e-5 * np.eye(4)]
    log_jacobian = pytensor.function([u], StickLogOdds().log_jac_det(u), mode=PYTHON)(at)
    assert float(log_jacobian) == pytest.approx(np.linalg.slogdet(steps)[1], rel=1e-8)


@pytest.mark.slow
def test_draws_of_weights_are_sticks_broken_off():
    a, b = np.array([0.7, 0.7, 0.7]), np.array([1.0, 1.3, 1.6])
    w = pm.draw(bg.StickBreaking.dist(a, b), draws=4000, random_seed=1)
    assert w.sum(axis=1) == pytest.approx(np.ones(4000))
    left = w[:, ::-1].cumsum(axis=1)[:, ::-1]
    p = [stats.kstest(w[:, k] / left[:, k], stats.beta(a[k], b[k]).cdf).pvalue for k in range(3)]
    assert min(p) > UNLIKELY


def test_the_story_of_sticks_has_the_density_of_its_text(x):
    alpha, sigma, k = 0.8, 0.3, 3
    x = x[:, :1]
    model = stick_breaking_mixture(x, k, concentration=alpha, discount=sigma, covariance_type="diag")
    prior, family = bg.scale_prior("hierarchical", x, k), bg.family("diag")
    assert [v.name for v in model.free_RVs] == ["weights", "rate", "variances", "means"]
    surface = Surface(model)
    u = np.array([-0.4, 0.8, -1.0, -1.0, 0.1, -2.0, 2.0, 3.0, 4.0])
    mixture = surface.mixture(u)
    assert mixture.weights == pytest.approx(broken_off(expit(u[:2])))
    parts = prior.log_components(mixture.means, mixture.covariances, family, rate=np.exp(u[2:3])[:, None])
    weights = log_density_of_weights(mixture.weights, 1 - sigma, alpha + sigma * np.array([1, 2]))
    expected = weights + sum(np.sum(part) for part in parts.values()) + mixture.log_prob(x).sum()
    assert surface.log_posterior(u, jacobian=False)[0] == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(("alpha", "sigma"), [(1.5, 0.0), (0.5, 0.3)])
def test_the_truncation_error_is_that_of_the_sticks(x, alpha, sigma):
    k, draws = 6, 400_000
    model = stick_breaking_mixture(x, k, concentration=alpha, discount=sigma)
    b = alpha + sigma * np.arange(1, k)
    rest = (1 - np.random.default_rng(0).beta(1 - sigma, b, size=(draws, k - 1))).prod(axis=1)
    error = 4 * len(x) * rest.std() / np.sqrt(draws)
    assert abs(float(model["truncation_error"].eval()) - 4 * len(x) * rest.mean()) < 4 * error
    # Ishwaran & James' bound itself, 4 (1 − E (Σ_{k<K} π_k)^N), is never above the one that is reported.
    assert 4 * (1 - (1 - rest) ** len(x)).mean() < float(model["truncation_error"].eval())


def test_the_truncation_error_of_many_sticks_is_nearly_exponential():
    """4 N exp(−(K − 1) / α) in Ishwaran & James (2001), which holds for large α, to a factor exp((K − 1) / 2α²)."""
    x = np.arange(120.0)[:, None]
    model = stick_breaking_mixture(x, 101, concentration=50.0)
    expected = 4 * len(x) * np.exp(-100 / 50 + 100 / (2 * 50**2))
    assert float(model["truncation_error"].eval()) == pytest.approx(expected, rel=1e-3)


def test_case_weights_count_as_rows(x):
    twice = stick_breaking_mixture(x, 4, concentration=1.0, case_weights=np.full(len(x), 2.0))
    once = stick_breaking_mixture(x, 4, concentration=1.0)
    assert twice["truncation_error"].eval() == pytest.approx(2 * once["truncation_error"].eval())


@pytest.mark.parametrize("story", [sparse_mixture, stick_breaking_mixture])
def test_errors(x, story):
    with pytest.raises(ValueError, match="prior must be a Hierarchical"):
        story(x, 3, prior="lkj")
    with pytest.raises(ValueError, match="covariance_type='tied' has one covariance for all"):
        story(x, 3, covariance_type="tied")


def test_errors_of_sticks(x):
    with pytest.raises(ValueError, match="discount must be at least 0 and below 1, not 1"):
        stick_breaking_mixture(x, 3, discount=1)
    with pytest.raises(ValueError, match="n_components must be 2 or more"):
        stick_breaking_mixture(x, 1)


@pytest.mark.slow
def test_sticks_keep_the_contract(x):
    check_story(stick_breaking_mixture, x, 2, covariance_type="spherical")


@pytest.mark.slow
@pytest.mark.parametrize(("story", "options", "process"), [
    (sparse_mixture, {"concentration": 0.5, "n_components": 3}, {"process": "sparse"}),
    (stick_breaking_mixture, {"concentration": 0.2, "n_components": 4}, {"process": "dp"}),
])  # fmt: skip
def test_nuts_agrees_with_the_samplers_of_labels(story, options, process):
    """Densities at a few points. For one cloud of rows, where chains pass from labelling to labelling."""
    x = np.random.default_rng(0).normal(size=(20, 1))
    ours = bg.sample(story(x, **options), draws=300, tune=400, chains=2, seed=1, progress=False)
    if process["process"] == "dp":
        assert ours["posterior"]["truncation_error"].max() < 0.4
        options = {"concentration": options["concentration"]}
    theirs = bg.sample_components(x, draws=3000, thin=5, seed=2, progress=False, **options, **process)
    points = [-2.5, -1.0, 0.0, 1.0, 3.0]
    z = stats.norm.isf(UNLIKELY / (2 * len(points)))
    for at in points:
        a, b = (density(draws["posterior"], at) for draws in (ours, theirs))
        assert abs(a.mean() - b.mean()) < z * np.hypot(float(az.mcse(a)), float(az.mcse(b))), at


def density(posterior, at):
    """p(x) under each draw (chain, draw), components that there are none of left out."""
    w, mean, variance = posterior["weights"], posterior["means"][..., 0], posterior["covariances"][..., 0, 0]
    return np.nansum(w * stats.norm.pdf(at, mean, np.sqrt(variance)), axis=2)
