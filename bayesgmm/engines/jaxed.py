"""NUTS by numpyro: a story's PyMC graph under JAX, in the coordinates in which nutpie's chains see its density."""

from __future__ import annotations

from concurrent.futures import wait
from functools import partial
from threading import Event

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from numpyro.infer import NUTS

from bayesgmm.engines.density.folded import DOF, Folded
from bayesgmm.engines.density.sampling import DIM, POINT
from bayesgmm.engines.waiting import cut_short
from bayesgmm.kernel import threads
from bayesgmm.kernel.threads import pool
from bayesgmm.ppl.jaxed import log_density
from bayesgmm.ppl.open_surface import surface_of

# Steps of a chain between two looks at whether somebody interrupts.
_STEPS = 20
# Starting points that may be tried, where some have no density.
_TRIES = 20
# numpyro's names of what it records, and ours.
_FIELDS = {"z": POINT, "potential_energy": "logp", "energy": "energy", "num_steps": "n_steps", "diverging": "diverging",
           "accept_prob": "mean_tree_accept"}  # fmt: skip


def folded_density(log_density, folded: Folded):
    """v (p,) ↦ log q of `density.folded`, from a JAX function u ↦ log p."""
    at, f = folded.pieces, jax.vmap(log_density)
    if folded.n_modes == 1:
        factor = at.factors[0]
        return lambda v: log_density(at.points[0] + (factor @ v if factor.ndim == 2 else factor * v))

    def log_q(v):
        u = at.points + at.factors @ v
        apart = jnp.einsum("iab,jib->jia", at.inverses, u[:, None] - at.points)
        logs = at.heights - 0.5 * (DOF + len(v)) * jnp.log1p((apart**2).sum(axis=2) / DOF)
        shares = jnp.diagonal(jax.nn.log_softmax(logs, axis=1))
        return jax.nn.logsumexp(f(u) + at.sizes + shares)

    return log_q


def ready(model, folded: Folded, begin, *, tune: int, chains: int, seed: int):
    """What `chains_of` takes: the first state of each chain, and the compiled steps from one state to another.

    In these coordinates a diagonal mass matrix is enough: a dense one gave as many effective draws, and took two to
    three times as long.

    Parameters
    ----------
    model : pymc.Model
    folded : Folded
    begin : callable
        A seed ↦ a starting point v (p,).
    """
    density = folded_density(log_density(surface_of(model)), folded)
    kernel = NUTS(potential_fn=lambda v: -density(v))
    start = jax.jit(lambda key, v: kernel.init(key, tune, v))
    keys, seeds = jax.random.split(jax.random.key(seed), chains), np.random.SeedSequence(seed).spawn(chains)
    states = [_started(start, begin, key, np.random.default_rng(own)) for key, own in zip(keys, seeds, strict=True)]
    return states, jax.jit(partial(_steps, kernel)).lower(states[0]).compile()


def chains_of(states, run, *, draws: int, tune: int, report):
    """Draws of v, as nutpie would give them: a DataTree; if interrupted, what `cut_short` keeps of it.

    Parameters
    ----------
    states, run
        From `ready`.
    draws, tune : int
    report : callable, optional
        (steps done, note).
    """
    chains, length = len(states), tune + draws
    found = {name: np.zeros((chains, length, *one.shape[1:]), one.dtype) for name, one in run.out_info[1].items()}
    done, stop = np.zeros(chains, dtype=int), Event()
    jobs = [pool(threads()).submit(_fill, found, done, c, run, state, stop) for c, state in enumerate(states)]
    try:
        while wait(jobs, timeout=0.2).not_done:
            if report:
                report(int(done.sum()), f"{int(found['diverging'][:, tune:].sum())} divergences")
    except KeyboardInterrupt:
        pass  # the same as being done, but for the number of draws
    finally:
        stop.set()
    for job in jobs:
        job.result()
    tree = _tree({name: values[:, tune:] for name, values in found.items()})
    return tree if done.min() == length else cut_short(tree, np.maximum(done - tune, 0), draws)


def _started(start, begin, key, rng):
    """The first state of a chain, at a point with a density."""
    for _ in range(_TRIES):
        state = start(key, begin(int(rng.integers(2**63))))
        if np.isfinite(state.potential_energy):
            return state
    raise ValueError(f"the posterior density is zero, or no number, at {_TRIES} points around its mode")


def _steps(kernel, state):
    """Steps of one chain: the state after them, and what is recorded of each."""

    def step(state, _):
        state = kernel.sample(state, (), {})
        recorded = {ours: getattr(state, theirs) for theirs, ours in _FIELDS.items()}
        return state, recorded | {"step_size": state.adapt_state.step_size}

    return jax.lax.scan(step, state, length=_STEPS)


def _fill(found, done, chain: int, run, state, stop: Event) -> None:
    """Let a chain run, piece by piece, until it has the length that is wanted or is stopped."""
    length = found[POINT].shape[1]
    for first in range(0, length, _STEPS):
        if stop.is_set():
            return
        state, piece = run(state)
        last = min(first + _STEPS, length)
        for name, values in piece.items():
            found[name][chain, first:last] = values[: last - first]
        done[chain] = last


def _tree(found):
    """A DataTree with nutpie's names."""
    v, dims = found.pop(POINT), ("chain", "draw")
    found |= {"logp": -found["logp"], "depth": np.frexp(found["n_steps"])[1]}
    coords = {"chain": np.arange(v.shape[0]), "draw": np.arange(v.shape[1])}
    posterior = xr.Dataset({POINT: ((*dims, DIM), v)}, coords)
    stats = xr.Dataset({name: (dims, values) for name, values in found.items()}, coords)
    return xr.DataTree.from_dict({"posterior": posterior, "sample_stats": stats})
