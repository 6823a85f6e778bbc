"""Every prior: densities from SciPy's formulas, draws from their laws, constants in their ranges, and words."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import betaln
from scipy.stats import (
    beta,
    dirichlet,
    gamma,
    halfnorm,
    invgamma,
    invwishart,
    kstest,
    lognorm,
    multivariate_normal,
    norm,
    t,
    wishart,
)

import bayesgmm as bg
from bayesgmm.families import WITH_PRIORS as FAMILIES
from bayesgmm.priors import (
    LKJ,
    Conjugate,
    Gamma,
    HalfNormal,
    HalfStudentT,
    Hierarchical,
    Independent,
    InverseGamma,
    LogNormal,
)
from bayesgmm.priors.lkj import log_lkj_constant

EACH_FAMILY = pytest.mark.parametrize("kind", FAMILIES, ids=lambda f: f.alias)
MEAN, SPREAD = np.array([1.0, -1.0]), np.array([[3.0, 0.5], [0.5, 2.0]])
SCALE, RATE = np.array([[2.0, 0.3], [0.3, 1.0]]), np.array([[0.8, 0.1], [0.1, 0.4]])
ALPHA = [1.5, 2.0, 3.0]
INDEPENDENT = Independent(MEAN, SPREAD, 4.5, SCALE, concentration=ALPHA)
HIERARCHICAL = Hierarchical(MEAN, SPREAD, shape=2.5, rate_shape=2.0, rate_rate=RATE, concentration=ALPHA)
UNITS = np.array([1.5, 0.7])
CORRELATED = LKJ(MEAN, SPREAD, eta=1.7, scales=LogNormal(UNITS, 0.8), concentration=ALPHA)
EVERY = [
    Conjugate(MEAN, 0.4, 4.5, SCALE, concentration=ALPHA),
    INDEPENDENT,
    HIERARCHICAL,
    CORRELATED,
]
EACH_PRIOR = pytest.mark.parametrize("prior", EVERY, ids=lambda p: type(p).__name__)


def some_mixture(kind, seed=0):
    """A mixture of the family, far from symmetric."""
    weights, means, covariances = INDEPENDENT.draw(1, 3, kind, seed)
    return bg.Mixture(weights[0], means[0], covariances[0])


def log_means(means):
    return multivariate_normal(MEAN, SPREAD).logpdf(means).sum()


def variances(covariances):
    return np.diagonal(covariances, axis1=-2, axis2=-1)


# ---- densities


@EACH_FAMILY
def test_independent_is_scipys_formulas(kind):
    m = some_mixture(kind)
    expected = dirichlet(ALPHA).logpdf(m.weights) + log_means(m.means)
    match kind.alias:
        case "full":
            expected += sum(invwishart(4.5, SCALE).logpdf(c) for c in m.covariances)
        case "tied":
            expected += invwishart(4.5, SCALE).logpdf(m.covariances[0])
        case "diag":
            expected += invgamma(2.25, scale=np.diag(SCALE) / 2).logpdf(variances(m.covariances)).sum()
        case "spherical":
            expected += invgamma(2.25, scale=np.trace(SCALE) / 4).logpdf(variances(m.covariances)[:, 0]).sum()
    assert INDEPENDENT.log_density(m, kind) == pytest.approx(expected, rel=1e-11)


@EACH_FAMILY
def test_hierarchical_is_scipys_formulas(kind):
    m = some_mixture(kind)
    expected = dirichlet(ALPHA).logpdf(m.weights) + log_means(m.means)
    rate = np.array([[0.9, 0.2], [0.2, 1.3]])
    match kind.alias:
        case "full" | "tied":
            # Density ∝ |W|^(c − (D+1)/2) exp(−tr CW): 2c degrees of freedom, scale (2C)⁻¹.
            expected += wishart(4.0, np.linalg.inv(2 * RATE)).logpdf(rate)
            some = m.covariances[:1] if kind.alias == "tied" else m.covariances
            expected += sum(invwishart(5.0, 2 * rate).logpdf(c) for c in some)
        case "diag":
            rate = np.diag([0.9, 1.3])
            expected += gamma(2.0, scale=1 / np.diag(RATE)).logpdf(np.diag(rate)).sum()
            expected += invgamma(2.5, scale=np.diag(rate)).logpdf(variances(m.covariances)).sum()
        case "spherical":
            rate = 0.9 * np.eye(2)
            expected += gamma(2.0, scale=np.trace(np.linalg.inv(RATE)) / 2).logpdf(0.9)
            expected += invgamma(2.5, scale=0.9).logpdf(variances(m.covariances)[:, 0]).sum()
    assert HIERARCHICAL.log_density(m, kind, rate=rate) == pytest.approx(expected, rel=1e-11)


def log_lkj(correlation, eta):
    """The density with the constant of Lewandowski, Kurowicka & Joe (2009), theorem 5, which is that of vines."""
    d = len(correlation)
    k = np.arange(1, d)
    log_volume = ((2 * eta - 2 + d - k) * (d - k)).sum() * np.log(2)
    half = eta + 0.5 * (d - k - 1)
    log_volume += ((d - k) * betaln(half, half)).sum()
    return (eta - 1) * np.linalg.slogdet(correlation)[1] - log_volume


@EACH_FAMILY
def test_lkj_is_scipys_formulas(kind):
    m = some_mixture(kind)
    expected = dirichlet(ALPHA).logpdf(m.weights) + log_means(m.means)
    sds = np.sqrt(variances(m.covariances))
    match kind.alias:
        case "full" | "tied":
            some = slice(1 if kind.alias == "tied" else 3)
            expected += lognorm(0.8, scale=UNITS).logpdf(sds[some]).sum()
            expected += sum(log_lkj(c / np.outer(s, s), 1.7) for c, s in zip(m.covariances[some], sds[some]))
        case "diag":
            expected += lognorm(0.8, scale=UNITS).logpdf(sds).sum()
        case "spherical":
            expected += lognorm(0.8, scale=np.sqrt((UNITS**2).mean())).logpdf(sds[:, 0]).sum()
    assert CORRELATED.log_density(m, kind) == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("d", range(1, 7))
@pytest.mark.parametrize("eta", [0.6, 1.0, 3.5])
def test_the_constant_of_onions_is_that_of_vines(d, eta):
    assert log_lkj_constant(eta, d) == pytest.approx(log_lkj(np.eye(d), eta), abs=1e-10)


@pytest.mark.parametrize(
    ("ours", "scipys"),
    [
        (LogNormal(2.0, 0.7), lognorm(0.7, scale=2.0)),
        (InverseGamma(3.0, 2.0), invgamma(3.0, scale=2.0)),
        (HalfNormal(2.0), halfnorm(scale=2.0)),
        (Gamma(1.5, 2.0), gamma(1.5, scale=0.5)),
    ],
    ids=lambda d: type(d).__name__,
)
def test_positive_numbers_have_scipys_densities_and_draws(ours, scipys):
    values = np.array([0.05, 0.7, 1.0, 4.0])
    np.testing.assert_allclose(ours.log_density(values), scipys.logpdf(values), rtol=1e-12)
    assert kstest(ours.draw(5000, np.random.default_rng(1)), scipys.cdf).pvalue > 1e-4


def test_half_t_is_the_upper_half_of_a_t():
    ours, values = HalfStudentT(3.0, 2.0), np.array([0.05, 1.0, 9.0])
    np.testing.assert_allclose(ours.log_density(values), np.log(2) + t(3.0, scale=2.0).logpdf(values), rtol=1e-12)
    draws = ours.draw(5000, np.random.default_rng(1))
    assert kstest(draws, lambda v: 2 * t(3.0, scale=2.0).cdf(v) - 1).pvalue > 1e-4


@EACH_PRIOR
def test_permuting_components_changes_nothing(prior):
    m, kind = some_mixture(FAMILIES[0]), FAMILIES[0]
    prior = type(prior)(**{**{n: getattr(prior, n) for n in prior.DIMS}, "concentration": 2.0})
    if isinstance(prior, LKJ):
        prior = LKJ(MEAN, SPREAD, 1.7, LogNormal(UNITS, 0.8), 2.0)
    hyper = {"rate": RATE} if isinstance(prior, Hierarchical) else {}
    expected = prior.log_density(m, kind, **hyper)
    assert prior.log_density(m.permute([2, 0, 1]), kind, **hyper) == pytest.approx(expected, rel=1e-12)


def test_many_mixtures_at_once_are_one_after_the_other():
    kind, rng = FAMILIES[0], np.random.default_rng(0)
    for prior in EVERY:
        weights, means, covariances = prior.draw(6, 3, kind, seed=2)
        hyper = {"rate": HIERARCHICAL.draw_rate(6, kind, rng)} if isinstance(prior, Hierarchical) else {}
        parts = prior.log_parts(weights, means, covariances, kind, **hyper)
        for i in range(6):
            m = bg.Mixture(weights[i], means[i], covariances[i])
            one = prior.log_density(m, kind, **{name: value[i] for name, value in hyper.items()})
            assert sum(part[i] for part in parts.values()) == pytest.approx(one, rel=1e-10)


# ---- an uncertain concentration


def test_an_uncertain_concentration_has_its_own_density():
    prior = Independent(MEAN, SPREAD, 4.5, SCALE, concentration=Gamma(2.0, 4.0))
    m, kind = some_mixture(FAMILIES[0]), FAMILIES[0]
    fixed = Independent(MEAN, SPREAD, 4.5, SCALE, concentration=0.3).log_density(m, kind)
    expected = fixed + gamma(2.0, scale=0.25).logpdf(0.3)
    assert prior.log_density(m, kind, concentration=0.3) == pytest.approx(expected, rel=1e-12)
    with pytest.raises(ValueError, match="concentration=…"):
        prior.log_density(m, kind)


def test_as_many_concentrations_as_components_are_asked_for():
    with pytest.raises(ValueError, match="concentration has 3 values for 2 components"):
        INDEPENDENT.draw(1, 2)


def test_weights_have_their_marginal_law():
    weights = INDEPENDENT.draw(5000, 3, seed=1)[0]
    for k, alpha in enumerate(ALPHA):
        assert kstest(weights[:, k], beta(alpha, sum(ALPHA) - alpha).cdf).pvalue > 1e-4
    random = Independent(MEAN, SPREAD, 4.5, SCALE, concentration=Gamma(2.0, 4.0)).draw(5000, 3, seed=1)[0]

    def cdf(w):
        return quad(lambda a: beta(a, 2 * a).cdf(w) * gamma(2.0, scale=0.25).pdf(a), 0, 12)[0]

    ends = [0.01, 0.2, 0.5, 0.9]
    found, expected = [(random[:, 0] < e).mean() for e in ends], np.array([cdf(e) for e in ends])
    z = np.abs(found - expected) / np.sqrt(expected * (1 - expected) / 5000)
    assert z.max() < norm.ppf(1 - 1e-4 / 8)


def test_weights_of_a_tiny_concentration_are_numbers():
    weights = Independent(MEAN, SPREAD, 4.5, SCALE, concentration=1e-4).draw(100, 5, seed=1)[0]
    assert np.isfinite(weights).all() and np.allclose(weights.sum(axis=1), 1)


# ---- draws


def assert_mean(samples, expected):
    """Within 1e-4 over all entries, by the sample's own standard errors."""
    samples, expected = samples.reshape(len(samples), -1), np.ravel(expected)
    error = samples.std(axis=0, ddof=1) / np.sqrt(len(samples))
    moved = error > 0
    z = np.abs(samples.mean(axis=0) - expected)[moved] / error[moved]
    assert z.max() < norm.ppf(1 - 1e-4 / (2 * moved.sum()))
    np.testing.assert_allclose(samples.mean(axis=0)[~moved], expected[~moved], atol=1e-12)


@pytest.mark.parametrize("prior", EVERY[1:], ids=lambda p: type(p).__name__)
@EACH_FAMILY
def test_means_are_drawn_from_their_normal_law(prior, kind):
    means = prior.draw(4000, 3, kind, seed=3)[1][:, 1]
    assert_mean(means, MEAN)
    gap = means - MEAN
    assert_mean(gap[:, :, None] * gap[:, None, :], SPREAD)


def test_conjugate_means_spread_with_their_covariances():
    prior = EVERY[0]
    _, means, covariances = prior.draw(4000, 3, seed=4)
    z = np.linalg.solve(np.linalg.cholesky(covariances), (means - MEAN)[..., None])[:, 1, :, 0] * np.sqrt(0.4)
    assert_mean(z[:, :, None] * z[:, None, :], np.eye(2))


@EACH_FAMILY
def test_covariances_are_drawn_from_their_laws(kind):
    precision = np.linalg.inv(INDEPENDENT.draw(4000, 3, kind, seed=5)[2])
    match kind.alias:
        case "full" | "tied":
            expected = 4.5 * np.linalg.inv(SCALE)
        case "diag":
            expected = np.diag(4.5 / np.diag(SCALE))
        case "spherical":
            expected = 4.5 / (np.trace(SCALE) / 2) * np.eye(2)
    assert_mean(precision[:, 0], expected)
    assert (precision[:, 0] == precision[:, 1]).all() == (kind.alias == "tied")


@EACH_FAMILY
def test_the_hierarchical_covariances_share_a_rate(kind):
    # A rate of 10 degrees of freedom: with fewer than 5 its inverse has no variance to judge a mean by.
    prior = Hierarchical(MEAN, SPREAD, shape=2.5, rate_shape=5.0, rate_rate=RATE)
    rng, big = np.random.default_rng(6), prior.rate_rate_of(kind)
    assert_mean(prior.draw_rate(4000, kind, rng), 5.0 * np.linalg.inv(big))
    # E Σ⁻¹ = c₀ E C₀⁻¹ = c₀ G₀ / (g₀ − (D+1)/2), and for single numbers c₀ G₀ / (g₀ − 1).
    less = 1.5 if kind.alias in ("full", "tied") else 1.0
    precision = np.linalg.inv(prior.draw(20_000, 2, kind, seed=7)[2])
    assert_mean(precision[:, 0], 2.5 * big / (5.0 - less))
    if kind.alias != "tied":  # precisions given their rate are independent, and through it they go together
        assert np.corrcoef(precision[:, :, 0, 0].T)[0, 1] > 0.1


@pytest.mark.parametrize("eta", [0.6, 1.0, 4.0])
def test_correlations_have_their_marginal_beta_law(eta):
    d = 4
    prior = LKJ(np.zeros(d), np.eye(d), eta=eta, scales=LogNormal(np.ones(d)))
    covariances = prior.draw(4000, 1, seed=8)[2][:, 0]
    sds = np.sqrt(variances(covariances))
    correlations = covariances / sds[:, :, None] / sds[:, None, :]
    law = beta(eta - 1 + d / 2, eta - 1 + d / 2, loc=-1, scale=2)
    values = [kstest(correlations[:, i, j], law.cdf).pvalue for i in range(d) for j in range(i)]
    assert min(values) > 1e-4 / len(values)
    # and together: E |R| by the ratio of two constants
    log_ratio = log_lkj(np.eye(d), eta) - log_lkj(np.eye(d), eta + 1)
    assert_mean(np.linalg.det(correlations), np.exp(log_ratio))


@EACH_PRIOR
@EACH_FAMILY
def test_draws_keep_the_structure_of_the_family(prior, kind):
    covariances = prior.draw(3, 3, kind, seed=9)[2]
    assert covariances.shape == (3, 3, 2, 2) and (np.linalg.eigvalsh(covariances) > 0).all()
    for c in covariances:
        np.testing.assert_allclose(kind.m_step(c, np.ones(3)), c, rtol=1e-12, atol=1e-14)


def test_a_prior_that_leaves_constants_to_the_data_is_not_drawn_from():
    with pytest.raises(ValueError, match="scale_prior first"):
        Independent().draw(1, 2)


# ---- the scale given the covariances


@EACH_FAMILY
def test_the_rate_given_the_covariances_is_where_its_density_says(kind):
    """E[C₀ | Σ] by importance sampling from the prior of C₀."""
    m, rng = some_mixture(kind, seed=3), np.random.default_rng(0)
    rates = HIERARCHICAL.draw_rate(40_000, kind, rng)
    parts = HIERARCHICAL.log_components(m.means, np.broadcast_to(m.covariances, (40_000, 3, 2, 2)), kind, rate=rates)
    weights = np.exp(parts["covariances"] - parts["covariances"].max())
    weights /= weights.sum()
    estimate, found = np.einsum("n,nij->ij", weights, rates), HIERARCHICAL.rate_given(m.covariances, kind)
    error = np.sqrt(np.einsum("n,nij->ij", weights**2, (rates - estimate) ** 2))
    assert (np.abs(found - estimate) <= 4.5 * error + 1e-12).all()


# ---- ranges and words


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Independent(mean_covariance=[[1.0, 2.0], [2.0, 1.0]]), "mean_covariance must be a symmetric positive"),
        (lambda: Independent(scale=np.eye(3), dof=2.0), "dof must be above D - 1 = 2"),
        (lambda: Independent(concentration=0.0), "concentration must be above 0"),
        (lambda: Hierarchical(rate_rate=np.eye(3), shape=1.0), r"shape must be above \(D - 1\)/2 = 1"),
        (lambda: Hierarchical(rate_rate=np.eye(3), rate_shape=0.9), r"rate_shape must be above \(D - 1\)/2 = 1"),
        (lambda: Hierarchical(rate_rate=-np.eye(2)), "rate_rate must be a symmetric positive definite"),
        (lambda: LKJ(eta=0.0), "eta must be above 0"),
        (lambda: LKJ(scales=2.0), "scales must be a distribution of standard deviations"),
        (lambda: LKJ(scales=Gamma(2.0, 1.0)), "scales must be a distribution of standard deviations"),
        (lambda: LogNormal(sd=0.0), "sd of LogNormal must be above 0"),
        (lambda: HalfNormal(scale=[1.0, -1.0]), "scale of HalfNormal must be above 0"),
        (lambda: Gamma(np.inf, 1.0), "shape of Gamma must be above 0"),
    ],
)
def test_constants_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@EACH_PRIOR
def test_a_prior_prints_its_formulas_and_its_width(prior):
    text, name = str(prior), type(prior).__name__
    assert text.startswith(f"{name} prior\n") and "Dirichlet([1.5, 2, 3])" in text
    assert "[[3, 0.5], [0.5, 2]]" in text or name == "Conjugate"
    _, means, covariances = prior.draw(20_000, 3, seed=11)
    rows = means[:, 0] + np.sqrt(variances(covariances[:, 0])) * np.random.default_rng(12).normal(size=(20_000, 2))
    ranges = text.split("expected at ")[1].split(", ")
    for feature, said in enumerate(ranges):
        low, high = map(float, said.split(" to "))
        inside = ((rows[:, feature] > low) & (rows[:, feature] < high)).mean()
        assert abs(inside - 0.9) < 4 * np.sqrt(2 * 0.09 / 20_000) + 0.003  # three digits are printed


def test_names_stand_for_priors_scaled_by_the_data():
    for name, kind in (("independent", Independent), ("hierarchical", Hierarchical), ("lkj", LKJ)):
        prior = bg.prior(name)
        assert type(prior) is kind and not prior.is_scaled
        text = str(prior)
        assert "scaled by the data" in text and "expected at" not in text


def test_what_has_no_mode_says_why():
    full, diagonal = FAMILIES[0], FAMILIES[2]
    for prior, family, message in (
        (LKJ(MEAN, SPREAD, 3.0, HalfNormal(UNITS)), full, "under HalfNormal scales a component may collapse"),
        (LKJ(MEAN, SPREAD, 2.0, LogNormal(UNITS)), full, "eta = 2 is not above"),
        (Independent(MEAN, SPREAD, 4.5, SCALE, concentration=Gamma(2.0, 4.0)), full, "prior of its own"),
        (Independent(MEAN, SPREAD, 4.5, SCALE, concentration=0.5), full, "below 1"),
    ):
        with pytest.raises(ValueError, match=message):
            prior.with_mode(family)
    assert LKJ(MEAN, SPREAD, 2.0, LogNormal(UNITS)).with_mode(diagonal).eta == 2.0, "no correlations, no hyperplane"
    given = HIERARCHICAL.with_mode(full)
    np.testing.assert_allclose(given.scale, 2 * 2.0 * np.linalg.inv(RATE))
