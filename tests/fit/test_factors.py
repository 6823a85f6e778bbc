"""Mixtures of factors: against closed forms, scikit-learn, the full mixture, and what was planted."""

import warnings

import numpy as np
import pytest
from scipy.linalg import subspace_angles
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.decomposition import PCA, FactorAnalysis

import bayesgmm as bg
from bayesgmm.families import FACTOR_CODES, FactorModel, principal_loadings
from bayesgmm.fit import DegenerateFit
from bayesgmm.fit.em import climb, em
from bayesgmm.fit.factor_starts import principal_start
from bayesgmm.fit.factor_target import FactorLikelihood
from bayesgmm.kernel import LowRank, e_step


def asked(code):
    """The arguments of `fit_factors` for a code."""
    model = FactorModel.of(code)
    shared = [name for name, yes in (("loadings", model.shared_loadings), ("noise", model.shared_noise)) if yes]
    return {"noise": "isotropic" if model.isotropic else "diagonal", "shared": shared, "progress": False}


def planted(k=2, d=12, q=2, n=1200, seed=0, noise=0.3):
    """Rows of subspaces, their labels, and bases (K, D, q)."""
    rng = np.random.default_rng(seed)
    loadings, means = rng.normal(size=(k, d, q)), 4 * rng.normal(size=(k, d)) / np.sqrt(d) * 2
    z = rng.integers(k, size=n)
    x = means[z] + np.einsum("ndq,nq->nd", loadings[z], rng.normal(size=(n, q))) + noise * rng.normal(size=(n, d))
    return x, z, loadings


def began(x, code, k, q, seed=0):
    rng, model = np.random.default_rng(seed), FactorModel.of(code)
    r = rng.dirichlet(np.ones(k), len(x))
    target = FactorLikelihood(model, tuple(f"x{j}" for j in range(x.shape[1])), 1e-6 * x.var(axis=0))
    return principal_start(x, r, q, model, x.std(axis=0), 0), target


@pytest.mark.parametrize("code", FACTOR_CODES)
def test_log_likelihood_never_falls_and_what_is_shared_stays_so(code):
    x = load_iris().data
    start, target = began(x, code, 3, 2)
    steps = [s for s, _ in zip(em(x, start, target, accelerate=False), range(60))]
    heights = np.array([s.objective for s in steps])
    assert np.diff(heights).min() > -1e-10 * np.abs(heights).max()
    assert heights[-1] > heights[0] + 1
    low_rank, model = steps[-1].mixture.whitening, target.family
    assert (low_rank.loadings == low_rank.loadings[0]).all() == model.shared_loadings
    assert (low_rank.noise == low_rank.noise[0]).all() == model.shared_noise
    assert (low_rank.noise == low_rank.noise[:, :1]).all() == model.isotropic


@pytest.mark.parametrize("code", FACTOR_CODES)
def test_the_gradient_is_zero_at_the_top(code):
    """By finite differences of SciPy-free dense log densities, in loadings, noise and means."""
    x = load_iris().data
    start, target = began(x, code, 2, 1)
    step, _, converged = climb(x, start, target)
    assert converged
    top, model, h = step.mixture, target.family, 1e-5
    rng = np.random.default_rng(1)

    def height(t, loadings, noise, means):
        low_rank = LowRank(top.whitening.loadings + t * loadings, top.whitening.noise * np.exp(t * noise))
        dense = bg.Mixture(top.weights, top.means + t * means, low_rank.covariances)
        return dense.log_prob(x).sum()

    for _ in range(4):
        loadings, noise, means = rng.normal(size=(2, 4, 1)), rng.normal(size=(2, 4)), rng.normal(size=(2, 4))
        loadings = np.broadcast_to(loadings[0], loadings.shape) if model.shared_loadings else loadings
        noise = np.broadcast_to(noise[0], noise.shape) if model.shared_noise else noise
        noise = np.broadcast_to(noise[:, :1], noise.shape) if model.isotropic else noise
        way = loadings, noise, means
        slope = (height(h, *way) - height(-h, *way)) / (2 * h)
        bend = (height(h, *way) - 2 * height(0.0, *way) + height(-h, *way)) / h**2
        # What is left to gain along this way, slope² / 2 bend, is nothing beside one unit of log-likelihood.
        assert slope**2 / (2 * abs(bend)) < 1e-5


@pytest.mark.parametrize("q", [1, 2, 3])
def test_one_component_is_factor_analysis(q):
    x = load_wine().data[:, :8]
    ours = bg.fit_factors(x, 1, q, seed=0, progress=False)
    # In units of the features, where scikit-learn's own start is good; the likelihood moves with the units.
    sds = x.std(axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its EM is not over after a thousand steps
        theirs = FactorAnalysis(q, tol=1e-6, max_iter=1000, svd_method="lapack").fit(x / sds)
    height = theirs.score(x / sds) * len(x) - len(x) * np.log(sds).sum()
    assert ours.log_likelihood > height - 1e-3
    np.testing.assert_allclose(ours.log_likelihood, ours.mixture.log_prob(x).sum(), rtol=1e-12)


@pytest.mark.parametrize("q", [1, 3, 6])
def test_one_component_of_isotropic_noise_is_tipping_and_bishops_closed_form(q):
    x = load_wine().data[:, :7] if q < 6 else load_wine().data[:, :8]
    ours = bg.fit_factors(x, 1, q, noise="isotropic", seed=0, progress=False)
    values, vectors = np.linalg.eigh(np.cov(x.T, bias=True))
    values, vectors, d = values[::-1], vectors[:, ::-1], x.shape[1]
    noise = values[q:].mean()
    np.testing.assert_allclose(ours.noise[0], noise, rtol=1e-5)
    closed = -0.5 * len(x) * (d * np.log(2 * np.pi) + np.log(values[:q]).sum() + (d - q) * np.log(noise) + d)
    np.testing.assert_allclose(ours.log_likelihood, closed, rtol=1e-9)
    assert np.degrees(subspace_angles(ours.loadings[0], vectors[:, :q])).max() < 0.2
    np.testing.assert_allclose((ours.loadings[0] ** 2).sum(axis=0), values[:q] - noise, rtol=1e-4)


@pytest.mark.parametrize("code", ["UUU", "UUC"])
def test_with_all_factors_the_likelihood_is_the_full_mixtures(code):
    """Σ = ΛΛᵀ + Ψ with q = D − 1 is any Σ: its smallest eigenvalue may be the noise."""
    x = load_iris().data
    full = bg.fit_mle(x, 3, seed=0, progress=False)
    ours = bg.fit_factors(x, 3, 3, starts=full, **asked(code))
    assert ours.log_likelihood > full.log_likelihood - 1e-5
    assert bg.adjusted_rand_index(ours.mixture.predict(x), full.mixture.predict(x)) > 0.95
    np.testing.assert_allclose(ours.log_likelihood, full.log_likelihood, rtol=1e-7)


def test_shared_all_with_all_factors_is_the_tied_mixture():
    x = load_iris().data
    tied = bg.fit_mle(x, 3, covariance_type="tied", seed=0, progress=False)
    ours = bg.fit_factors(x, 3, 3, starts=[8, tied], seed=0, **asked("CCC"))
    np.testing.assert_allclose(ours.log_likelihood, tied.log_likelihood, rtol=1e-7)


def test_planted_subspaces_are_found():
    x, z, loadings = planted()
    fit = bg.fit_factors(x, 2, 2, seed=0, starts=4, progress=False)
    assert bg.adjusted_rand_index(fit.mixture.predict(x), z) > 0.99
    own = [int(np.bincount(z[fit.mixture.predict(x) == k]).argmax()) for k in range(2)]
    for k in range(2):
        # N_k = 600 rows, noise 0.3 against loadings of one: a direction is off by about 0.3 √(D / N_k) / 4 ≈ 1°.
        assert np.degrees(subspace_angles(fit.loadings[k], loadings[own[k]])).max() < 3
    # The mean of 24 variances, each from 600 rows, is known to √(2 / (24 · 600)) = 1.2 %.
    np.testing.assert_allclose(fit.noise.mean(), 0.09, rtol=0.05)


def test_more_features_than_rows():
    x, z, _ = planted(d=200, n=120, seed=3)
    fit = bg.fit_factors(x, 2, 2, noise="isotropic", starts=2, seed=0, progress=False)
    assert fit.converged and bg.adjusted_rand_index(fit.mixture.predict(x), z) == 1


def test_parameters_are_counted_as_mcnicholas_and_murphy_do():
    p, q, g = 27, 4, 3
    loadings = p * q - q * (q - 1) // 2
    counts = {"CCC": loadings + 1, "CCU": loadings + p, "CUC": loadings + g, "CUU": loadings + g * p,
              "UCC": g * loadings + 1, "UCU": g * loadings + p, "UUC": g * (loadings + 1),
              "UUU": g * (loadings + p)}  # fmt: skip
    assert {code: FactorModel.of(code).n_parameters(g, p, q) for code in FACTOR_CODES} == counts


@pytest.mark.parametrize("code", ["UUU", "UCU", "CUU"])
def test_units_of_features_do_not_matter_where_noise_is_not_isotropic(code):
    x, units = load_iris().data, np.array([0.01, 1.0, 50.0, 3.0])
    one = bg.fit_factors(x, 3, 1, starts=3, seed=0, **asked(code))
    two = bg.fit_factors(x * units, 3, 1, starts=3, seed=0, **asked(code))
    np.testing.assert_allclose(two.log_likelihood + len(x) * np.log(units).sum(), one.log_likelihood, atol=1e-4)
    np.testing.assert_allclose(two.uniquenesses, one.uniquenesses, atol=1e-2)
    assert two.model.code == code


def test_case_weights_are_frequencies():
    x = load_iris().data[::2]
    weights = np.arange(len(x)) % 3
    target = began(x, "UUU", 2, 1)[1]
    rows = np.repeat(x, weights, axis=0)
    start = began(rows, "UUU", 2, 1)[0]
    one = climb(x, start, target, weights.astype(float))[0]
    two = climb(rows, start, target)[0]
    np.testing.assert_allclose(one.objective, two.objective, rtol=1e-10)
    fit = bg.fit_factors(x, 2, 1, case_weights=weights, seed=0, starts=2, progress=False)
    assert fit.n_obs == weights.sum()


def test_a_seed_fixes_the_fit_and_starts_are_ones_own():
    x = load_iris().data
    one, two = (bg.fit_factors(x, 3, 1, seed=5, starts=4, progress=False) for _ in range(2))
    np.testing.assert_array_equal(one.loadings, two.loadings)
    again = bg.fit_factors(x, 3, 1, starts=one, progress=False)
    np.testing.assert_allclose(again.log_likelihood, one.log_likelihood, rtol=1e-10)
    labels = bg.fit_factors(x, 3, 1, starts=load_iris().target, progress=False)
    assert len(labels.starts) == 1 and labels.converged


def test_a_component_without_spread_is_told_of():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 4))
    x[:100, 0], x[:100, 1] = 5.0, x[:100, 1] + 20  # the first feature does not vary in the first half
    own = {"starts": np.repeat([0, 1], 100), "progress": False}
    with pytest.raises(DegenerateFit, match="hardly differ in 'x0'; share the noise"):
        bg.fit_factors(x, 2, 1, **own)
    # Shared noise does not help where the factor of the other component explains the feature: it has a say in that.
    with pytest.raises(DegenerateFit, match="hardly differ in 'x0'; make it isotropic"):
        bg.fit_factors(x, 2, 1, shared="noise", **own)
    fit = bg.fit_factors(x, 2, 1, noise="isotropic", **own)
    assert fit.degeneracy is None and fit.converged


def test_heywood_cases_are_named():
    rng = np.random.default_rng(1)
    f = rng.normal(size=400)
    x = np.column_stack([f, f + 1e-2 * rng.normal(size=400), f + rng.normal(size=400), rng.normal(size=400)])
    fit = bg.fit_factors(x, 1, 1, seed=0, progress=False)
    assert {feature for _, feature in fit.heywood} == {"x0", "x1"}
    assert "Heywood cases" in str(fit)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"n_factors": 4}, "n_factors must be below the number of features, 4"),
        ({"n_factors": 0}, "n_factors must be an integer of at least 1"),
        ({"noise": "round"}, "noise='round' is not known"),
        ({"shared": "means"}, "shared names 'means'"),
        ({"n_components": 400}, "400"),
    ],
)
def test_mistakes_get_a_sentence(change, sentence):
    arguments = {"n_components": 2, "n_factors": 1, "progress": False} | change
    with pytest.raises(ValueError, match=sentence):
        bg.fit_factors(load_iris().data, **arguments)
    with pytest.raises(ValueError, match="UXU"):
        FactorModel.of("UXU")


def test_turning_factors_changes_no_covariance():
    rng = np.random.default_rng(2)
    low_rank = LowRank(rng.normal(size=(3, 6, 2)), rng.uniform(0.5, 2, (3, 6)))
    turned = principal_loadings(FactorModel(), low_rank)
    np.testing.assert_allclose(turned.covariances, low_rank.covariances, atol=1e-12)
    inner = np.einsum("kdi,kd,kdj->kij", turned.loadings, 1 / turned.noise, turned.loadings)
    np.testing.assert_allclose(inner[:, 0, 1], 0.0, atol=1e-12)
    assert (inner[:, 0, 0] >= inner[:, 1, 1]).all()


def test_isotropic_noise_reconstructs_better_than_principal_components():
    """Rows of two planes: one plane of principal components has to compromise."""
    x, _, _ = planted(n=600)
    fit = bg.fit_factors(x, 2, 2, noise="isotropic", starts=4, seed=0, progress=False)
    pca = PCA(2).fit(x)
    ours = ((bg.reconstruct(fit, x)["mean"].values - x) ** 2).mean()
    assert ours < 0.5 * ((pca.inverse_transform(pca.transform(x)) - x) ** 2).mean()


def test_statistics_of_a_fit_are_consistent():
    x = load_iris().data
    fit = bg.fit_factors(x, 3, 1, seed=0, starts=3, progress=False)
    stats = e_step(x, fit.mixture)[1]
    # At the top EM stands still.
    np.testing.assert_allclose(stats.counts / len(x), fit.mixture.weights, atol=1e-4)
    np.testing.assert_allclose(stats.means, fit.mixture.means, atol=1e-3)
    assert np.diff(fit.history).min() > -1e-9 * abs(fit.history[-1])


@pytest.mark.parametrize("q, height", [(1, -2894.270284), (2, -2747.191052), (3, -2684.284457)])
def test_one_component_is_factor_analysis_as_r_has_it(q, height):
    """R 4.2.2: f <- factanal(wine, q, control = list(lower = 1e-4)), its log-likelihood with the rows standardised."""
    x = load_wine().data
    fit = bg.fit_factors((x - x.mean(axis=0)) / x.std(axis=0), 1, q, progress=False)
    assert fit.log_likelihood == pytest.approx(height, abs=1e-4)


def test_features_that_nearly_repeat_each_other():
    """Of radius, perimeter and area, scikit-learn's climb, like one from principal axes, ends far below at q = 3."""
    x = load_breast_cancer().data
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    theirs = FactorAnalysis(3, tol=1e-5, random_state=0).fit(x).score(x) * len(x)
    assert bg.fit_factors(x, 1, 3, progress=False).log_likelihood > theirs + 500


def test_wine_beside_the_full_mixture_and_published_figures():
    """McNicholas & Murphy (2008) report 0.79 for the best BIC of their models on 27 variables of these wines.

    Here are the thirteen that scikit-learn ships, standardised, and one model of theirs.
    """
    data = load_wine()
    x = (data.data - data.data.mean(axis=0)) / data.data.std(axis=0)
    full = bg.fit_mle(x, 3, seed=0, starts=3, progress=False)
    ours = bg.fit_factors(x, 3, 3, shared="loadings", starts=5, seed=0, progress=False)
    assert ours.bic < full.bic - 400
    assert bg.adjusted_rand_index(ours.mixture.predict(x), data.target) > 0.79
