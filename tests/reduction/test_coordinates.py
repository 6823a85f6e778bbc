"""Factors of rows, and rows of factors: against conditional Gaussians, and draws against their own point estimate."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

import bayesgmm as bg
from bayesgmm.draws.mixtures import from_arrays
from bayesgmm.kernel import LowRank


def made(k=2, d=6, q=2, seed=0):
    rng = np.random.default_rng(seed)
    low_rank = LowRank(rng.normal(size=(k, d, q)), rng.uniform(0.3, 1.0, (k, d)))
    return bg.Mixture.from_whitening(rng.dirichlet(np.full(k, 5.0)), rng.normal(size=(k, d)), low_rank)


def as_draws(mixtures, x=None):
    """A posterior of these mixtures, one chain."""
    arrays = [np.array([getattr(m, name) for m in mixtures])[None] for name in ("weights", "means", "covariances")]
    draws = from_arrays(*arrays, x=x)
    posterior = draws["posterior"].to_dataset()
    loadings = np.array([m.whitening.loadings for m in mixtures])[None]
    noise = np.array([m.whitening.noise for m in mixtures])[None]
    lead = ("chain", "draw", "component", "feature")
    draws["posterior"] = posterior.assign(loadings=((*lead, "factor"), loadings), noise=(lead, noise))
    return draws


def conditional(mixture, k, x):
    """Mean and covariance of the factors given rows, from the joint Gaussian of (x, f), by a solve of D × D."""
    loadings = mixture.whitening.loadings[k]
    covariance = loadings @ loadings.T + np.diag(mixture.whitening.noise[k])
    mean = np.linalg.solve(covariance, (x - mixture.means[k]).T).T @ loadings
    return mean, np.eye(loadings.shape[1]) - loadings.T @ np.linalg.solve(covariance, loadings)


def test_factors_are_conditional_expectations():
    mixture = made()
    x = mixture.sample(50, 1)[0]
    found = bg.transform(mixture, x)
    for k in range(2):
        mean, covariance = conditional(mixture, k, x)
        np.testing.assert_allclose(found["scores"][:, k], mean, atol=1e-12)
        np.testing.assert_allclose(found["covariance"][k], covariance, atol=1e-12)
    r = mixture.responsibilities(x)
    np.testing.assert_allclose(found["probability"], r, atol=1e-12)
    np.testing.assert_allclose(found["weighted"], np.einsum("nk,nkq->nq", r, found["scores"].values), atol=1e-12)


def test_reconstruction_is_the_expectation_of_the_row_without_noise():
    """Against draws of (z, f) given each row."""
    mixture, rng = made(), np.random.default_rng(2)
    x = mixture.sample(4, 1)[0]
    found, r = bg.reconstruct(mixture, x), mixture.responsibilities(x)
    for n in range(len(x)):
        z = rng.choice(2, size=40_000, p=r[n])
        told = np.empty((len(z), 6))
        for k in range(2):
            mean, covariance = conditional(mixture, k, x[n : n + 1])
            f = rng.multivariate_normal(mean[0], covariance, size=(z == k).sum())
            told[z == k] = mixture.means[k] + f @ mixture.whitening.loadings[k].T
        sd = told.std(axis=0)
        np.testing.assert_allclose(found["mean"][n], told.mean(axis=0), atol=5 * sd.max() / 200)
        np.testing.assert_allclose(found["sd"][n], sd, rtol=0.05)


def test_least_squares_is_a_projection():
    """Rows of the subspace stay where they are; done twice it is done once."""
    mixture = made(k=1)
    low_rank = mixture.whitening
    inside = mixture.means[0] + np.random.default_rng(3).normal(size=(10, 2)) @ low_rank.loadings[0].T
    np.testing.assert_allclose(bg.reconstruct(mixture, inside, shrink=False)["mean"], inside, atol=1e-10)
    x = mixture.sample(20, 1)[0]
    once = bg.reconstruct(mixture, x, shrink=False)["mean"].values
    np.testing.assert_allclose(bg.reconstruct(mixture, once, shrink=False)["mean"], once, atol=1e-10)
    # What is left is orthogonal to the loadings, in units of the noise.
    left = (x - once) / low_rank.noise[0]
    np.testing.assert_allclose(left @ low_rank.loadings[0], 0.0, atol=1e-9)


def test_draws_that_are_all_one_mixture_say_what_it_says():
    mixture = made()
    x = mixture.sample(30, 1)[0]
    draws = as_draws([mixture] * 5, x)
    one, many = bg.transform(mixture, x), bg.transform(draws)
    for name in ("scores", "probability", "weighted"):
        np.testing.assert_allclose(many[name], one[name], atol=1e-10)
    np.testing.assert_allclose(many["covariance"], np.broadcast_to(one["covariance"], many["covariance"].shape),
                               atol=1e-10)  # fmt: skip
    for name in ("mean", "sd"):
        np.testing.assert_allclose(bg.reconstruct(draws)[name], bg.reconstruct(mixture, x)[name], atol=1e-7)


def test_draws_that_differ_add_their_differences_to_the_uncertainty():
    one = made(k=1)
    low_rank, shift = one.whitening, 0.5
    moved = [bg.Mixture.from_whitening(one.weights, one.means + sign * shift, low_rank) for sign in (-1, 1)]
    x = one.sample(20, 1)[0]
    draws = as_draws(moved, x)
    scores = np.array([conditional(m, 0, x)[0] for m in moved])
    expected = (
        bg.transform(one, x)["covariance"].values[0] + np.einsum("mni,mnj->nij", *(2 * [scores - scores.mean(0)])) / 2
    )
    np.testing.assert_allclose(bg.transform(draws)["covariance"][:, 0], expected, atol=1e-10)
    told = [bg.reconstruct(m, x)["mean"].values for m in moved]
    variance = bg.reconstruct(one, x)["sd"].values ** 2 + np.var(told, axis=0)
    np.testing.assert_allclose(bg.reconstruct(draws)["sd"], np.sqrt(variance), rtol=1e-6)


@pytest.mark.parametrize("q", [1, 2, 5])
def test_digits_held_out_are_reconstructed_better_than_by_principal_components(q):
    """Against PCA of q dimensions, and of three more: a generous price for saying which of ten components it is."""
    x = load_digits().data[np.random.default_rng(0).permutation(1797)]
    x = x[:, x[:1000].std(axis=0) > 0]
    learn, held_out = x[:1000], x[1000:]
    fit = bg.fit_factors(learn, 10, q, noise="isotropic", starts=1, seed=0, progress=False)
    ours = ((bg.reconstruct(fit, held_out)["mean"].values - held_out) ** 2).mean()

    def theirs(kept):
        pca = PCA(kept).fit(learn)
        return ((pca.inverse_transform(pca.transform(held_out)) - held_out) ** 2).mean()

    assert ours < theirs(q + 3) < theirs(q)


def test_mistakes_get_a_sentence():
    mixture = made()
    with pytest.raises(ValueError, match="no factors to speak of"):
        bg.transform(bg.Mixture([1.0], [[0.0]], [[[1.0]]]), [[0.0]])
    with pytest.raises(ValueError, match="give the rows as x"):
        bg.reconstruct(mixture)
    dense = from_arrays(
        np.ones((1, 2, 1)), np.zeros((1, 2, 1, 2)), np.tile(np.eye(2), (1, 2, 1, 1, 1)), x=np.zeros((3, 2))
    )
    with pytest.raises(ValueError, match="no variable 'loadings'"):
        bg.transform(dense)
