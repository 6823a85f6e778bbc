"""NUTS under every prior: against integrals for one component, and against the prior where there are no data."""

import arviz as az
import numpy as np
import pytest
from scipy.special import gammaln
from scipy.stats import norm

import bayesgmm as bg
from bayesgmm.draws.invariants import quantities
from bayesgmm.draws.mixtures import read
from bayesgmm.families import Full
from bayesgmm.models import finite_mixture
from bayesgmm.priors import LKJ, Conjugate, Gamma, HalfStudentT, Hierarchical, Independent, InverseGamma, LogNormal

pytestmark = pytest.mark.slow
MEAN, SPREAD, SCALE = np.array([1.0, -1.0]), np.array([[3.0, 0.5], [0.5, 2.0]]), np.array([[2.0, 0.3], [0.3, 1.0]])


def log_prior_of_variance(prior, v):
    """log p(σ²) of one feature, but for constants: C₀ is integrated out, and s = σ has its Jacobian."""
    match prior:
        case Independent():
            return -(0.5 * prior.dof + 1) * np.log(v) - 0.5 * prior.scale[0, 0] / v
        case Hierarchical():
            c, g, rate = prior.shape, prior.rate_shape, prior.rate_rate[0, 0]
            return -(c + 1) * np.log(v) - (c + g) * np.log(rate + 1 / v) + gammaln(c + g)
    return prior.scales.log_density(np.sqrt(v)) - 0.5 * np.log(v)


@pytest.mark.parametrize(
    "prior",
    ["independent", "hierarchical", "lkj", LKJ(scales=InverseGamma()), LKJ(scales=HalfStudentT())],
    ids=["independent", "hierarchical", "lkj", "lkj, inverse gamma", "lkj, half t"],
)
def test_one_component_of_one_feature_has_the_moments_of_its_integrals(prior):
    y = bg.load_dataset("faithful")["eruptions"].to_numpy(float)[:12]
    prior = bg.scale_prior(prior, y, 1)
    found = bg.sample(finite_mixture(y, 1, prior=prior), draws=2000, seed=1, progress=False)["posterior"]
    centre, width = y.mean(), y.std() / np.sqrt(len(y))
    mu = np.linspace(centre - 12 * width, centre + 12 * width, 1201)[:, None]
    log_v = np.linspace(np.log(y.var()) - 4, np.log(y.var()) + 4, 1201)[None]
    v = np.exp(log_v)
    square = ((y - y.mean()) ** 2).sum() + len(y) * (y.mean() - mu) ** 2
    log_p = log_v + log_prior_of_variance(prior, v) - 0.5 * len(y) * log_v - 0.5 * square / v
    log_p = log_p - 0.5 * (mu - prior.mean[0]) ** 2 / prior.mean_covariance[0, 0]
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    drawn = {"mu": found["means"].values[..., 0, 0], "log v": np.log(found["covariances"].values[..., 0, 0, 0])}
    grids = {"mu": mu, "log v": log_v}
    z = norm.ppf(1 - 1e-4 / 8)
    for name, chains in drawn.items():
        mean = (p * grids[name]).sum()
        variance = (p * (grids[name] - mean) ** 2).sum()
        for values, expected in ((chains, mean), ((chains - mean) ** 2, variance)):
            assert abs(values.mean() - expected) < z * float(az.mcse(values)), name


ALONE = [
    Conjugate(MEAN, 0.4, 6.0, SCALE, concentration=Gamma(3.0, 2.0)),
    Independent(MEAN, SPREAD, 6.0, SCALE, concentration=Gamma(3.0, 2.0)),
    Hierarchical(MEAN, SPREAD, shape=3.0, rate_shape=2.5, rate_rate=SCALE, concentration=2.0),
    LKJ(MEAN, SPREAD, eta=2.0, scales=LogNormal([1.5, 0.7], 0.5), concentration=Gamma(3.0, 2.0)),
]


def indicators(weights, means, covariances, levels=None):
    """How much of each number lies below levels, over both components: whatever the labels are."""
    sds = np.sqrt(covariances.diagonal(0, -2, -1))
    r = covariances[..., 0, 1] / sds.prod(axis=-1)
    numbers = np.stack([weights, *np.moveaxis(means, -1, 0), *np.moveaxis(np.log(sds), -1, 0), r], axis=-1)
    if levels is None:
        levels = np.quantile(numbers.reshape(-1, numbers.shape[-1]), [0.1, 0.4, 0.8], axis=0)
    return (numbers[..., None, :] < levels).mean(axis=-3), levels


@pytest.mark.parametrize("prior", ALONE, ids=lambda p: type(p).__name__)
def test_without_data_the_draws_are_those_of_the_prior(prior):
    x = np.random.default_rng(0).normal(size=(10, 2))
    model = finite_mixture(x, 2, prior=prior, case_weights=np.full(10, 1e-12))
    tree = bg.sample(model, draws=4000, tune=2000, seed=1, progress=False)
    assert tree.attrs["density"] == "native"
    expected, levels = indicators(*prior.draw(40_000, 2, Full(), seed=2))
    found, _ = indicators(*(tree["posterior"][n].values for n in ("weights", "means", "covariances")), levels)
    z = norm.ppf(1 - 1e-4 / (2 * levels.size))
    for i in np.ndindex(levels.shape):
        chains = found[(..., *i)]
        error = np.hypot(float(az.mcse(chains)), expected[(..., *i)].std() / np.sqrt(40_000))
        assert abs(chains.mean() - expected[(..., *i)].mean()) < z * error, i


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
@pytest.mark.parametrize("name", ["independent", "hierarchical", "lkj"])
def test_every_prior_is_sound_on_old_faithful(name, covariance_type):
    prior = type(bg.prior(name))(concentration=Gamma(4.0, 2.0))
    model = finite_mixture(bg.load_dataset("faithful"), 2, prior=prior, covariance_type=covariance_type)
    draws = bg.sample(model, seed=1, progress=False)
    assert bg.diagnose(draws).verdict == "sound" and draws.attrs["density"] == "native"
    posterior = draws["posterior"]
    assert {v.name for v in (*model.free_RVs, *model.deterministics)} <= set(posterior)
    assert posterior["concentration"].dims == ("chain", "draw")
    own = {"scales", "correlations", "variances", "covariances"} if covariance_type != "tied" else {"covariances"}
    assert all(posterior[name].dims[2] == "component" for name in own & set(posterior))
    known = {f"prior_{constant}" for constant in bg.scale_prior(prior, draws["observed_data"]["x"].values, 2).constants}
    assert known <= set(draws["constant_data"])
    total = sum(part.values for part in draws["log_prior"].values())
    assert np.isfinite(total).all() and total.shape == (4, 1000)
    swapped = bg.draws.labels.permute(draws, [1, 0])["posterior"]
    np.testing.assert_array_equal(swapped["concentration"], posterior["concentration"])
    np.testing.assert_array_equal(swapped["means"].values, posterior["means"].values[:, :, [1, 0]])
    assert "concentration" in bg.summary(draws, var_names=["concentration"]).index[0]


def test_missing_cells_and_case_weights_are_sampled_under_every_prior():
    x = bg.load_dataset("faithful").to_numpy(float)
    x[::5, 1] = np.nan
    weights = np.random.default_rng(0).integers(1, 3, size=len(x)).astype(float)
    for name in ("independent", "hierarchical", "lkj"):
        model = finite_mixture(x, 2, prior=name, missing="marginalise", case_weights=weights)
        draws = bg.sample(model, draws=500, tune=500, seed=1, progress=False)
        assert draws.attrs["density"] == "native" and not draws["sample_stats"]["diverging"].any()
        assert max(float(az.rhat(v.reshape(4, -1))) for v in quantities(draws, read(draws)).values()) < 1.03
