"""The Op under JAX against the compiled kernel, and stories under JAX against their native densities."""

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode

import bayesgmm as bg
from bayesgmm.engines.density import density_of
from bayesgmm.models import finite_mixture
from bayesgmm.ppl.op import log_prob
from bayesgmm.ppl.surface import Surface

pytest.importorskip("jax")
pytest.importorskip("numpyro")
pytestmark = pytest.mark.slow


def mixture(n, k, d, seed=0):
    rng = np.random.default_rng(seed)
    factors = np.tril(rng.normal(size=(k, d, d)) * 0.4, -1) + np.eye(d) * rng.uniform(0.5, 2, size=(k, d))[:, None]
    return rng.normal(size=(n, d)) * 2, rng.dirichlet(np.ones(k)), rng.normal(size=(k, d)), factors


def assert_close(found, wanted):
    for a, b in zip(found, wanted, strict=True):
        assert np.asarray(a).dtype == b.dtype == np.float64
        assert np.abs(a - b).max() <= 1e-10 * max(1.0, np.abs(b).max())


@pytest.mark.parametrize("gaps", [0.0, 0.3])
def test_value_and_pullback_are_the_kernels(gaps):
    """By PyTensor's own gradient and by JAX's, with weights of rows of either sign; some rows have no cell at all."""
    import jax

    from bayesgmm.kernel.jaxed import e_step

    (x, *theta), rng = mixture(60, 3, 3), np.random.default_rng(1)
    missing = rng.random(x.shape) < gaps
    if gaps:
        missing[7] = True
    inputs, cotangent = [pt.dvector(), pt.dmatrix(), pt.dtensor3()], pt.dvector()
    value = log_prob(pt.constant(np.where(missing, np.nan, x)), *inputs, missing)
    outputs = [value, *pt.grad(pt.dot(value, cotangent), inputs)]
    kernel, ours = (
        pytensor.function([*inputs, cotangent], outputs, mode=mode)
        for mode in (Mode(linker="py", optimizer="fast_compile"), "JAX")
    )
    signed = rng.normal(size=len(x))
    wanted = kernel(*theta, signed)
    assert_close(ours(*theta, signed), wanted)

    groups = [v.data for v in value.owner.inputs[5:]]
    weights, *others = theta

    def total(log_weights, means, scale_trils):
        return e_step(np.where(missing, np.nan, x), log_weights, means, scale_trils, signed, *groups)[0] @ signed

    gradient = jax.jit(jax.grad(total, argnums=(0, 1, 2)))(np.log(weights), *others)
    assert_close(gradient, [wanted[1] * weights, *wanted[2:]])


@pytest.mark.parametrize(("prior", "alias", "gaps"), [("hierarchical", "full", True), ("lkj", "tied", False)])
def test_a_story_is_its_native_density(prior, alias, gaps):
    """With case weights, and missing cells."""
    import jax

    from bayesgmm.ppl.jaxed import log_density

    rng = np.random.default_rng(2)
    x = rng.normal(size=(40, 2)) * [1.0, 20.0] + rng.normal(size=2) * 10
    x[rng.random(x.shape) < 0.2 * gaps] = np.nan
    model = finite_mixture(
        x, 2, covariance_type=alias, prior=prior, case_weights=rng.integers(1, 4, size=40) + 0.5, missing="marginalise"
    )
    surface, native = Surface(model), density_of(model)
    function = jax.jit(jax.value_and_grad(log_density(surface)))
    for scale in (0.0, 0.5):
        u = surface.start + scale * rng.normal(size=native.size)
        assert_close(function(u), [np.float64(native(u)[0]), native(u)[1]])


@pytest.mark.filterwarnings("ignore:Laplace's approximation is poor")
def test_draws_are_evaluated_in_one_batch():
    """As `pymc.compute_log_likelihood` does with backend="jax", rows with missing cells among them."""
    x = mixture(30, 2, 2)[0]
    x[::5, 0] = np.nan
    model = finite_mixture(x, 2, covariance_type="spherical", missing="marginalise")
    draws = bg.sample(model, engine="laplace", draws=50, chains=2, seed=1, progress=False)
    with model:
        scored = pm.compute_log_likelihood(draws, extend_inferencedata=False, progressbar=False, backend="jax")
    np.testing.assert_allclose(scored["x"], draws["log_likelihood"]["x"], rtol=1e-10)
