"""InverseWishart and MarginalGaussianMixture against SciPy, their draws against their densities."""

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode
from scipy.stats import invgamma, invwishart

import bayesgmm as bg
from bayesgmm.ppl.inverse_wishart import WhitenedLogCholesky

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


@pytest.mark.parametrize("d", [1, 2, 3])
def test_transform_inverts_and_its_jacobian_is_the_determinant(d):
    rv = bg.InverseWishart.dist(d + 2.0, scale_of(d, 1))
    transform, inputs, p = WhitenedLogCholesky(), rv.owner.inputs, d * (d + 1) // 2
    u = pt.dvector()
    back = transform.backward(u, *inputs)
    rows, columns = np.tril_indices(d)
    point = np.random.default_rng(d).normal(size=p)
    functions = pytensor.function([u], [back, transform.forward(back, *inputs), transform.log_jac_det(u, *inputs)],
                                  mode=PYTHON)  # fmt: skip
    value, again, log_jacobian = functions(point)
    np.testing.assert_allclose(again, point, atol=1e-10)
    steps = [(functions(point + h)[0] - functions(point - h)[0])[rows, columns] / 2e-6 for h in 1e-6 * np.eye(p)]
    assert np.linalg.slogdet(np.array(steps))[1] == pytest.approx(float(log_jacobian), abs=1e-6)
    assert np.linalg.eigvalsh(value)[0] > 0


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
