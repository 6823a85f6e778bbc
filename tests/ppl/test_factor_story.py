"""The story of factors: its log density by SciPy, its prior, and rows that it finds again."""

import numpy as np
import pytest
from pytensor.compile.mode import Mode
from scipy import stats
from scipy.linalg import subspace_angles

import bayesgmm as bg
from bayesgmm.models import factor_mixture

PYTHON = Mode(linker="py", optimizer="fast_compile")


def rows(n=250, seed=0):
    rng = np.random.default_rng(seed)
    z, loadings = rng.integers(2, size=n), rng.normal(size=(2, 5, 1)) * 1.5
    means = np.array([np.zeros(5), np.full(5, 3.0)])
    x = means[z] + np.einsum("ndq,nq->nd", loadings[z], rng.normal(size=(n, 1))) + 0.5 * rng.normal(size=(n, 5))
    return x, z, loadings


@pytest.mark.slow
@pytest.mark.parametrize("noise", ["diagonal", "isotropic"])
def test_log_density_is_the_formulas(noise):
    """Point by point, against SciPy; on the variables themselves, without Jacobians."""
    x, _, _ = rows(30)
    model = factor_mixture(x, 2, 2, noise=noise)
    rng, sds = np.random.default_rng(1), x.std(axis=0)
    evaluate = model.compile_logp(jacobian=False, mode=PYTHON)
    for _ in range(3):
        weights, means = rng.dirichlet([3, 3]), rng.normal(size=(2, 5)) + 1
        loadings = rng.normal(size=(2, 5, 2))
        own = rng.uniform(0.3, 2, (2, 5)) if noise == "diagonal" else rng.uniform(0.3, 2, 2)
        variances = own if noise == "diagonal" else np.repeat(own[:, None], 5, axis=1)
        rates = 0.25 * sds**2 if noise == "diagonal" else 0.25 * (sds**2).mean()
        prior = stats.dirichlet([1, 1]).logpdf(weights) + stats.norm(x.mean(axis=0), sds).logpdf(means).sum()
        prior += stats.norm(0, sds[:, None] / np.sqrt(2)).logpdf(loadings).sum()
        prior += stats.invgamma(2, scale=rates).logpdf(own).sum()
        parts = [np.log(w) + stats.multivariate_normal(m, s @ s.T + np.diag(v)).logpdf(x)
                 for w, m, s, v in zip(weights, means, loadings, variances)]  # fmt: skip
        point = {"weights": weights, "means": means, "loadings": loadings,
                 "noise" if noise == "diagonal" else "noise_level": own}  # fmt: skip
        values = {}
        for rv in model.free_RVs:
            value, transform = model.rvs_to_values[rv], model.rvs_to_transforms[rv]
            given = point[rv.name]
            values[value.name] = given if transform is None else np.asarray(
                transform.forward(given, *rv.owner.inputs).eval(mode=PYTHON))  # fmt: skip
        np.testing.assert_allclose(evaluate(values), prior + np.logaddexp.reduce(parts).sum(), rtol=1e-10)


@pytest.mark.slow
def test_rows_it_could_have_made_are_found_again():
    x, z, loadings = rows()
    draws = bg.sample(factor_mixture(x, 2, 1), draws=200, tune=300, chains=2, seed=1, progress=False)
    assert bg.adjusted_rand_index(bg.membership(draws)["probability"].values.argmax(axis=1), z) > 0.95
    found = bg.align_factors(draws)
    mean = found["posterior"]["loadings"].mean(("chain", "draw")).values
    own = [int(np.bincount(z[bg.membership(draws)["probability"].values.argmax(axis=1) == k]).argmax()) for k in (0, 1)]
    for k in (0, 1):
        assert np.degrees(subspace_angles(mean[k], loadings[own[k]])).max() < 8
    # The MLE lies where the posterior is.
    told, mle = bg.reconstruct(found), bg.fit_factors(x, 2, 1, starts=3, seed=0, progress=False)
    np.testing.assert_allclose(told["mean"], bg.reconstruct(mle, x)["mean"], atol=0.5)
    assert (told["sd"] > 0).all() and (bg.transform(found)["covariance"] > 0).all()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"n_factors": 5}, "from 1 to 4"),
        ({"noise": "round"}, "noise='round'"),
        ({"noise_rate": 0}, "noise_rate must be"),
    ],
)
def test_mistakes_get_a_sentence(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        factor_mixture(rows(20)[0], **({"n_components": 2, "n_factors": 1} | change))
