"""Traces of PyTensor graphs against PyTensor's own Python code, and what a tape cannot hold."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode

from bayesgmm.ppl.instructions import Untraceable
from bayesgmm.ppl.trace import Trace, hold_together, value_of

PYTHON = Mode(linker="py", optimizer="fast_compile")
X, Y = np.random.default_rng(0).uniform(0.2, 2.0, size=(3, 4)), np.random.default_rng(1).uniform(0.2, 2.0, size=4)
x, y = pt.dmatrix("x"), pt.dvector("y")
S = x @ x.T + pt.eye(3)


def graphs():
    """What stories are made of: indexing, joining, reductions, linear algebra, special functions."""
    yield "broadcasting", x * y + pt.exp(-x) / (1 + y[None] ** 2)
    yield "indexing", pt.concatenate([x[1], x[::-1, 2], y[[0, 2, 2]]])
    yield "a mask that is known", x[np.array([True, False, True])]
    yield "setting", pt.set_subtensor(x[1, ::2], y[:2])
    yield "adding at places named twice", pt.inc_subtensor(y[[0, 2, 0, 3]], x[0])
    yield "joining", pt.stack([x.T.reshape((12,)), pt.repeat(y, 3)]).sum(axis=0)
    yield "splitting", sum(part.sum() * i for i, part in enumerate(pt.split(y, [1, 3], n_splits=2), 1))
    yield "diagonals", pt.diag(y) + pt.diagonal(pt.outer(y, y)) * pt.tri(4)
    yield "reductions", x.max(axis=0) - x.min() + x.mean(axis=1).sum() * pt.prod(y) + pt.any(x > y).astype(float)
    yield "reductions of nothing", x.sum() + y[:0].sum() + pt.prod(y[:0])
    yield "running sums", pt.cumsum(x, axis=1)[:, ::-1] * pt.cumprod(y)
    yield "softmax", pt.special.softmax(x, axis=1) + pt.special.log_softmax(y) + pt.logsumexp(x, axis=0)
    yield "cholesky", pt.linalg.cholesky(S)
    yield "cholesky of a batch", pt.linalg.cholesky(pt.stack([S, S + pt.eye(3)]))
    yield "triangular systems", pt.linalg.solve_triangular(pt.linalg.cholesky(S), x, lower=True)
    yield "their transposes", pt.linalg.solve_triangular(pt.linalg.cholesky(S).T, x[:, 0], lower=False, b_ndim=1)
    yield "systems", pt.linalg.solve(S + x[:, :3], x)
    yield "inverses and determinants", pt.linalg.inv(S) * pt.linalg.det(S) + pt.linalg.slogdet(S)[1]
    yield "special functions", pt.gammaln(x) + pt.digamma(x) * pt.erf(y) + pt.softplus(x) + pt.sigmoid(y) + pt.log1p(x)
    yield "their tails", pt.erfcx(x) + pt.log(pt.erfc(y))
    yield "choices", pt.switch(pt.and_(x > 0.5, x < y), x, -y) + pt.clip(x, 0.4, 1.1) + pt.maximum(x, y)
    yield "shapes", x / x.shape[0] + y.shape[0] * pt.ones((x.shape[0], 1)) + pt.zeros_like(x)
    yield "whole numbers", pt.floor(3 * x) % 2 + (x > 1).astype("int64") * 2
    yield "batched products", pt.matmul(pt.stack([S, 2 * S]), pt.stack([x, x + 1]))


@pytest.mark.parametrize(("name", "graph"), list(graphs()), ids=lambda v: v if isinstance(v, str) else "")
def test_values_are_pytensors(name, graph):
    (found,) = Trace([x, y], [graph])._program([[X, Y], [Y * X, Y + 0.1]])(X, Y)
    wanted = pytensor.function([x, y], graph, mode=PYTHON, on_unused_input="ignore")(X, Y)
    np.testing.assert_allclose(found, wanted, rtol=1e-10)


@pytest.mark.parametrize(
    ("name", "graph"), [g for g in graphs() if g[0] != "whole numbers"], ids=lambda v: v if isinstance(v, str) else ""
)
def test_gradients_are_pytensors(name, graph):
    slopes = pytensor.grad(pt.sin(graph).sum(), [x, y], disconnected_inputs="ignore")
    found = Trace([x, y], slopes)._program([[X, Y]])(X, Y)
    wanted = pytensor.function([x, y], slopes, mode=PYTHON, on_unused_input="ignore")(X, Y)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "graph",
    [pt.sort(y), x[pt.argmax(y) % 3], y[y > 1], pytensor.scan(lambda a: a * 2, sequences=[y], return_updates=False)],
    ids=["no instruction", "an index that depends on values", "a shape that does", "a loop"],
)
def test_what_a_tape_cannot_hold_is_left_to_pytensor(graph):
    trace = Trace([x, y], [graph])
    with pytest.raises(Untraceable):
        trace._program([[X, Y]])
    (found,) = trace.function([[X, Y]])(X, Y)
    np.testing.assert_allclose(found, pytensor.function([x, y], graph, mode=PYTHON, on_unused_input="ignore")(X, Y))


def test_data_are_read_when_a_graph_is_traced():
    data = pytensor.shared(np.ones(4), name="data")
    trace = Trace([y], [(y * data).sum() + data.shape[0]])
    assert trace.function([[Y]])(Y)[0] == pytest.approx(Y.sum() + 4)
    data.set_value(np.array([1.0, 0, 0, 0]))
    assert trace.function([[Y]])(Y)[0] == pytest.approx(Y[0] + 4)
    data.set_value(np.array([2.0]))
    with pytest.raises(ValueError, match="broadcast"):
        trace.function([[Y]])


def test_a_wrong_program_is_caught():
    right, wrong = (lambda a: [a, a.sum()]), (lambda a: [a, a.sum() + 1e-6])
    hold_together(right, right, [[Y]])
    with pytest.raises(Untraceable, match="does not agree"):
        hold_together(wrong, right, [[Y]])
    with pytest.raises(Untraceable, match="not finite at any"):
        hold_together(right, right, [[Y * np.nan]])


def test_the_value_of_what_depends_on_data_alone():
    data = pytensor.shared(np.arange(3), name="data")
    np.testing.assert_array_equal(value_of(pt.cast(data, "float64") * 2), [0.0, 2.0, 4.0])
    np.testing.assert_array_equal(value_of(data), [0, 1, 2])
    assert value_of(pt.constant(3.0)) == 3.0
    assert value_of(y + data.sum()) is None and value_of(pt.random.normal()) is None
