"""Native log densities against the PyMC models that they stand in for."""

import ctypes
from functools import partial
from itertools import product

import numpy as np
import pymc as pm
import pytensor
import pytest

import bayesgmm as bg
from bayesgmm.engines.density import density_of
from bayesgmm.engines.density.folded import Folded
from bayesgmm.engines.modes import Mode
from bayesgmm.models import finite_mixture
from bayesgmm.ppl.declaration import declaration
from bayesgmm.ppl.observed import observed_mixture
from bayesgmm.ppl.surface import Surface
from bayesgmm.ppl.trace import quietly

FAMILIES = ("full", "tied", "diag", "spherical")
PRIORS = {
    "conjugate": bg.priors.Conjugate,
    "independent": bg.priors.Independent,
    "hierarchical": bg.priors.Hierarchical,
    "lkj": bg.priors.LKJ,
}
EACH = pytest.mark.parametrize("kind", PRIORS)


def story(kind, alias, k, d, *, weighted, missing, concentration=1.0):
    rng = np.random.default_rng(k + 10 * d)
    x = rng.normal(size=(60, d)) * rng.uniform(0.5, 20, size=d) + rng.normal(size=d) * 10
    if missing:
        x[rng.random(x.shape) < 0.25] = np.nan
    weights = rng.integers(1, 4, size=60) + 0.5 if weighted else None
    prior = PRIORS[kind](concentration=concentration)
    return finite_mixture(
        x, k, covariance_type=alias, prior=prior, case_weights=weights, missing="marginalise" if missing else "raise"
    )


def pymcs(model, *, jacobian=True):
    """PyMC's own log density of u by Python code from the graph as it stands; with its gradient if with Jacobian."""
    with quietly():
        point, values = model.initial_point(), [model.rvs_to_values[v] for v in model.free_RVs]
        (height,), u = pm.pytensorf.join_nonshared_inputs(point, [model.logp(jacobian=jacobian)], values)
        function = pytensor.function([u], [height, pytensor.grad(height, u)] if jacobian else height)
    return function, np.concatenate([np.ravel(point[v.name]) for v in values])


def assert_equal(model, seed, points=2):
    """Value, with no constant between them, and gradient."""
    native, (own, start), rng = density_of(model), pymcs(model), np.random.default_rng(seed)
    assert native.size == len(start)
    for _ in range(points):
        u = start + rng.normal(size=native.size) * 0.5
        (value, gradient), (expected, slope) = native(u), own(u)
        assert abs(value - expected) <= 1e-10 * max(1.0, abs(expected))
        assert np.abs(gradient - slope).max(initial=0) <= 1e-10 * max(1.0, np.abs(slope).max(initial=0))


# Three pairs for each prior and family. Every K and every D comes with each prior and with each family, and over all of
# them, every pair comes.
PAIRS = [(kind, alias, k, d) for i, kind in enumerate(PRIORS) for j, alias in enumerate(FAMILIES)
         for k in range(1, 7) for d in range(1, 7)
         if (d - k - i - 2 * j) % 6 == 0 and (k + i // 2 + j // 3) % 2 == 0]  # fmt: skip


def test_the_pairs_are_what_they_are_said_to_be():
    assert len(PAIRS) == 3 * 16 and {pair[2:] for pair in PAIRS} == set(product(range(1, 7), repeat=2))
    for place, size in product((0, 1), (2, 3)):
        assert {(pair[place], pair[size]) for pair in PAIRS} == set(product((PRIORS, FAMILIES)[place], range(1, 7)))


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "alias", "k", "d"), PAIRS)
def test_with_case_weights_and_missing_cells_it_is_the_models(kind, alias, k, d):
    assert_equal(story(kind, alias, k, d, weighted=True, missing=True), seed=1)


@EACH
@pytest.mark.parametrize("alias", FAMILIES)
def test_of_complete_rows_it_is_the_models(kind, alias):
    is_first = (list(PRIORS).index(kind) + FAMILIES.index(alias)) % 2  # each prior and each family has both
    k, d, concentration = (3, 3, 0.7) if is_first else (4, 1, 2.5)
    assert_equal(story(kind, alias, k, d, weighted=False, missing=False, concentration=concentration), seed=2)


@EACH
@pytest.mark.parametrize("k", [1, 4])
def test_with_an_uncertain_concentration_it_is_the_models(kind, k):
    alpha = bg.priors.Gamma(2.0, 3.0)
    assert_equal(story(kind, "full", k, 2, weighted=True, missing=False, concentration=alpha), seed=3, points=4)


@pytest.mark.parametrize("alias", FAMILIES)
@pytest.mark.parametrize("scales", ["InverseGamma", "HalfNormal", "HalfStudentT"])
def test_with_every_distribution_of_scales_it_is_the_models(alias, scales, monkeypatch):
    monkeypatch.setitem(PRIORS, "lkj", partial(bg.priors.LKJ, eta=0.7, scales=getattr(bg.priors, scales)()))
    assert_equal(story("lkj", alias, 2, 3, weighted=False, missing=False), seed=4)


@EACH
@pytest.mark.parametrize("alias", FAMILIES)
def test_points_go_to_mixtures_and_back(kind, alias):
    model = story(kind, alias, 3, 2, weighted=False, missing=False)
    native, rng = density_of(model), np.random.default_rng(0)
    u = rng.normal(size=(5, native.size))
    found = native.variables(u)
    for i in range(5):
        mixture = bg.Mixture(found["weights"][i], found["means"][i], found["covariances"][i])
        placed, hyper = native.place(mixture), native.layout.hyper(np.arange(native.size))
        own = np.setdiff1d(np.arange(native.size), hyper)  # a mixture does not tell what is above its covariances
        np.testing.assert_allclose(placed[own], u[i][own], rtol=1e-7, atol=1e-7)
        free = Surface(model).free_variables(u[i])
        for name, value in free.items():
            np.testing.assert_allclose(found[name][i], value, rtol=1e-9)


@EACH
@pytest.mark.parametrize("alias", FAMILIES)
def test_the_priors_own_density_is_that_of_the_declared_variables(kind, alias):
    alpha = bg.priors.Gamma(2.0, 3.0) if alias in ("full", "diag") else 1.5
    model = story(kind, alias, 2, 2, weighted=False, missing=False, concentration=alpha)
    (own, start), known, native = pymcs(model, jacobian=False), declaration(model), density_of(model)
    u = start + 0.3 * np.random.default_rng(5).normal(size=native.size)
    found, x = native.variables(u), observed_mixture(model).x
    mixture = bg.Mixture(found["weights"], found["means"], found["covariances"])
    prior = known.prior.log_density(mixture, known.family, **known.prior.hyper(found, known.family))
    assert mixture.log_prob(x).sum() + prior == pytest.approx(float(own(u)), rel=1e-10)


def test_a_point_that_overflows_has_no_density():
    native = density_of(story("conjugate", "full", 2, 2, weighted=False, missing=False))
    value, gradient = native(np.full(native.size, 1e4))
    assert value == -np.inf and not gradient.any()


def through_c(density, v):
    """What a sampler sees: value and gradient behind the C pointer."""
    function, problem = density.pointer
    call = ctypes.CFUNCTYPE(*[ctypes.c_int64] * 6)(function)
    v, gradient, value = np.ascontiguousarray(v), np.empty(len(v)), np.empty(1)
    failed = call(len(v), v.ctypes.data, gradient.ctypes.data, value.ctypes.data, problem)
    return failed, value[0], gradient


@pytest.mark.parametrize("of_matrix", [True, False])
def test_whitened_it_is_the_same_density_of_another_vector(of_matrix):
    native, rng = density_of(story("conjugate", "full", 2, 2, weighted=False, missing=False)), np.random.default_rng(0)
    p = native.size
    mode = rng.normal(size=p) * 0.3
    factor = np.tril(rng.normal(size=(p, p))) * 0.1 if of_matrix else rng.uniform(0.1, 0.2, size=p)
    whitened, v = Folded(native, [Mode(mode, 0.0, factor, 0.0)]), rng.normal(size=p)
    u = mode + (factor @ v if of_matrix else factor * v)
    np.testing.assert_allclose(whitened.unfold(v, rng)[0], u, rtol=1e-12)
    failed, value, gradient = through_c(whitened, v)
    wanted, slope = native(u)
    assert failed == 0 and value == pytest.approx(wanted, rel=1e-12)
    np.testing.assert_allclose(gradient, factor.T @ slope if of_matrix else factor * slope, rtol=1e-10, atol=1e-10)
    assert through_c(whitened, v * 1e6)[0] != 0
