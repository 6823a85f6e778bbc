"""Samplers of partitions against the exact posterior: every partition of a few rows, enumerated."""

import arviz as az
import numpy as np
import pytest
from scipy import stats
from scipy.integrate import simpson
from scipy.special import gammaln, logsumexp, multigammaln

import bayesgmm as bg
from bayesgmm import priors

# All comparisons of a test together fail by chance this rarely.
UNLIKELY = 1e-4
MOST = 400  # components that the sum over K goes up to

# ---- the posterior of all partitions, from formulas


def partitions(n):
    """Every partition of n rows, labels in the order of their appearance (Bell(n), n)."""
    found = [[0]]
    for _ in range(n - 1):
        found = [[*labels, k] for labels in found for k in range(max(labels) + 2)]
    return np.array(found)


def log_marginal(x, prior, alias):
    """log p(x) of the rows of one cluster, mean and covariance integrated out (Gelman et al. 2013, section 3.6)."""
    if isinstance(prior, bg.Independent):
        return log_marginal_of_independent(x, prior)
    (n, d), shrinkage = x.shape, prior.shrinkage + len(x)
    if alias == "diag":
        each = [bg.Conjugate([prior.mean[j]], prior.shrinkage, prior.dof, [[prior.scale[j, j]]]) for j in range(d)]
        return sum(log_marginal(x[:, [j]], each[j], "full") for j in range(d))
    centred, gap = x - x.mean(axis=0), x.mean(axis=0) - prior.mean
    scatter = centred.T @ centred + prior.shrinkage * n / shrinkage * np.outer(gap, gap)
    value = d / 2 * np.log(prior.shrinkage / shrinkage) - n * d / 2 * np.log(np.pi)
    if alias == "spherical":
        before, dof = np.trace(prior.scale) / d, prior.dof + n * d
        value += gammaln(dof / 2) - gammaln(prior.dof / 2)
        return value + prior.dof / 2 * np.log(before) - dof / 2 * np.log(before + np.trace(scatter))
    dof, log_det = prior.dof + n, [np.linalg.slogdet(m)[1] for m in (prior.scale, prior.scale + scatter)]
    value += multigammaln(dof / 2, d) - multigammaln(prior.dof / 2, d)
    return value + prior.dof / 2 * log_det[0] - dof / 2 * log_det[1]


def log_marginal_of_independent(x, prior):
    """log p(x) of two features where μ ~ N(m₀, B₀) knows nothing of Σ, which is integrated out; μ on a grid."""
    n, spread = len(x), np.sqrt(np.diag(prior.mean_covariance))
    axes = [np.linspace(m - 7 * s, m + 7 * s, 301) for m, s in zip(prior.mean, spread)]
    mu = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    gaps = x - mu[..., None, :]
    log_dets = np.linalg.slogdet(prior.scale + gaps.mT @ gaps)[1]
    value = multigammaln((prior.dof + n) / 2, 2) - multigammaln(prior.dof / 2, 2) - n * np.log(np.pi)
    value += prior.dof / 2 * np.linalg.slogdet(prior.scale)[1] - (prior.dof + n) / 2 * log_dets
    height = value + stats.multivariate_normal(prior.mean, prior.mean_covariance).logpdf(mu)
    return log_integral(log_integral(height, axes[1]), axes[0])


def log_integral(height, at):
    """log ∫ exp(height), along the last axis."""
    top = height.max(axis=-1, keepdims=True)
    return top[..., 0] + np.log(simpson(np.exp(height - top), x=at))


def log_marginals_of_hierarchical(x, prior):
    """log p(x, C₀) of rows of one feature as one cluster, on a grid of log C₀, and the grid. σ² ~ InvGamma(c₀, C₀)."""
    (mean,), (sd,) = prior.mean, np.sqrt(np.diag(prior.mean_covariance))
    mu, at = np.linspace(mean - 8 * sd, mean + 8 * sd, 2001), np.linspace(-14, 8, 201)
    c, rate = prior.shape, np.exp(at)[:, None]
    value = gammaln(c + len(x) / 2) - gammaln(c) - len(x) / 2 * np.log(2 * np.pi) + c * np.log(rate)
    height = value - (c + len(x) / 2) * np.log(rate + 0.5 * ((x[:, None] - mu) ** 2).sum(axis=0))
    return log_integral(height + stats.norm.logpdf(mu, mean, sd), mu), at


def exact_of_hierarchical(x, prior, log_p):
    """`exact` for diagonal covariances under the hierarchical prior: each C₀ is integrated out at the end."""
    found, marginals, values = partitions(len(x)), {}, []
    for labels in found:
        value = np.atleast_1d(log_p(tuple(sorted(np.bincount(labels)))))
        for j in range(x.shape[1]):
            own = bg.Hierarchical([prior.mean[j]], [[prior.mean_covariance[j, j]]], prior.shape, prior.rate_shape,
                                  [[prior.rate_rate[j, j]]])  # fmt: skip
            height = 0.0
            for k in range(labels.max() + 1):
                rows = tuple(np.flatnonzero(labels == k))
                if (rows, j) not in marginals:
                    marginals[rows, j] = log_marginals_of_hierarchical(x[list(rows), j], own)
                each, at = marginals[rows, j]
                height = height + each
            law = stats.gamma(own.rate_shape, scale=1 / own.rate_rate[0, 0])
            value = value + log_integral(height + law.logpdf(np.exp(at)) + at, at)
        values.append(value)
    return found, np.exp(np.array(values) - logsumexp(values))


def log_finite(sizes, k, gamma):
    """log p(C | K, γ), of arrays too: the Dirichlet-multinomial urn, row by row, and the ways to number clusters."""
    k, gamma = np.asarray(k, dtype=float), np.asarray(gamma, dtype=float)
    with np.errstate(divide="ignore"):
        value = sum(np.log(np.maximum(k - i, 0.0)) for i in range(len(sizes)))
    value = value + sum(np.log(gamma + i) for size in sizes for i in range(size))
    return value - sum(np.log(k * gamma + i) for i in range(sum(sizes)))


def log_endless(sizes, alpha, sigma):
    """log p(C | α, σ), row by row (Pitman 1995)."""
    value, clusters, rows = 0.0, 0, 0
    for size in sizes:
        for j in range(size):
            value += np.log(j - sigma) if j else np.log(alpha + sigma * clusters)
            value -= np.log(alpha + rows)
            clusters += j == 0
            rows += 1
    return value


def log_mfm(sizes, alpha, number, shared):
    """log p(C, K | α) for K = 1 … MOST."""
    k = np.arange(1, MOST + 1)
    return number.log_prob(k) + log_finite(sizes, k, alpha / k if shared else alpha)


def averaged(log_p, distribution, sizes):
    """log ∫ p(· | v) p(v) dv, over the logarithm of a positive v or over a v between 0 and 1, by Simpson's rule."""
    if isinstance(distribution, priors.Beta):
        v = np.linspace(0, 1, 402)[1:-1]
        height, at = distribution.log_density(v), v
    else:
        at = np.linspace(-14, 16, 241)
        v = np.exp(at)
        height = distribution.log_density(v) + at
    height = height + np.moveaxis([log_p(sizes, u) for u in v], 0, -1)
    top = height.max()
    if top == -np.inf:
        return np.full(height.shape[:-1], top)
    with np.errstate(divide="ignore"):
        return top + np.log(simpson(np.exp(height - top), x=at))


def exact(x, prior, alias, log_p):
    """p(C, K | x), or p(C | x), of every partition, where log p has a value a K, or one."""
    sizes_seen, rows_seen, values, found = {}, {}, [], partitions(len(x))
    for labels in found:
        sizes = tuple(sorted(np.bincount(labels)))
        if sizes not in sizes_seen:
            sizes_seen[sizes] = np.atleast_1d(log_p(sizes))
        value = sizes_seen[sizes]
        for k in range(labels.max() + 1):
            rows = tuple(np.flatnonzero(labels == k))
            if rows not in rows_seen:
                rows_seen[rows] = log_marginal(x[list(rows)], prior, alias)
            value = value + rows_seen[rows]
        values.append(value)
    return found, np.exp(np.array(values) - logsumexp(values))


def as_numbers(labels):
    """Labels (…, N) in the order of their appearance, read as one number a partition."""
    flat = labels.reshape(-1, labels.shape[-1])
    out = np.zeros_like(flat, dtype=np.int64)
    for i in range(1, flat.shape[1]):
        same = flat[:, :i] == flat[:, i : i + 1]
        out[:, i] = np.where(
            same.any(axis=1), out[np.arange(len(flat)), same.argmax(axis=1)], out[:, :i].max(axis=1) + 1
        )
    return (out @ 10 ** np.arange(flat.shape[1])).reshape(labels.shape[:-1])


def test_there_are_as_many_partitions_as_bell_says():
    assert [len(partitions(n)) for n in range(1, 9)] == [1, 2, 5, 15, 52, 203, 877, 4140]


@pytest.mark.parametrize("log_p", [
    lambda s: log_endless(s, 0.7, 0.3), lambda s: log_finite(s, 4, 0.6),
    lambda s: logsumexp(log_mfm(s, 1.3, priors.Poisson(1.0), True)),
    lambda s: averaged(lambda s, v: log_endless(s, v, 0.2), priors.Gamma(2, 4), s),
])  # fmt: skip
def test_what_is_enumerated_is_a_distribution(log_p):
    total = sum(np.exp(log_p(np.bincount(labels))) for labels in partitions(5))
    assert total == pytest.approx(1, abs=1e-8)


# ---- the samplers

LINE = np.array([-1.3, -1.1, -0.2, 0.6, 2.4, 2.9])[:, None]
PLANE = np.array([[-1.3, 0.2], [-1.0, -0.3], [0.1, 1.5], [1.2, 1.1], [1.5, -1.8], [2.4, -2.2]])
GAMMA, FRACTION, FISHER = priors.Gamma(2.0, 1.5), priors.Beta(1.0, 2.0), priors.F(6, 3)
CASES = {
    "mfm, static": (
        {"n_components": priors.Uniform(5), "concentration": 0.7},
        lambda s: log_mfm(s, 0.7, priors.Uniform(5), False),
    ),
    "mfm, static, F": (
        {"n_components": priors.Geometric(0.4), "concentration": FISHER, "weights": "static"},
        lambda s: averaged(lambda s, v: log_mfm(s, v, priors.Geometric(0.4), False), FISHER, s),
    ),
    "mfm, dynamic": (
        {"n_components": priors.Poisson(1.5), "concentration": GAMMA, "weights": "dynamic"},
        lambda s: averaged(lambda s, v: log_mfm(s, v, priors.Poisson(1.5), True), GAMMA, s),
    ),
    "mfm, default": (
        {},
        lambda s: averaged(lambda s, v: log_mfm(s, v, priors.BetaNegativeBinomial(1, 4, 3), True), FISHER, s),
    ),
    "sparse, fixed": (
        {"process": "sparse", "n_components": 4, "concentration": 0.2},
        lambda s: log_finite(s, 4, 0.2),
    ),
    "sparse": (
        {"process": "sparse", "n_components": 5, "concentration": priors.Gamma(1, 4)},
        lambda s: averaged(lambda s, v: log_finite(s, 5, v), priors.Gamma(1, 4), s),
    ),
    "dp, fixed": ({"process": "dp", "concentration": 0.8}, lambda s: log_endless(s, 0.8, 0.0)),
    "dp": (
        {"process": "dp", "concentration": GAMMA},
        lambda s: averaged(lambda s, v: log_endless(s, v, 0.0), GAMMA, s),
    ),
    "py, fixed": (
        {"process": "py", "concentration": 0.5, "discount": 0.4},
        lambda s: log_endless(s, 0.5, 0.4),
    ),
    "py": (
        {"process": "py", "concentration": 0.5, "discount": FRACTION},
        lambda s: averaged(lambda s, v: log_endless(s, 0.5, v), FRACTION, s),
    ),
    "py, log-normal": (
        {"process": "py", "concentration": priors.LogNormal(0.7, 0.8), "discount": 0.25},
        lambda s: averaged(lambda s, v: log_endless(s, v, 0.25), priors.LogNormal(0.7, 0.8), s),
    ),
}  # fmt: skip


def assert_probabilities(indicators, expected):
    """Probabilities of draws (chain, draw), within their Monte Carlo errors, all together."""
    z = stats.norm.isf(UNLIKELY / (2 * len(expected)))
    for name, p in expected.items():
        values = indicators[name].astype(float)
        ess = float(az.ess(values))
        # The error is that of so many independent draws of the probability that is claimed.
        assert abs(values.mean() - p) < z * np.sqrt(p * (1 - p) / ess), (name, values.mean(), p, ess)


def check(x, alias, options, log_p, draws, prior=None):
    d = x.shape[1]
    prior = bg.Conjugate(np.zeros(d), 0.3, d + 2.0, np.eye(d) + 0.2) if prior is None else prior
    if isinstance(prior, bg.Hierarchical):
        found, p = exact_of_hierarchical(x, prior, log_p)
    else:
        found, p = exact(x, prior, alias, log_p)
    options = {"prior": prior, "covariance_type": alias, "draws": draws, "tune": 500, "thin": 1, **options}
    tree = bg.sample_components(x, keep="allocations", seed=1, progress=False, **options)
    posterior = tree["posterior"]
    drawn, numbers = as_numbers(posterior["allocations"].values), as_numbers(found)
    whole = p.sum(axis=1)
    expected = {f"partition {labels}": w for labels, w in zip(map(str, found), whole) if w > 0.004}
    indicators = {f"partition {labels}": drawn == n for labels, n in zip(map(str, found), numbers)}
    filled = found.max(axis=1) + 1
    for k in range(1, len(x) + 1):
        expected[f"K₊ = {k}"] = whole[filled == k].sum()
        indicators[f"K₊ = {k}"] = posterior["n_clusters"].values == k
    for k in range(1, 9 if p.shape[1] > 1 else 1):
        expected[f"K = {k}"] = p[:, k - 1].sum()
        indicators[f"K = {k}"] = posterior["n_components"].values == k
    assert_probabilities(indicators, {name: v for name, v in expected.items() if v > 0.001})


QUICK = ("mfm, static", "sparse, fixed", "dp, fixed", "py, fixed")


@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in CASES])
def test_partitions_have_their_posterior(name):
    check(LINE, "full", *CASES[name], draws=8_000)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "alias"), [("mfm, static", "full"), ("py, fixed", "full"), ("dp, fixed", "diag"),
                                             ("mfm, static", "spherical")])  # fmt: skip
def test_partitions_of_a_plane_have_their_posterior(name, alias):
    check(PLANE, alias, *CASES[name], draws=8_000)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "alias", "prior"), [
    ("mfm, static", "full", bg.Independent([0.2, -0.1], [[3.0, 0.5], [0.5, 2.0]], 4.5, [[1.2, 0.2], [0.2, 0.8]])),
    ("mfm, static", "diag", bg.Hierarchical([0.2, -0.1], np.diag([3.0, 2.0]), 1.5, 0.8, np.diag([2.0, 1.0]))),
])  # fmt: skip
def test_partitions_under_priors_without_a_closed_form_have_their_posterior(name, alias, prior):
    """Means, and C₀, are integrated out by Simpson's rule."""
    check(PLANE[:5], alias, *CASES[name], draws=8_000, prior=prior)
