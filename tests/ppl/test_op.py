"""The Op against a plain PyTensor graph of the same density, differentiated automatically."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode
from pytensor.graph.replace import vectorize_graph
from scipy.stats import multivariate_normal

from bayesgmm import Mixture
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


def case(seed, n, k, d, shared=False):
    rng = np.random.default_rng(seed)
    factors = np.tril(rng.normal(size=(k, d, d)) * 0.4, -1) + np.eye(d) * rng.uniform(0.5, 2, size=(k, d))[:, None]
    factors = np.repeat(factors[:1], k, axis=0) if shared else factors
    weights = rng.dirichlet(np.ones(k))
    return rng.normal(size=(n, d)) * 2, weights, rng.normal(size=(k, d)), factors


def cotangents(rng, x, theta):
    """Weights of rows, of either sign; the last make N_k = Σ w r vanish for the first component."""
    n, one_hot, signed = len(x), np.zeros(len(x)), rng.normal(size=len(x))
    one_hot[rng.integers(n)] = 1.0
    r = Mixture.from_scale_trils(*theta).responsibilities(x)[:, 0]
    empty = signed - r * (signed @ r) / (r @ r)
    assert abs(empty @ r) <= 1e-13 * n
    return {
        "signed": signed,
        "zero-sum": signed - signed.mean(),
        "one-hot": one_hot,
        "ones": np.ones(n),
        "empty": empty,
    }


CASES = [
    (7, 1, 1, False),
    (40, 3, 2, False),
    (300, 2, 4, False),
    (600, 4, 3, False),
    (50, 3, 3, True),
    (30, 2, 21, False),
]


@pytest.mark.parametrize(("n", "k", "d", "shared"), CASES)
def test_value_and_pullback_equal_autodiff_of_the_plain_graph(n, k, d, shared):
    x, *theta = case(k + 10 * d, n, k, d, shared)
    inputs = [pt.dvector(), pt.dmatrix(), pt.dtensor3()]
    cotangent = pt.dvector()
    functions = []
    for value in (log_prob(pt.constant(x), *inputs), plain_log_prob(pt.constant(x), *inputs, k)):
        gradients = pt.grad(pt.dot(value, cotangent), inputs)
        gradients[2] = pt.tril(gradients[2])  # L is triangular: the rest of its gradient is of no meaning
        functions.append(pytensor.function([*inputs, cotangent], [value, *gradients], mode=PYTHON))
    for kind, w in cotangents(np.random.default_rng(n), x, theta).items():
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


def test_draws_are_evaluated_in_one_batch():
    n_draws, rng = 5, np.random.default_rng(6)
    x, *_ = case(6, 40, 3, 2)
    draws = [case(int(seed), 1, 3, 2)[1:] for seed in rng.integers(1000, size=n_draws)]
    single, batch = [pt.dvector(), pt.dmatrix(), pt.dtensor3()], [pt.dmatrix(), pt.dtensor3(), pt.dtensor4()]
    batched = vectorize_graph(log_prob(pt.constant(x), *single), dict(zip(single, batch, strict=True)))
    values = pytensor.function(batch, batched, mode="NUMBA")(*(np.array(part) for part in zip(*draws, strict=True)))
    assert values.shape == (n_draws, 40)
    for row, draw in zip(values, draws, strict=True):
        np.testing.assert_array_equal(row, Mixture.from_scale_trils(*draw).log_prob(x))


def test_rows_of_any_layout_are_read_right_under_numba():
    x, *theta = case(8, 60, 2, 3)
    rows, inputs = pt.dmatrix(), [pt.dvector(), pt.dmatrix(), pt.dtensor3()]
    native = pytensor.function([rows, *inputs], log_prob(rows[::2], *inputs), mode="NUMBA")
    np.testing.assert_array_equal(native(x, *theta), Mixture.from_scale_trils(*theta).log_prob(x[::2]))


def test_second_derivatives_are_refused_with_a_sentence():
    x, *_ = case(0, 5, 2, 1)
    weights = pt.dvector()
    means, factors = pt.constant(np.zeros((2, 1))), pt.constant(np.ones((2, 1, 1)))
    gradient = pt.grad(log_prob(pt.constant(x), weights, means, factors).sum(), weights)
    with pytest.raises(NotImplementedError, match="second derivatives"):
        pt.grad(gradient.sum(), weights)
