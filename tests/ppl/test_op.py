"""The Op against a plain PyTensor graph of the same density, differentiated automatically."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode
from scipy.stats import multivariate_normal

from bayesgmm.ppl.op import EStep, log_prob

PYTHON = Mode(linker="py", optimizer="fast_compile")


def plain_log_prob(x, weights, means, scale_trils, n_components):
    """log Σ_k π_k N(x | μ_k, L_k L_kᵀ) (N,), by nothing but elementary operations."""
    joint = []
    for k in range(n_components):
        z = pt.linalg.solve_triangular(scale_trils[k], (x - means[k]).T, lower=True, b_ndim=2)
        log_det = pt.log(pt.diagonal(scale_trils[k])).sum()
        joint.append(pt.log(weights[k]) - log_det - 0.5 * x.shape[1] * np.log(2 * np.pi) - 0.5 * (z**2).sum(axis=0))
    return pt.logsumexp(pt.stack(joint), axis=0)


def case(seed, n, k, d):
    rng = np.random.default_rng(seed)
    factors = np.tril(rng.normal(size=(k, d, d)) * 0.4, -1) + np.eye(d) * rng.uniform(0.5, 2, size=(k, d))[:, None]
    weights = rng.dirichlet(np.ones(k))
    return rng.normal(size=(n, d)) * 2, weights, rng.normal(size=(k, d)), factors


def cotangents(rng, n):
    one_hot = np.zeros(n)
    one_hot[rng.integers(n)] = 1.0
    signed = rng.normal(size=n)
    return {"signed": signed, "zero-sum": signed - signed.mean(), "one-hot": one_hot, "ones": np.ones(n)}


@pytest.mark.parametrize(("n", "k", "d"), [(7, 1, 1), (40, 3, 2), (300, 2, 4), (600, 4, 3)])
def test_value_and_pullback_equal_autodiff_of_the_plain_graph(n, k, d):
    x, *theta = case(k + 10 * d, n, k, d)
    inputs = [pt.dvector(), pt.dmatrix(), pt.dtensor3()]
    cotangent = pt.dvector()
    functions = []
    for value in (log_prob(pt.constant(x), *inputs), plain_log_prob(pt.constant(x), *inputs, k)):
        gradients = pt.grad(pt.dot(value, cotangent), inputs)
        gradients[2] = pt.tril(gradients[2])  # L is triangular: the rest of its gradient is of no meaning
        functions.append(pytensor.function([*inputs, cotangent], [value, *gradients], mode=PYTHON))
    for kind, w in cotangents(np.random.default_rng(n), n).items():
        ours, plain = (f(*theta, w) for f in functions)
        for a, b in zip(ours, plain, strict=True):
            assert np.abs(a - b).max() <= 1e-10 * max(1.0, np.abs(b).max()), kind


def test_value_equals_scipy():
    x, weights, means, factors = case(3, 50, 3, 2)
    u = [pt.constant(v) for v in (weights, means, factors)]
    ours = log_prob(pt.constant(x), *u).eval(mode=PYTHON)
    parts = [w * multivariate_normal(m, f @ f.T).pdf(x) for w, m, f in zip(weights, means, factors, strict=True)]
    np.testing.assert_allclose(ours, np.log(np.sum(parts, axis=0)), rtol=1e-12)


def nodes(function):
    return [node for node in function.maker.fgraph.apply_nodes if isinstance(node.op, EStep)]


def test_value_and_gradient_of_the_sum_cost_one_pass():
    x, *_ = case(0, 30, 2, 2)
    inputs = [pt.dvector(), pt.dmatrix(), pt.dtensor3()]
    total = log_prob(pt.constant(x), *inputs).sum()
    function = pytensor.function(inputs, [total, *pt.grad(total, inputs)], mode=Mode(linker="py", optimizer="fast_run"))
    assert len(nodes(function)) == 1


def test_no_object_mode_and_the_same_numbers_under_numba():
    x, *theta = case(5, 600, 3, 3)
    inputs = [pt.dvector(), pt.dmatrix(), pt.dtensor3()]
    value = log_prob(pt.constant(x), *inputs)
    native = pytensor.function(inputs, value, mode="NUMBA")
    python = pytensor.function(inputs, value, mode=PYTHON)
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first = native(*theta)
    np.testing.assert_allclose(first, python(*theta), rtol=1e-14)


def test_second_derivatives_are_refused_with_a_sentence():
    x, *_ = case(0, 5, 2, 1)
    weights = pt.dvector()
    means, factors = pt.constant(np.zeros((2, 1))), pt.constant(np.ones((2, 1, 1)))
    gradient = pt.grad(log_prob(pt.constant(x), weights, means, factors).sum(), weights)
    with pytest.raises(NotImplementedError, match="second derivatives"):
        pt.grad(gradient.sum(), weights)
