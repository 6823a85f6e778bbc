"""NUTS by numpyro: the same posterior as nutpie's, of the same shape; and what is said where it cannot run."""

import importlib.util

import arviz as az
import numpy as np
import pymc as pm
import pytest
from scipy.stats import norm

import bayesgmm as bg
from bayesgmm.draws.invariants import quantities
from bayesgmm.draws.mixtures import read
from bayesgmm.engines.density import density_of
from bayesgmm.engines.density.folded import Folded
from bayesgmm.engines.density.sampling import POINT
from bayesgmm.engines.modes import Mode
from bayesgmm.models import finite_mixture

has_jax = all(importlib.util.find_spec(name) for name in ("jax", "numpyro"))
with_jax = pytest.mark.skipif(not has_jax, reason="numpyro is not installed")


@pytest.fixture(scope="module")
def small():
    """A story of three numbers, and two modes, made up, laid over each other."""
    x = np.random.default_rng(0).normal(2.0, 3.0, size=(30, 1))
    model = finite_mixture(x, 1)
    native = density_of(model)
    modes = [Mode(np.array([0.1, 2.0]), 0.0, np.array([[0.2, 0.0], [0.1, 0.5]]), -70.0),
             Mode(np.array([-0.4, 1.5]), 0.0, np.array([[0.3, 0.0], [-0.2, 0.4]]), -71.0)]  # fmt: skip
    assert native.size == 2
    return model, Folded(native, modes)


@with_jax
@pytest.mark.slow
def test_modes_laid_over_each_other_are_the_same_function(small):
    import jax

    from bayesgmm.engines.jaxed import folded_density
    from bayesgmm.ppl.jaxed import log_density
    from bayesgmm.ppl.surface import Surface

    model, folded = small
    function = jax.jit(jax.value_and_grad(folded_density(log_density(Surface(model)), folded)))
    for v in np.random.default_rng(1).normal(size=(4, 2)) * 1.5:
        (value, gradient), (wanted, slope) = function(v), folded(v)
        assert float(value) == pytest.approx(wanted, rel=1e-12)
        np.testing.assert_allclose(gradient, slope, rtol=1e-9, atol=1e-9)


@with_jax
@pytest.mark.slow
def test_an_interrupt_keeps_the_draws_so_far(small):
    from bayesgmm.engines.jaxed import chains_of, ready

    model, native = small[0], density_of(small[0])
    folded = Folded(native, [Mode(np.array([0.1, 2.0]), 0.0, np.array([0.2, 0.5]), 0.0)])

    def report(done, note):
        assert note.endswith(" divergences")
        if done > 600:
            raise KeyboardInterrupt

    states, run = ready(model, folded, lambda seed: np.zeros(2), tune=100, chains=2, seed=1)
    tree = chains_of(states, run, draws=10_000_000, tune=100, report=report)
    v = tree["posterior"][POINT]
    assert 0 < v.sizes["draw"] < 10_000_000 and tree.attrs["incomplete"] == 1
    assert (np.diff(v.values, axis=1) != 0).any(axis=2).mean() > 0.5  # draws, not what had not been filled in


@with_jax
@pytest.mark.slow
def test_numpyro_and_nutpie_have_one_posterior():
    """An edited story by numpyro, and by nutpie the one that it amounts to: log π₁ + log π₂ is a Dirichlet's α + 1."""
    x = bg.load_dataset("faithful")
    edited, declared = finite_mixture(x, 2), finite_mixture(x, 2, prior=bg.priors.Conjugate(concentration=2.0))
    with edited:
        pm.Potential("even", pm.math.log(edited["weights"]).sum())
    one = bg.sample(edited, nuts_sampler="numpyro", draws=600, tune=400, seed=1, progress=False)
    other = bg.sample(declared, seed=2, progress=False)
    assert one.attrs["inference_library"] == "numpyro" and other.attrs["inference_library"] == "nutpie"
    for group in ("posterior", "observed_data", "log_likelihood"):
        assert {n: v.dims for n, v in one[group].items()} == {n: v.dims for n, v in other[group].items()}
    stats = {"logp", "energy", "diverging", "n_steps", "step_size", "depth", "mean_tree_accept", "permutation"}
    assert stats <= set(one["sample_stats"]) & set(other["sample_stats"])
    assert not one["sample_stats"]["diverging"].any() and bg.diagnose(one).verdict == "sound"
    a, b = quantities(one, read(one)), quantities(other, read(other))
    z = norm.ppf(1 - 1e-4 / (2 * len(a)))
    for name in a:
        chains = [v[name].reshape(4, -1) for v in (a, b)]
        error = np.hypot(*(float(az.mcse(c)) for c in chains))
        assert abs(chains[0].mean() - chains[1].mean()) < z * error, name


def test_without_jax_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setattr("bayesgmm.engines.nuts.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"needs JAX and numpyro: pip install 'bayesgmm\[jax\]'"):
        bg.sample(finite_mixture(bg.load_dataset("faithful"), 2), nuts_sampler="numpyro")


def test_samplers_that_are_not_there_are_refused():
    model = finite_mixture(bg.load_dataset("faithful"), 2)
    with pytest.raises(ValueError, match="nuts_sampler 'stan' is not known; use 'nutpie' or 'numpyro'"):
        bg.sample(model, nuts_sampler="stan")
    with pytest.raises(ValueError, match="engine='gibbs' has none"):
        bg.sample(model, engine="gibbs", nuts_sampler="numpyro")
