"""InverseWishart and MarginalGaussianMixture against SciPy, their draws against their densities."""

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode
from scipy.stats import beta, gamma, invgamma, invwishart, ks_2samp, kstest, wishart

import bayesgmm as bg
from bayesgmm.ppl.inverse_wishart import WhitenedLogCholesky
from bayesgmm.ppl.lkj import CorrelationRows
from bayesgmm.ppl.wishart import BartlettLogCholesky

PYTHON = Mode(linker="py", optimizer="fast_compile")


def scale_of(d, seed=0):
    a = np.random.default_rng(seed).normal(size=(d, d))
    return a @ a.T + np.eye(d)


@pytest.mark.parametrize("d", [1, 2, 4])
def test_inverse_wishart_density_equals_scipys(d):
    scale, dof = scale_of(d), d + 2.5
    values = np.reshape(invwishart(dof, scale).rvs(6, random_state=1), (6, d, d))
    ours = pm.logp(bg.InverseWishart.dist(dof, scale, shape=(6, d, d)), values).eval(mode=PYTHON)
    np.testing.assert_allclose(ours, [invwishart(dof, scale).logpdf(v) for v in values], rtol=1e-10)


def test_draws_of_inverse_wishart_have_its_moments():
    scale, dof, n = scale_of(2), 9.0, 20_000
    draws = pm.draw(bg.InverseWishart.dist(dof, scale, shape=(n, 2, 2)), random_seed=1)
    precision = np.linalg.inv(draws)
    for sample, expected in ((draws, scale / (dof - 3)), (precision, dof * np.linalg.inv(scale))):
        error = sample.std(axis=0) / np.sqrt(n)
        assert (np.abs(sample.mean(axis=0) - expected) < 5 * error).all()


def transformed(transform, rv, point):
    """The value at a point, the point again, the log Jacobian, and a function of the value at other points."""
    u, inputs = pt.dvector(), rv.owner.inputs
    back = transform.backward(u, *inputs)
    function = pytensor.function([u], [back, transform.forward(back, *inputs), transform.log_jac_det(u, *inputs)],
                                 mode=PYTHON)  # fmt: skip
    return *function(point), lambda u: function(u)[0]


def assert_is_jacobian(log_jacobian, value, point, below):
    """By central differences of the entries of a matrix on and below its diagonal, or below it alone."""
    places = np.tril_indices(len(value(point)), below)
    steps = [(value(point + h)[places] - value(point - h)[places]) / 2e-6 for h in 1e-6 * np.eye(len(point))]
    assert np.linalg.slogdet(np.array(steps))[1] == pytest.approx(float(log_jacobian), abs=1e-6)


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("reference", [False, True])
def test_transform_inverts_and_its_jacobian_is_the_determinant(d, reference):
    rv = bg.InverseWishart.dist(d + 2.0, scale_of(d, 1))
    transform = WhitenedLogCholesky(scale_of(d, 2) if reference else None)
    point = np.random.default_rng(d).normal(size=d * (d + 1) // 2)
    found, again, log_jacobian, value = transformed(transform, rv, point)
    np.testing.assert_allclose(again, point, atol=1e-10)
    assert_is_jacobian(log_jacobian, value, point, below=0)
    assert np.linalg.eigvalsh(found)[0] > 0


@pytest.mark.parametrize("d", [1, 2, 3])
def test_the_wisharts_transform_inverts_and_its_jacobian_is_the_determinant(d):
    point = np.random.default_rng(d).normal(size=d * (d + 1) // 2)
    rv = bg.Wishart.dist(d + 2.0, scale_of(d, 1))
    _, again, log_jacobian, value = transformed(BartlettLogCholesky(), rv, point)
    np.testing.assert_allclose(again, point, atol=1e-10)
    assert_is_jacobian(log_jacobian, value, point, below=0)


@pytest.mark.parametrize("d", [2, 3, 4])
def test_the_correlations_transform_inverts_and_its_jacobian_is_the_determinant(d):
    point = np.random.default_rng(d).normal(size=d * (d - 1) // 2)
    found, again, log_jacobian, value = transformed(CorrelationRows(), bg.LKJCorrelation.dist(d, 1.5), point)
    np.testing.assert_allclose(again, point, atol=1e-10)
    np.testing.assert_allclose(np.diag(found), 1.0)
    assert_is_jacobian(log_jacobian, value, point, below=-1)


@pytest.mark.parametrize("d", [1, 2, 4])
def test_wishart_density_equals_scipys(d):
    scale, dof = scale_of(d), d + 0.5
    values = np.reshape(wishart(dof, scale).rvs(6, random_state=1), (6, d, d))
    ours = pm.logp(bg.Wishart.dist(dof, scale, shape=(6, d, d)), values).eval(mode=PYTHON)
    np.testing.assert_allclose(ours, [wishart(dof, scale).logpdf(v) for v in values], rtol=1e-9)


def test_draws_of_wishart_have_its_moments():
    scale, dof, n = scale_of(2), 9.0, 20_000
    draws = pm.draw(bg.Wishart.dist(dof, scale, shape=(n, 2, 2)), random_seed=1, mode=PYTHON)
    for sample, expected in ((draws, dof * scale), (np.linalg.inv(draws), np.linalg.inv(scale) / (dof - 3))):
        error = sample.std(axis=0) / np.sqrt(n)
        assert (np.abs(sample.mean(axis=0) - expected) < 5 * error).all()


@pytest.mark.parametrize("eta", [0.7, 2.0])
def test_draws_of_correlations_have_their_marginal_beta_law(eta):
    d = 3
    draws = pm.draw(bg.LKJCorrelation.dist(d, eta, shape=(4000, d, d)), random_seed=1, mode=PYTHON)
    np.testing.assert_allclose(draws.diagonal(0, 1, 2), 1.0)
    law = beta(eta - 1 + d / 2, eta - 1 + d / 2, loc=-1, scale=2)
    values = [kstest(draws[:, i, j], law.cdf).pvalue for i in range(d) for j in range(i)]
    assert min(values) > 1e-4 / 3


def test_correlations_of_one_feature_are_one():
    one = bg.LKJCorrelation.dist(1, 2.0, shape=(3, 1, 1))
    np.testing.assert_array_equal(pm.draw(one, random_seed=1, mode=PYTHON), np.ones((3, 1, 1)))
    np.testing.assert_array_equal(pm.logp(one, np.ones((3, 1, 1))).eval(mode=PYTHON), np.zeros(3))


def test_one_dimension_of_wishart_is_a_gamma():
    ours = pm.logp(bg.Wishart.dist(5.0, [[3.0]]), np.array([[2.0]])).eval(mode=PYTHON)
    assert float(ours) == pytest.approx(gamma(2.5, scale=6.0).logpdf(2.0))


def test_one_dimension_is_an_inverse_gamma():
    ours = pm.logp(bg.InverseWishart.dist(5.0, [[3.0]]), np.array([[2.0]])).eval(mode=PYTHON)
    assert float(ours) == pytest.approx(invgamma(2.5, scale=1.5).logpdf(2.0))


def test_draws_of_the_mixture_have_its_moments():
    mixture = bg.Mixture([0.2, 0.8], [[-3.0, 0.0], [2.0, 1.0]], [np.eye(2), [[2.0, 0.5], [0.5, 1.0]]])
    n = 40_000
    parameters = mixture.weights, mixture.means, mixture.scale_trils
    draws = pm.draw(bg.MarginalGaussianMixture.dist(*parameters, shape=(n, 2)), random_seed=2)
    expected = mixture.weights @ mixture.means
    assert (np.abs(draws.mean(axis=0) - expected) < 5 * draws.std(axis=0) / np.sqrt(n)).all()
    share = (mixture.predict(draws) == 0).mean()
    own, _ = mixture.sample(n, seed=3)
    assert abs(share - (mixture.predict(own) == 0).mean()) < 5 * np.sqrt(2 * 0.16 / n)


def test_parameters_of_other_ranks_are_refused_with_a_sentence():
    with pytest.raises(ValueError, match="weights .K,., means .K, D. and scale_trils"):
        bg.MarginalGaussianMixture.dist([[0.5, 0.5]], [[0.0], [1.0]], [[[1.0]], [[1.0]]])


@pytest.mark.slow
@pytest.mark.parametrize("alias", ["full", "tied", "diag", "spherical"])
@pytest.mark.parametrize("name", ["conjugate", "independent", "hierarchical", "lkj"])
def test_pymc_draws_from_a_story_what_its_prior_draws(name, alias):
    """The random graphs of the stories against the priors' own NumPy code: two-sample Kolmogorov–Smirnov."""
    x = bg.load_dataset("faithful").to_numpy(float)[::4]
    kind = type(bg.prior(name))
    prior = bg.scale_prior(kind(concentration=bg.priors.Gamma(3.0, 2.0)), x, 2)
    model = bg.models.finite_mixture(x, 2, prior=prior, covariance_type=alias)
    drawn = pm.draw([model[n] for n in ("weights", "means", "covariances")], draws=800, random_seed=3, mode=PYTHON)
    own = prior.draw(4000, 2, bg.family(alias), seed=4)

    def numbers(weights, means, covariances):
        sds = np.sqrt(covariances.diagonal(0, -2, -1))
        r = covariances[:, 0, 0, 1] / sds[:, 0].prod(axis=-1)
        return [weights[:, 0], *means[:, 1].T, *sds[:, 1].T, *([r] if np.abs(r).max() > 0 else [])]

    pairs = list(zip(numbers(*drawn), numbers(*own), strict=True))
    assert min(ks_2samp(a, b).pvalue for a, b in pairs) > 1e-4 / len(pairs)
