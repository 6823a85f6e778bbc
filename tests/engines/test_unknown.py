"""Samplers for an unknown number of components: the joint distribution, recorded posteriors, laws, errors."""

import json
from dataclasses import replace
from pathlib import Path

import arviz as az
import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

import bayesgmm as bg
from bayesgmm import priors
from bayesgmm.engines import waiting
from bayesgmm.engines.unknown.chain import Chain, Problem
from bayesgmm.engines.unknown.spec import spec_of
from bayesgmm.kernel import set_threads

# All comparisons of a test together fail by chance this rarely.
UNLIKELY = 1e-4
REFERENCE = Path(__file__).parents[1] / "reference"


@pytest.fixture(scope="module")
def faithful():
    return bg.load_dataset("faithful")


def problem_of(rows, prior, alias="full", process="mfm", draws=100, tune=0, thin=1, keep="all", **options):
    asked = {"n_components": None, "concentration": None, "weights": None, "discount": None, **options}
    return Problem(rows, prior, bg.family(alias), spec_of(process, **asked), tune, draws, thin, keep)


def prior_of(kind, d=2):
    """Constants unlike each other, so that a mix-up shows."""
    rng = np.random.default_rng(d)
    one, other = (r @ r.T for r in np.tril(rng.normal(size=(2, d, d))) + 2 * np.eye(d))
    own = {
        "conjugate": {"shrinkage": 0.7, "dof": d + 3.5, "scale": one},
        "independent": {"mean_covariance": 0.1 * other, "dof": d + 3.5, "scale": one},
        "hierarchical": {"mean_covariance": 0.1 * other, "shape": d + 0.5, "rate_shape": d + 0.2, "rate_rate": one},
    }[kind]
    return replace(bg.prior(kind), mean=np.arange(1.0, d + 1), **own)


# ---- the joint distribution of everything

JOINTS = {
    "mfm": {"n_components": priors.Poisson(1.2), "concentration": priors.Gamma(2, 1), "weights": "dynamic"},
    "static mfm": {"process": "mfm", "n_components": priors.Geometric(0.4), "concentration": priors.F(6, 5)},
    "sparse": {"n_components": 4, "concentration": priors.Gamma(1, 2)},
    "dp": {"concentration": priors.Gamma(2, 2)},
    "py": {"concentration": priors.LogNormal(1.0, 0.7), "discount": priors.Beta(2, 3)},
}
PAIRS = [
    ("mfm", "hierarchical", "full"), ("mfm", "independent", "diag"), ("static mfm", "hierarchical", "spherical"),
    ("static mfm", "conjugate", "full"), ("sparse", "hierarchical", "diag"), ("dp", "hierarchical", "full"),
    ("dp", "conjugate", "diag"), ("py", "independent", "full"), ("py", "hierarchical", "spherical"),
]  # fmt: skip
N = 4


def simulated_clusters(spec, size, rng):
    """K₊ of N rows from the prior, by the story as it is told."""
    alpha = spec.concentration.draw(size, rng)
    found = np.ones(size, dtype=int)
    if not spec.is_finite:
        sigma = spec.discount.draw(size, rng) if isinstance(spec.discount, priors.Beta) else spec.discount
        for n in range(1, N):
            found += rng.uniform(size=size) < (alpha + sigma * found) / (alpha + n)
        return found
    number = spec.n_components
    k = number.draw(size, rng) if isinstance(number, priors.Count) else np.full(size, number)
    for i in range(size):
        gamma = alpha[i] / k[i] if spec.is_shared else alpha[i]
        w = rng.gamma(gamma, size=k[i]) if gamma > 0.05 else np.exp(np.log(rng.uniform(size=k[i])) / gamma)
        w = w if w.sum() > 0 else np.eye(k[i])[0]
        found[i] = len(np.unique(rng.choice(k[i], size=N, p=w / w.sum())))
    return found


def with_new_rows(chain, rng):
    """One sweep after the rows were drawn anew, given the parameters, or given these and labels (without end)."""
    x, (logs, means, factors, *_), k = chain.problem.rows, chain._slots, chain._header[0]
    labels = chain.labels
    if chain.problem.spec.is_finite or chain.done == 0:
        labels = rng.choice(k, size=N, p=np.exp(logs[:k]) / np.exp(logs[:k]).sum())
        chain._header[2] = 0
    noise = rng.normal(size=x.shape)
    spread = factors[labels]
    x[:] = means[labels] + (spread[..., 0] * noise if spread.shape[2] == 1 else (spread @ noise[..., None])[..., 0])
    chain._key = rng.integers(2**63, size=2).astype(np.uint64)
    assert chain.sweep(1) == 1


def uniforms(chain, prior, spec, alias):
    """What has a known distribution of its own, taken through its distribution function: uniform, by name."""
    numbers, labels, above, theta = chain.drawn(chain.length)
    d, first = len(prior.mean), np.cumsum(numbers[:, 0].astype(int)) - numbers[:, 0].astype(int)
    own = theta[first + labels[:, 0]]  # the component of the first row
    means, factors = own[:, 1 : 1 + d], own[:, 1 + d :].reshape(len(own), d, -1)
    variances = (factors**2).sum(axis=2)
    alpha = spec.concentration
    law = {priors.Gamma: lambda: stats.gamma(alpha.shape, scale=1 / alpha.rate),
           priors.F: lambda: stats.f(alpha.dof, alpha.dof_other),
           priors.LogNormal: lambda: stats.lognorm(alpha.sd, scale=alpha.median)}[type(alpha)]()  # fmt: skip
    out = {"concentration": law.cdf(numbers[:, 2])}
    if isinstance(spec.discount, priors.Beta):
        out["discount"] = stats.beta(spec.discount.a, spec.discount.b).cdf(numbers[:, 3])
    less = 0.5 * (d - 1) * (alias == "full")
    if isinstance(prior, bg.Hierarchical):
        unit = np.linalg.inv(prior.rate_rate)
        if alias == "full":
            factor = np.linalg.cholesky(unit) @ above
            rates, unit = 0.5 * (factor**2).sum(axis=2), np.diag(unit)
        else:
            rates, unit = np.exp(above[:, 0]), 1 / np.diag(prior.rate_rate)
        if alias == "spherical":
            rates, unit = rates[:, :1], np.full(1, np.trace(np.linalg.inv(prior.rate_rate)) / d)
        for j in range(rates.shape[1]):
            out[f"rate {j}"] = stats.gamma.cdf(rates[:, j], prior.rate_shape, scale=unit[j])
        shape, rates = prior.shape - less, np.broadcast_to(rates, means.shape)
    else:
        rates = 0.5 * np.diag(prior.scale)
        rates = np.broadcast_to(rates.mean() if alias == "spherical" else rates, means.shape)
        shape = 0.5 * prior.dof - less
    for j in range(d):
        out[f"variance {j}"] = stats.invgamma.cdf(variances[:, j], shape, scale=rates[:, j])
        spread = variances[:, j] / prior.shrinkage if isinstance(prior, bg.Conjugate) else prior.mean_covariance[j, j]
        out[f"mean {j}"] = stats.norm.cdf(means[:, j], prior.mean[j], np.sqrt(spread))
    return out, numbers


@pytest.mark.slow
@pytest.mark.parametrize(("process", "kind", "alias"), PAIRS)
def test_joint_distribution_of_data_and_parameters(process, kind, alias):
    """Data and parameters drawn in turn have the joint distribution, whose parameters are the prior (Geweke 2004)."""
    options, draws, rng = {"process": process, **JOINTS[process]}, 9000, np.random.default_rng(5)
    prior = prior_of(kind)
    problem = problem_of(rng.normal(size=(N, 2)), prior, alias, draws=draws, tune=100, **options)
    chain = Chain(problem, np.random.SeedSequence(3))
    while not chain.is_finished:
        with_new_rows(chain, rng)
    spec = chain.problem.spec
    values, numbers = uniforms(chain, prior, spec, alias)
    checks = {name: u - 0.5 for name, u in values.items()} | {f"{n}²": u * u - 1 / 3 for n, u in values.items()}
    if isinstance(spec.n_components, priors.Count):
        for k in range(1, 5):
            checks[f"K = {k}"] = (numbers[:, 0] == k) - np.exp(spec.n_components.log_prob(k))
    errors, size = {}, 10_000
    simulated = simulated_clusters(spec, size, rng)
    for k in range(1, N + 1):
        p = (simulated == k).mean()
        checks[f"K₊ = {k}"], errors[f"K₊ = {k}"] = (numbers[:, 1] == k) - p, np.sqrt(p * (1 - p) / size)
    z = stats.norm.isf(UNLIKELY / (2 * len(checks)))
    for name, v in checks.items():
        assert float(az.ess(v[None])) > 200, name
        assert abs(v.mean()) < z * np.hypot(float(az.mcse(v[None])), errors.get(name, 0.0)), name


# ---- recorded posteriors


@pytest.mark.slow
@pytest.mark.parametrize(("case", "options"), [
    ("acidity_e001_poisson", {"n_components": priors.Poisson(1.0), "concentration": 0.01}),
    ("acidity_RG1997", {"n_components": priors.Uniform(30), "concentration": 1.0}),
])  # fmt: skip
def test_acidity_has_the_recorded_posterior(case, options):
    # The recorded errors are of four chains of the telescoping sampler of others; ours are of eight.
    recorded = json.loads((REFERENCE / "unknown_k.json").read_text())[case]
    x = np.loadtxt(REFERENCE / "acidity.csv", skiprows=1)
    found = bg.sample_components(x, draws=2500, tune=1000, thin=10, chains=8, keep="numbers", seed=1, progress=False,
                                 **options)["posterior"]  # fmt: skip
    compared = [(n, k, *v) for n in ("n_components", "n_clusters") for k, v in recorded[n].items() if v[0] > 0.005]
    z = stats.norm.isf(UNLIKELY / (2 * len(compared)))
    for name, k, p, error in compared:
        values = (found[name].values == int(k)).astype(float)
        ours = np.sqrt(p * (1 - p) / float(az.ess(values)))
        # An error from four chains is itself uncertain: its t has three degrees of freedom.
        assert abs(values.mean() - p) < z * ours + stats.t.isf(UNLIKELY / (2 * len(compared)), 3) * error, (name, k)


# ---- laws

OPTIONS = {"draws": 40, "tune": 20, "thin": 1, "chains": 2, "seed": 4, "progress": False}
ALL = [{"process": p} for p in ("mfm", "sparse", "dp", "py")]


@pytest.mark.parametrize("options", ALL, ids=lambda o: o["process"])
@pytest.mark.parametrize("alias", ["full", "diag", "spherical"])
def test_a_draw_is_a_mixture_with_the_clusters_first(faithful, options, alias):
    tree = bg.sample_components(faithful, covariance_type=alias, **OPTIONS, **options)
    post, x = tree["posterior"], faithful.to_numpy(float)
    assert list(post["feature"].values) == list(faithful.columns) and post["allocations"].dtype == np.int16
    for chain, draw in [(0, 0), (1, 39), (0, 17)]:
        one = post.isel(chain=chain, draw=draw)
        k, labels = int(one["weights"].notnull().sum()), one["allocations"].values
        assert set(labels) == set(range(int(one["n_clusters"])))
        if "n_components" in one:
            assert k == one["n_components"]
        arrays = [one[name].values for name in ("weights", "means", "covariances")]
        assert all(np.isfinite(a[:k]).all() and np.isnan(a[k:]).all() for a in arrays)
        weights, means, covariances = (a[:k] for a in arrays)
        assert weights.sum() == pytest.approx(1, abs=1e-9)
        if alias != "full":
            assert (covariances[:, 0, 1] == 0).all()
        if alias == "spherical":
            assert (covariances[:, 0, 0] == covariances[:, 1, 1]).all()
        each = [np.log(w) + stats.multivariate_normal(m, c).logpdf(x) for w, m, c in zip(weights, means, covariances)]
        expected = float(tree["sample_stats"]["log_likelihood"][chain, draw])
        assert logsumexp(each, axis=0).sum() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("options", ALL, ids=lambda o: o["process"])
def test_n_sweeps_and_then_m_are_n_and_m_sweeps(faithful, options):
    rows = faithful.to_numpy(float)
    found = []
    for cuts in ([60], [1, 24, 35], [7] * 8 + [4]):
        prior = bg.scale_prior("hierarchical", rows, 1)
        chain = Chain(problem_of(rows, prior, draws=20, tune=20, thin=2, **options), np.random.SeedSequence(2))
        assert [chain.sweep(n) for n in cuts] == cuts and chain.is_finished
        found.append(chain.drawn(20))
    for other in found[1:]:
        for a, b in zip(found[0], other):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("options", ALL, ids=lambda o: o["process"])
def test_the_same_seed_gives_the_same_draws_for_any_number_of_threads(faithful, options):
    many = bg.sample_components(faithful, **OPTIONS, **options)["posterior"]
    before = set_threads(1)
    try:
        one = bg.sample_components(faithful, **OPTIONS, **options)["posterior"]
    finally:
        set_threads(before)
    assert one.to_dataset().identical(many.to_dataset())
    other = bg.sample_components(faithful, **OPTIONS | {"seed": 5}, **options)["posterior"]
    assert not np.isin(other["means"].values[:, -1, 0], many["means"].values).any()


def test_more_clusters_than_there_was_room_for():
    x = np.arange(300.0)[:, None]
    prior = bg.Conjugate([150.0], 1e-4, 5, [[1.0]])
    options = {"process": "dp", "concentration": 300.0, "prior": prior, "draws": 5, "tune": 60, "thin": 1, "seed": 1}
    found = bg.sample_components(x, progress=False, **options)["posterior"]
    assert found["n_clusters"].min() > 64
    labels = found["allocations"].values
    assert all(len(np.unique(one)) == k for one, k in zip(labels.reshape(-1, 300), found["n_clusters"].values.ravel()))


@pytest.mark.parametrize("process", ["mfm", "dp"])
def test_chains_that_begin_with_one_cluster_find_two(process):
    """Two groups eight standard deviations apart: single labels would not get there in thousands of sweeps."""
    group = np.repeat([[0.0, 0.0], [8.0, -4.0]], 60, axis=0)
    x = np.random.default_rng(4).normal(size=(120, 2)) + group
    found = bg.sample_components(x, process=process, draws=200, tune=300, thin=2, chains=8, keep="allocations", seed=1,
                                 concentration=0.5, progress=False)["posterior"]  # fmt: skip
    assert (found["n_clusters"] > 1).all()
    labels = found["allocations"].values
    assert (labels[..., :60, None] != labels[..., None, 60:]).mean() > 0.999


def test_an_interrupt_keeps_the_draws_so_far(faithful, monkeypatch):
    waits = iter(range(5))

    def wait(jobs, timeout):
        if next(waits, None) is None:
            raise KeyboardInterrupt
        return real(jobs, timeout=timeout)

    real = waiting.wait
    monkeypatch.setattr(waiting, "wait", wait)
    options = OPTIONS | {"draws": 10_000_000, "keep": "filled"}
    with pytest.warns(UserWarning, match="sampling was interrupted"):
        found = bg.sample_components(faithful, **options)
    assert found.attrs["incomplete"] == 1 and 0 < found["posterior"].sizes["draw"] < 10_000_000
    assert found["posterior"]["weights"][..., 0].notnull().all()
    assert (found["posterior"]["n_clusters"] > 0).all()


def test_what_is_kept(faithful):
    found = {keep: bg.sample_components(faithful, **OPTIONS, keep=keep)["posterior"] for keep in
             ("all", "filled", "allocations", "numbers")}  # fmt: skip
    assert "allocations" not in found["numbers"] and "weights" not in found["allocations"]
    assert found["filled"].sizes["component"] == found["filled"]["n_clusters"].max()
    for name in ("n_components", "n_clusters", "concentration", "rate"):
        for posterior in found.values():
            np.testing.assert_array_equal(posterior[name], found["all"][name])
    k = found["filled"].sizes["component"]
    filled = found["filled"]["means"].notnull()
    np.testing.assert_array_equal(found["all"]["means"][:, :, :k].where(filled), found["filled"]["means"])


def test_the_table_of_probabilities_reads_it(faithful):
    found = bg.sample_components(faithful, **OPTIONS)
    table = bg.n_clusters(found)["probability"]
    for name in ("n_clusters", "n_components"):
        values = found["posterior"][name].values
        for k in np.unique(values):
            assert table[name, k] == pytest.approx((values == k).mean())
    assert "n_components" not in bg.sample_components(faithful, process="dp", **OPTIONS)["posterior"]


def test_attributes_say_how_it_was_made(faithful):
    found = bg.sample_components(faithful, **OPTIONS, process="py", discount=priors.Beta(1, 2))
    assert found.attrs["prior_of_partitions"].splitlines() == [
        "weights ~ PitmanYor(σ, α)", "α ~ Gamma(shape = 2, rate = 4)", "σ ~ Beta(a = 1, b = 2)"]  # fmt: skip
    assert found.attrs["truncation_error"] == 0 and found.attrs["rest"] == found["sample_stats"]["rest"].mean()
    assert found.attrs["process"] == "py" and found["constant_data"]["prior_shape"] == 3


# ---- what goes wrong


@pytest.mark.parametrize(("options", "said"), [
    ({"process": "crp"}, "process 'crp' is not known"),
    ({"process": "dp", "n_components": 3}, "infinitely many components: leave n_components out"),
    ({"process": "sparse", "n_components": priors.Uniform(5)}, "a prior of K is for process='mfm'"),
    ({"n_components": 0}, "n_components must be a whole number above 0"),
    ({"concentration": -1.0}, "concentration must be one number above 0"),
    ({"concentration": priors.HalfNormal()}, "must be numbers"),
    ({"discount": 0.1}, "discount is a number of process='py'"),
    ({"process": "py", "discount": 1.0}, r"discount must be in \[0, 1\)"),
    ({"process": "dp", "weights": "static"}, "has no K: leave it out"),
    ({"weights": "other"}, "use 'static', Dirichlet"),
    ({"prior": "conjugate"}, "depend on K: name mean, shrinkage, dof and scale"),
    ({"prior": "lkj"}, "LKJ has none; use prior='hierarchical'"),
    ({"prior": bg.Hierarchical(concentration=2.0)}, "leave it out of the prior"),
    ({"covariance_type": "tied"}, "use 'full', 'diag' or 'spherical'"),
    ({"covariance_type": "EVI"}, "use 'full', 'diag' or 'spherical'"),
    ({"keep": "some"}, "keep='some' is not known"),
    ({"thin": 0}, "thin"),
])  # fmt: skip
def test_errors_say_what_to_do(faithful, options, said):
    with pytest.raises(ValueError, match=said):
        bg.sample_components(faithful, **options)


def test_independent_constants_are_those_of_the_hierarchical_prior_at_its_mean(faithful):
    found = bg.sample_components(faithful, prior="independent", **OPTIONS)["constant_data"]
    ranges = np.ptp(faithful.to_numpy(float), axis=0)
    np.testing.assert_allclose(found["prior_mean_covariance"], np.diag(ranges**2))
    # D = 2: c₀ = 3, g₀ = 1, G₀ = 100/3 diag(1/R²); ν₀ = 2c₀ and Ψ₀ = 2 g₀ G₀⁻¹.
    assert found["prior_dof"] == 6
    np.testing.assert_allclose(found["prior_scale"], np.diag(0.06 * ranges**2))
