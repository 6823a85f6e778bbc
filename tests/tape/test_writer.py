"""Programs against NumPy and SciPy, operation by operation."""

import numpy as np
import pytest
from scipy import special

from bayesgmm.kernel import Incomplete
from bayesgmm.tape import Writer
from bayesgmm.tape.codes import Code, arity

POSITIVE, UNIT, REAL = (0.05, 30.0), (-0.99, 0.99), (-4.0, 4.0)
UNARY = {
    "abs": (np.abs, REAL), "arccos": (np.arccos, UNIT), "arcsin": (np.arcsin, UNIT), "arctan": (np.arctan, REAL),
    "ceil": (np.ceil, REAL), "cos": (np.cos, REAL), "cosh": (np.cosh, REAL), "erf": (special.erf, REAL),
    "erfc": (special.erfc, REAL),
    "erfcx": (special.erfcx, (-3.0, 40.0)), "exp": (np.exp, REAL), "exp2": (np.exp2, REAL), "expm1": (np.expm1, REAL),
    "floor": (np.floor, REAL), "isinf": (np.isinf, REAL), "isnan": (np.isnan, REAL),
    "lgamma": (special.gammaln, POSITIVE), "log": (np.log, POSITIVE), "log10": (np.log10, POSITIVE),
    "log1mexp": (lambda a: np.log1p(-np.exp(a)), (-4.0, -0.1)), "log1p": (np.log1p, POSITIVE),
    "log2": (np.log2, POSITIVE), "neg": (np.negative, REAL), "not": (lambda a: 1 - a, (0.0, 1.0)),
    "psi": (special.digamma, POSITIVE), "reciprocal": (np.reciprocal, POSITIVE), "sigmoid": (special.expit, REAL),
    "sign": (np.sign, REAL), "sin": (np.sin, REAL), "sinh": (np.sinh, REAL),
    "softplus": (lambda a: np.logaddexp(0, a), REAL), "sqr": (np.square, REAL), "sqrt": (np.sqrt, POSITIVE),
    "tan": (np.tan, UNIT), "tanh": (np.tanh, REAL), "trigamma": (lambda a: special.polygamma(1, a), POSITIVE),
    "trunc": (np.trunc, REAL),
}  # fmt: skip
BINARY = {
    "add": np.add, "arctan2": np.arctan2, "div": np.divide, "eq": np.equal, "ge": np.greater_equal, "gt": np.greater,
    "intdiv": np.floor_divide, "le": np.less_equal, "lt": np.less, "maximum": np.maximum, "minimum": np.minimum,
    "mod": np.mod, "mul": np.multiply, "neq": np.not_equal, "or": np.logical_or, "and": np.logical_and,
    "pow": np.power, "sub": np.subtract, "xor": np.logical_xor,
}  # fmt: skip


def run(writer, cells, inputs):
    """The contents of cells once the program that a writer holds has run."""
    program = writer.program(np.concatenate([[0], np.ravel(cells)]))
    return program(inputs)[1].reshape(np.shape(cells))


def test_every_elementwise_instruction_is_tested_here():
    assert {c.name.lower() for c in Code if arity(c) == 1} == set(UNARY)
    assert {c.name.lower() for c in Code if arity(c) == 2} == set(BINARY)


@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_number(name):
    function, (low, high) = UNARY[name]
    x = np.random.default_rng(0).uniform(low, high, size=200)
    writer = Writer(x.size)
    found = run(writer, writer.elementwise(Code[name.upper()], writer.inputs), x)
    np.testing.assert_allclose(found, function(x).astype(float), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("name", BINARY)
def test_functions_of_two_numbers_broadcast(name):
    rng = np.random.default_rng(1)
    a, b = rng.uniform(0.1, 3, size=(6, 4)).round(1), rng.uniform(0.1, 3, size=4).round(1)
    writer = Writer(28)
    left, right = writer.inputs[:24].reshape(6, 4), writer.inputs[24:]
    found = run(writer, writer.elementwise(Code[name.upper()], left, right), np.concatenate([a.ravel(), b]))
    np.testing.assert_allclose(found, BINARY[name](a, b).astype(float), rtol=1e-13)


def test_functions_of_three_numbers_and_what_is_not_finite():
    x = np.array([-np.inf, -1.0, 0.0, 2.0, np.inf, np.nan])
    writer = Writer(6)
    cells, zero, one = writer.inputs, writer.constant(0.0), writer.constant(1.0)
    np.testing.assert_array_equal(run(writer, writer.elementwise(Code.CLIP, cells, zero, one), x)[:5], [0, 0, 0, 1, 1])
    np.testing.assert_array_equal(run(writer, writer.elementwise(Code.SWITCH, cells, cells, one), x), np.where(x, x, 1))
    np.testing.assert_array_equal(run(writer, writer.elementwise(Code.MAXIMUM, cells, zero), x), np.maximum(x, 0))
    np.testing.assert_array_equal(run(writer, writer.elementwise(Code.ISINF, cells), x), np.isinf(x))
    assert np.isnan(run(writer, writer.elementwise(Code.PSI, zero), x))


@pytest.mark.parametrize(
    "code, function",
    [
        ("SUM", np.sum),
        ("PROD", np.prod),
        ("MAX", np.max),
        ("MIN", np.min),
        ("CUMSUM", np.cumsum),
        ("CUMPROD", np.cumprod),
    ],
)
def test_along_lines(code, function):
    x = np.random.default_rng(2).normal(size=(5, 7))
    writer = Writer(x.size)
    found = run(writer, writer.reduce(Code[code], writer.inputs.reshape(x.shape)), x.ravel())
    np.testing.assert_allclose(found, function(x, axis=1), rtol=1e-13)


def test_matrices():
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(4, 3, 3)), rng.normal(size=(4, 3, 2))
    s = a @ a.mT + np.eye(3)
    writer = Writer(a.size + b.size + s.size)
    at_a, at_b, at_s = (c.reshape(v.shape) for c, v in zip(np.split(writer.inputs, [36, 60]), (a, b, s)))
    x = np.concatenate([v.ravel() for v in (a, b, s)])
    np.testing.assert_allclose(run(writer, writer.matmul(at_a, at_b), x), a @ b, rtol=1e-12)
    factor = writer.cholesky(at_s)
    np.testing.assert_allclose(run(writer, factor, x), np.linalg.cholesky(s), rtol=1e-12)
    # Transposed and shared operands are no blocks of memory.
    upper = writer.solve_triangular(factor.mT, at_b, lower=False, unit=False)
    np.testing.assert_allclose(run(writer, upper, x), np.linalg.solve(np.linalg.cholesky(s).mT, b), rtol=1e-10)
    np.testing.assert_allclose(run(writer, writer.solve(at_a.mT, at_b), x), np.linalg.solve(a.mT, b), rtol=1e-9)
    sign, log = writer.log_determinant(at_a)
    wanted = np.linalg.slogdet(a)
    np.testing.assert_array_equal(run(writer, sign, x), wanted.sign)
    np.testing.assert_allclose(run(writer, log, x), wanted.logabsdet, rtol=1e-12)


def test_what_is_not_positive_definite_has_no_factor():
    writer = Writer(4)
    assert np.isnan(run(writer, writer.cholesky(writer.inputs.reshape(2, 2)), [1.0, 2.0, 2.0, 1.0])[1, 1])


@pytest.mark.parametrize("places", [[3, 0, 5], [3, 0, 3, 3]])
def test_adding_at_places(places):
    x, y = np.arange(6.0), 10.0 ** np.arange(1, 1 + len(places))
    writer = Writer(6 + len(places))
    found = writer.add_at(writer.inputs[:6].reshape(2, 3), np.array(places), writer.inputs[6:])
    wanted = x.copy()
    np.add.at(wanted, places, y)
    np.testing.assert_array_equal(run(writer, found, np.concatenate([x, y])), wanted.reshape(2, 3))


def test_constants_short_and_long_are_where_they_are_said_to_be():
    rng = np.random.default_rng(4)
    long, short = rng.normal(size=(50, 3)), np.array([1.0, 0.0, 1.0, -0.0, np.inf, np.nan])
    writer = Writer(1)
    cells = [writer.constant(v) for v in (long, short, np.full(7, 2.5))]
    assert len(set(cells[2].tolist())) == 1 and cells[1][0] == cells[1][2] and cells[1][1] == 0 != cells[1][3]
    doubled = [writer.elementwise(Code.MUL, c, writer.inputs) for c in cells]
    for found, values in zip(doubled, (long, short, np.full(7, 2.5)), strict=True):
        np.testing.assert_array_equal(run(writer, found, [2.0]), 2 * values)


def test_what_is_written_twice_is_computed_once():
    writer = Writer(3)
    once = writer.elementwise(Code.EXP, writer.inputs)
    np.testing.assert_array_equal(once, writer.elementwise(Code.EXP, writer.inputs))
    assert len(writer._instructions) == 1


def test_a_program_that_must_be_finite_says_so_where_it_is_not():
    writer = Writer(1)
    program = writer.program(np.concatenate([writer.elementwise(Code.LOG, writer.inputs), writer.inputs]), finite=True)
    assert program([1.0]) == (0.0, [1.0])
    value, others = program([-1.0])
    assert value == -np.inf and (others == 0).all()
    with pytest.raises(ValueError, match=r"takes 1 numbers, not \(2,\)"):
        program([1.0, 2.0])


@pytest.mark.parametrize("missing", [False, True])
def test_a_pass_over_rows_is_the_kernels(missing):
    import bayesgmm as bg
    from bayesgmm.kernel import Whitening, e_step
    from bayesgmm.kernel.evaluate import evaluate

    rng = np.random.default_rng(5)
    x, weights = rng.normal(size=(40, 3)), rng.gamma(2.0, size=40)
    if missing:
        x[rng.random(x.shape) < 0.2] = np.nan
    factors = np.linalg.cholesky(np.eye(3) + 0.3 * np.ones((2, 3, 3)) * np.arange(2)[:, None, None])
    logs, means = np.log([0.3, 0.7]), rng.normal(size=(2, 3))
    rows, writer = Incomplete.of(x), Writer(2 + 6 + 18)
    places = np.split(writer.inputs, [2, 8])
    cells = [c.reshape(v.shape) for c, v in zip(places, (logs, means, factors), strict=True)]
    log_likelihood, *moments = writer.e_step(rows, weights, *cells)
    inputs = np.concatenate([v.ravel() for v in (logs, means, factors)])
    mixture = bg.Mixture.from_whitening(np.exp(logs), means, Whitening.of(factors))
    assert run(writer, log_likelihood, inputs) == pytest.approx(weights @ e_step(rows, mixture)[0], rel=1e-12)
    if not missing:
        done = evaluate(x, logs, means, Whitening.of(factors), weights)
        for found, wanted in zip(moments, done.moments, strict=True):
            np.testing.assert_allclose(run(writer, found, inputs), wanted, rtol=1e-10, atol=1e-12)
