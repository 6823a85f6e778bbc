"""Gibbs sampling: against closed forms, the prior alone, the joint distribution of data and parameters, and NUTS."""

from dataclasses import replace
from pathlib import Path

import arviz as az
import numpy as np
import pytest
from scipy import stats

import bayesgmm as bg
from bayesgmm.draws.invariants import quantities
from bayesgmm.draws.mixtures import read
from bayesgmm.engines.density import Density, conjugate, density_of, hierarchical, independent
from bayesgmm.engines.density.native import Layout
from bayesgmm.engines.gibbs import gibbs
from bayesgmm.engines.sweeps import sweep
from bayesgmm.engines.ways import way_of
from bayesgmm.kernel import Incomplete, set_threads
from bayesgmm.models import finite_mixture

FAMILIES = ("full", "tied", "diag", "spherical")
KINDS = ("conjugate", "independent", "hierarchical")
# All comparisons of a test together fail by chance this rarely.
UNLIKELY = 1e-4
KEY = np.array([3, 4], dtype=np.uint64)


@pytest.fixture(scope="module")
def faithful():
    return finite_mixture(bg.load_dataset("faithful"), 2)


def prior_of(d, kind="conjugate", concentration=1.0):
    """Constants unlike each other, so that a mix-up shows."""
    rng = np.random.default_rng(d)
    one, other = (r @ r.T for r in np.tril(rng.normal(size=(2, d, d))) + 2 * np.eye(d))
    own = {
        "conjugate": {"shrinkage": 0.7, "dof": d + 3.5, "scale": one},
        "independent": {"mean_covariance": other, "dof": d + 3.5, "scale": one},
        "hierarchical": {"mean_covariance": other, "shape": d + 0.5, "rate_shape": d + 0.2, "rate_rate": one},
    }[kind]
    return replace(bg.prior(kind), mean=np.arange(1.0, d + 1), concentration=concentration, **own)


def density_under(prior, alias, rows, k):
    form = {bg.priors.Conjugate: conjugate, bg.priors.Independent: independent}.get(type(prior), hierarchical)
    extras = isinstance(prior.concentration, bg.priors.Gamma), form is hierarchical
    layout = Layout(bg.family(alias), k, rows.shape[1], *extras)
    return Density(form, prior.with_constants(k), layout, rows)


def uniform_under(prior, alias, found):
    """Draws from the prior taken through its distribution functions, some given others: each uniform, by name."""
    weights, means, covariances = (found[n] for n in ("weights", "means", "covariances"))
    k, d = means.shape[1:]
    out = {}
    if "concentration" in found:
        alpha, gamma = np.broadcast_to(found["concentration"][:, None], weights.shape), prior.concentration
        out["concentration"] = stats.gamma.cdf(found["concentration"], gamma.shape, scale=1 / gamma.rate)
    else:
        alpha = np.broadcast_to(prior.concentration, weights.shape)
    is_dense, less = alias in ("full", "tied"), 0.5 * (d - 1) * (alias in ("full", "tied"))
    if isinstance(prior, bg.priors.Hierarchical):
        rate, unit = found["rate"], np.diag(np.linalg.inv(prior.rate_rate))
        if is_dense:
            rate = np.diagonal(rate, axis1=1, axis2=2)
        elif alias == "diag":
            unit = 1 / np.diag(prior.rate_rate)
        else:
            rate, unit = rate[:, None], unit.mean(keepdims=True)
        for j in range(rate.shape[1]):
            out[f"rate {j}"] = stats.gamma.cdf(rate[:, j], prior.rate_shape, scale=unit[j])
        shape, rates = prior.shape - less, np.broadcast_to(rate, (len(means), d))
    else:
        rates = 0.5 * np.diag(prior.scale)
        rates = np.full(d, rates.mean()) if alias == "spherical" else rates
        shape, rates = 0.5 * prior.dof - less, np.broadcast_to(rates, (len(means), d))
    for i in range(k):
        if k > 1:
            out[f"weight {i}"] = stats.beta.cdf(weights[:, i], alpha[:, i], alpha.sum(axis=1) - alpha[:, i])
        for j in range(d):
            variance = covariances[:, i, j, j]
            out[f"variance {i} {j}"] = stats.invgamma.cdf(variance, shape, scale=rates[:, j])
            own = variance / prior.shrinkage if isinstance(prior, bg.Conjugate) else prior.mean_covariance[j, j]
            out[f"mean {i} {j}"] = stats.norm.cdf(means[:, i, j], prior.mean[j], np.sqrt(own))
    return out


def assert_uniform(values):
    """Independent draws."""
    for name, u in values.items():
        assert stats.kstest(u, "uniform").pvalue > UNLIKELY / len(values), name


def assert_zero_on_average(values):
    """Draws of chains (chain, draw), which need not be independent."""
    z = stats.norm.isf(UNLIKELY / (2 * len(values)))
    for name, v in values.items():
        assert float(az.ess(v)) > 200, name
        assert abs(v.mean()) < z * float(az.mcse(v)), name


def moments_of(values, chains=4):
    """What is zero on average for uniform draws: u − ½ and u² − ⅓."""
    chains = {name: u.reshape(chains, -1) for name, u in values.items()}
    return {n: u - 0.5 for n, u in chains.items()} | {f"{n}, squared": u * u - 1 / 3 for n, u in chains.items()}


def posterior_of_one(prior, alias, x):
    """The conjugate prior's own posterior where K = 1 (Gelman et al. 2013, section 3.6)."""
    n, d = x.shape
    gap, centred = x.mean(axis=0) - prior.mean, x - x.mean(axis=0)
    shrinkage = prior.shrinkage + n
    scale = prior.scale + centred.T @ centred + prior.shrinkage * n / shrinkage * np.outer(gap, gap)
    if alias == "spherical":  # σ² has the rate tr(Ψ₀)/2D, to which all features add
        rate = np.trace(prior.scale) / d + np.trace(scale - prior.scale)
        scale, n = rate * np.eye(d), n * d
    mean = (prior.shrinkage * prior.mean + len(x) * x.mean(axis=0)) / shrinkage
    return bg.Conjugate(mean=mean, shrinkage=shrinkage, dof=prior.dof + n, scale=scale)


# ---- exact distributions


@pytest.mark.parametrize("d", [1, 2, 4])
@pytest.mark.parametrize("alias", FAMILIES)
def test_one_component_has_the_closed_form(alias, d):
    # Labels are certain, so draws are independent.
    x = np.random.default_rng(1).normal(size=(30, d)) * np.arange(1, d + 1) + 4
    prior = prior_of(d)
    density = density_under(prior, alias, x, 1)
    start = density.place(bg.Mixture([1.0], [x.mean(axis=0)], [np.eye(d)]))
    found = density.variables(sweep(density, start, KEY, 0, 20_000).points)
    after = posterior_of_one(prior, alias, x)
    assert_uniform(uniform_under(after, alias, found))
    expected = after.scale / (after.dof - d - 1)
    if alias in ("diag", "spherical"):
        expected = np.diag(np.diag(after.scale)) / (after.dof - 2)
    z = stats.norm.isf(UNLIKELY / (2 * d * d))
    error = found["covariances"][:, 0].std(axis=0) / np.sqrt(20_000)
    assert (np.abs(found["covariances"][:, 0].mean(axis=0) - expected) <= z * error).all()


@pytest.mark.parametrize("concentration", [1.0, [0.5, 2.0, 4.0]])
@pytest.mark.parametrize("moves", [False, True])
@pytest.mark.parametrize("kind", ["conjugate", "independent"])
@pytest.mark.parametrize("alias", FAMILIES)
def test_without_data_it_draws_from_the_prior(alias, kind, moves, concentration):
    # Every sweep draws anew, so that draws are independent.
    prior = prior_of(2, kind, concentration)
    density = density_under(prior, alias, np.empty((0, 2)), 3)
    points = sweep(density, np.zeros(density.size), KEY, 0, 20_000, moves=moves).points
    assert_uniform(uniform_under(prior, alias, density.variables(points)))


@pytest.mark.parametrize("concentration", [1.0, bg.priors.Gamma(2.0, 3.0)])
@pytest.mark.parametrize("alias", FAMILIES)
def test_without_data_what_stands_above_it_is_drawn_from_the_prior_too(alias, concentration):
    prior = prior_of(2, "hierarchical", concentration)
    density = density_under(prior, alias, np.empty((0, 2)), 3)
    points = sweep(density, np.zeros(density.size), KEY, 0, 40_000, moves=True).points
    assert_zero_on_average(moments_of(uniform_under(prior, alias, density.variables(points))))


@pytest.mark.slow
@pytest.mark.parametrize("concentration", [[1.0, 2.0], bg.priors.Gamma(2.0, 1.0)])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("alias", FAMILIES)
def test_joint_distribution_of_data_and_parameters(alias, kind, concentration):
    """Data and parameters drawn in turn have the joint distribution, whose parameters are the prior (Geweke 2004)."""
    n, k, d, rng = 4, 2, 2, np.random.default_rng(5)
    prior, rows = prior_of(d, kind, concentration), Incomplete.of(np.zeros((n, d)))
    density, points, data = density_under(prior, alias, rows, k), [], []
    u = sweep(density_under(prior, alias, np.empty((0, d)), k), np.zeros(density.size), KEY, 0, 1).points[0]
    for i in range(5000):
        theta = density.variables(u)
        labels = (rng.random((n, 1)) > theta["weights"].cumsum()[:-1]).sum(axis=1)
        noise = np.linalg.cholesky(theta["covariances"])[labels] @ rng.normal(size=(n, d, 1))
        rows.cells[:] = (theta["means"][labels] + noise[:, :, 0]).ravel()
        u = sweep(density, u, KEY, i + 1, 1, moves=i % 2 == 1).points[0]
        points.append(u)
        data.append(rows.to_array())
    checks = moments_of(uniform_under(prior, alias, density.variables(np.array(points))), chains=1)
    signs = np.sign(np.array(data) - prior.mean).mean(axis=1)
    assert_zero_on_average(checks | {f"rows {j}": signs[None, :, j] for j in range(d)})


# ---- agreement with NUTS


def cases():
    simulated = np.random.default_rng(7)
    centres = np.array([[0, 0, 0, 0, 0], [4, 0, -3, 1, 0], [-2, 4, 1, 0, 3.0]])
    x = centres[simulated.choice(3, size=300, p=[0.5, 0.3, 0.2])] + simulated.normal(size=(300, 5)) * [1, 2, 1, 1, 1.5]
    banknote = np.genfromtxt(Path(__file__).parents[1] / "reference" / "banknote.csv", delimiter=",", skip_header=1)
    return {"faithful": (bg.load_dataset("faithful"), 2), "banknote": (banknote[:, 1:], 2), "simulated": (x, 3)}


# Each family under each prior, those that are quickest to go wrong (full) or on which others rest (conjugate) twice.
AGREEMENTS = [
    *(("faithful", alias, kind) for alias in FAMILIES[1:] for kind in KINDS[1:]),
    *(("banknote", alias, kind) for alias, kind in (("tied", "conjugate"), *(("full", kind) for kind in KINDS))),
    *(("simulated", alias, "conjugate") for alias in FAMILIES),
    *(("simulated", "full", kind) for kind in KINDS[1:]),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "alias", "kind"), AGREEMENTS)
def test_gibbs_and_nuts_have_one_posterior(name, alias, kind):
    x, k = cases()[name]
    model = finite_mixture(x, k, covariance_type=alias, prior=kind)
    reference = bg.fit_mle(x, k, covariance_type=alias, prior="conjugate", seed=0).mixture
    found = [
        bg.relabel(bg.sample(model, engine="nuts", draws=1500, seed=1, progress=False), reference=reference),
        bg.relabel(bg.sample(model, engine="gibbs", draws=6000, seed=2, progress=False), reference=reference),
    ]
    watched = [quantities(draws, read(draws)) for draws in found]
    for draws, values in zip(found, watched):
        means = draws["posterior"]["means"].values
        values |= {f"means {place}": means[(..., *place)] for place in np.ndindex(*means.shape[2:])}
        for above in ("rate", "concentration"):
            if above in draws["posterior"]:
                rate = draws["posterior"][above].values
                values |= {f"{above} {place}": rate[(..., *place)] for place in np.ndindex(*rate.shape[2:])}
    assert watched[0].keys() == watched[1].keys()
    z = stats.norm.isf(UNLIKELY / (2 * len(watched[0])))
    for name in watched[0]:
        one, other = (v[name].reshape(4, -1) for v in watched)
        assert min(float(az.ess(v)) for v in (one, other)) > 400, name
        error = np.hypot(float(az.mcse(one)), float(az.mcse(other)))
        assert abs(one.mean() - other.mean()) < z * error, name


# ---- laws


@pytest.mark.parametrize("alias", FAMILIES)
@pytest.mark.parametrize("moves", [False, True])
def test_n_sweeps_and_then_m_are_n_and_m_sweeps(alias, moves):
    model = finite_mixture(bg.load_dataset("faithful"), 3, covariance_type=alias)
    density = density_of(model)
    start = way_of(model).start(0)
    whole = sweep(density, start, KEY, 0, 60, moves=moves)
    first = sweep(density, start, KEY, 0, 25, moves=moves)
    then = sweep(density, first.points[-1], KEY, 25, 35, moves=moves)
    np.testing.assert_array_equal(np.concatenate([first.points, then.points]), whole.points)
    np.testing.assert_array_equal(np.concatenate([first.heights, then.heights]), whole.heights)
    other = sweep(density, start, KEY + np.uint64(1), 0, 60, moves=moves)
    assert (other.points != whole.points).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("alias", FAMILIES)
def test_heights_are_log_densities_as_nuts_sees_them(alias, kind):
    prior = replace(bg.prior(kind), concentration=bg.priors.Gamma(2.0, 2.0))
    model = finite_mixture(bg.load_dataset("faithful"), 2, covariance_type=alias, prior=prior)
    density = density_of(model)
    points, heights = sweep(density, way_of(model).start(0), KEY, 0, 20)
    np.testing.assert_allclose(heights, [density(u)[0] for u in points], rtol=1e-12)


@pytest.mark.parametrize("chains", [1, 3])
def test_the_same_seed_gives_the_same_draws_for_any_number_of_threads(faithful, chains):
    options = {"draws": 300, "tune": 50, "chains": chains, "seed": 5, "progress": False}
    many = gibbs(faithful, **options)["posterior"]["means"].values
    before = set_threads(1)
    try:
        one = gibbs(faithful, **options)["posterior"]["means"].values
    finally:
        set_threads(before)
    np.testing.assert_array_equal(one, many)
    assert not np.isin(many, gibbs(faithful, **options | {"seed": 6})["posterior"]["means"].values).any()
    if chains > 1:
        assert not np.isin(many[0], many[1]).any()


def test_case_weights_count_rows():
    x = bg.load_dataset("faithful").to_numpy(float)[:80]
    counts = np.random.default_rng(0).integers(0, 4, size=80)
    options = {"draws": 50, "tune": 50, "chains": 2, "seed": 1, "progress": False}
    weighted = finite_mixture(x, 2, case_weights=counts.astype(float))
    density = density_of(weighted)
    tree = gibbs(weighted, **options)
    posterior = tree["posterior"]
    mixture = bg.Mixture(*(posterior[name].values[1, 7] for name in ("weights", "means", "covariances")))
    assert density(density.place(mixture))[0] == pytest.approx(float(tree["sample_stats"]["lp"][1, 7]), rel=1e-10)
    np.testing.assert_array_equal(tree["constant_data"]["case_weights"], counts)
    with pytest.raises(ValueError, match="case weights must be whole numbers.*engine='nuts' takes any"):
        bg.sample(finite_mixture(x, 2, case_weights=counts + 0.5), engine="gibbs")


def test_random_orders_of_labels_visit_all_labellings_alike(faithful):
    options = {"draws": 4000, "tune": 200, "seed": 3, "progress": False}
    moved = bg.sample(faithful, engine="gibbs", permute_labels=True, **options)
    order = moved["sample_stats"]["permutation"].values.reshape(-1, 2)
    # Components stand far apart, so that the order in which they were drawn is known: a coin, thrown anew each sweep.
    assert stats.binomtest(int(order[:, 0].sum()), len(order)).pvalue > UNLIKELY
    still = bg.sample(faithful, engine="gibbs", **options)
    assert (still["sample_stats"]["permutation"].values == still["sample_stats"]["permutation"].values[0, 0]).all()
    a, b = (quantities(d, read(d)) for d in (moved, still))
    z = stats.norm.isf(UNLIKELY / (2 * len(a)))
    for name in a:
        chains = [v[name].reshape(4, -1) for v in (a, b)]
        assert abs(chains[0].mean() - chains[1].mean()) < z * np.hypot(*(float(az.mcse(c)) for c in chains)), name


# ---- what comes back


def test_the_tree_is_as_nuts_gives_it(faithful, tmp_path):
    options = {"draws": 30, "tune": 50, "chains": 2, "seed": 1, "progress": False}
    ours, theirs = (bg.sample(faithful, engine=engine, **options) for engine in ("gibbs", "nuts"))
    assert set(ours.children) == set(theirs.children)
    for group in ("posterior", "observed_data", "constant_data", "log_likelihood"):
        assert ours[group].to_dataset().sizes == theirs[group].to_dataset().sizes
        assert list(ours[group].data_vars) == list(theirs[group].data_vars)
        for name in ours[group].data_vars:
            assert ours[group][name].dims == theirs[group][name].dims
        assert ours[group].to_dataset().coords.equals(theirs[group].to_dataset().coords)
    assert set(ours["sample_stats"].data_vars) == {"lp", "permutation", "label_confidence"}
    made = {"engine": "gibbs", "density": "native", "inference_library": "bayesgmm", "permute_labels": 0}
    assert ours.attrs.items() >= (made | {"engine_reason": "gibbs: asked for"}).items()
    assert set(theirs.attrs) <= set(ours.attrs)
    ours.to_netcdf(tmp_path / "gibbs.nc")
    assert az.from_netcdf(tmp_path / "gibbs.nc")["posterior"].to_dataset().equals(ours["posterior"].to_dataset())


def test_auto_says_what_it_took_and_why(faithful):
    draws = bg.sample(faithful, draws=20, tune=50, chains=1, seed=1, progress=False)
    assert draws.attrs["engine"] == "nuts" and draws.attrs["engine_reason"].startswith("nuts: ")


def test_what_it_cannot_take_is_refused_with_a_sentence(faithful):
    import pymc as pm

    edited = finite_mixture(bg.load_dataset("faithful"), 2)
    with edited:
        pm.Potential("more", -(edited["means"][0, 0] ** 2))
    with pytest.raises(ValueError, match="a story that declares its prior and was not edited since; engine='nuts'"):
        bg.sample(edited, engine="gibbs")
    x = bg.load_dataset("faithful").to_numpy(float)
    with pytest.raises(ValueError, match="no closed forms under the prior LKJ; use engine='nuts'"):
        bg.sample(finite_mixture(x, 2, prior="lkj"), engine="gibbs")
    x[3, 1] = np.nan
    with pytest.raises(ValueError, match="needs complete rows; engine='nuts' sums missing cells out"):
        bg.sample(finite_mixture(x, 2, missing="marginalise"), engine="gibbs")
    with pytest.raises(ValueError, match="engine 'hmc' is not known; use 'auto', 'nuts', 'gibbs' or 'laplace'"):
        bg.sample(faithful, engine="hmc")
    with pytest.raises(ValueError, match="permute_labels is a move of engine='gibbs'"):
        bg.sample(faithful, permute_labels=True)


def test_a_prior_beyond_double_precision_is_named():
    density = density_under(replace(prior_of(2), dof=1.0 + 1e-3), "full", np.empty((0, 2)), 2)
    with pytest.raises(ValueError, match="left double precision.*dof"):
        sweep(density, np.zeros(density.size), KEY, 0, 1000)
