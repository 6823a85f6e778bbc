"""Laplace's approximation around the modes, corrected by importance weights: seconds, where there are many rows.

Proposals are normal in the coordinates in which chains see a density (`density.folded`): with the curvature of each
mode, and of all modes that matter. Weights p/q make draws of the posterior of them, and the tail of the weights tells
how far that may be trusted: Pareto's k̂, up to 0.7.
"""

from __future__ import annotations

import warnings
from functools import partial

import numpy as np

from bayesgmm.draws.diagnose import PARETO_K
from bayesgmm.engines.importance import log_ratio, smoothed, systematic
from bayesgmm.engines.parts import MOST_LOG_LIKELIHOOD, with_parts
from bayesgmm.engines.tree import dressed
from bayesgmm.engines.waiting import bar
from bayesgmm.engines.ways import Native, named, way_of
from bayesgmm.kernel import threads
from bayesgmm.kernel.threads import pool
from bayesgmm.ppl.parts import is_open

# Proposals for each draw that is kept, and how many are weighed between two looks at the clock.
_EACH, _STEP = 2, 200


def laplace(model, *, draws: int, chains: int, seed, progress: bool):
    """Sample a story: a DataTree of independent draws, labels as they were at the mode. See `bayesgmm.sample`."""
    from threadpoolctl import threadpool_limits

    import bayesgmm

    seed = int(np.random.SeedSequence(seed).generate_state(1)[0])
    rng = np.random.default_rng(seed)
    with threadpool_limits(1), bar("Laplace", _EACH * chains * draws, progress) as report:
        way = way_of(model)
        if not isinstance(way, Native):
            raise ValueError(
                "engine='laplace' needs a log density that can be evaluated without PyTensor, and this story has an "
                "operation for which there is no instruction; use engine='nuts'"
            )
        proposals = rng.standard_normal((_EACH * chains * draws, way.folded.size))
        logs = _weighed(way.folded, proposals, report)
    length = len(logs) // (_EACH * chains)
    if length == 0:
        raise KeyboardInterrupt("too few proposals had been weighed, so there are no draws to keep")
    weights, k = smoothed(logs)
    chosen = rng.permutation(systematic(weights, chains * length, rng))
    tree = _tree(way, model, proposals[chosen].reshape(chains, length, -1), logs[chosen], rng)
    if length < draws:
        tree.attrs |= {"incomplete": 1, "kept": f"{length} of {draws} draws of {chains} of {chains} chains"}
    if not k <= PARETO_K:
        text = f"Laplace's approximation is poor here: Pareto's k is {k:.2f}, above {PARETO_K}; use engine='nuts'"
        warnings.warn(text, stacklevel=3)
    made = {"engine": "laplace", "inference_library": "bayesgmm", "inference_library_version": bayesgmm.__version__}
    made |= {"pareto_k": k, "importance_ess": float(1.0 / (weights @ weights))}
    if is_open(model):
        tree = with_parts(tree, model, most_log_likelihood=MOST_LOG_LIKELIHOOD)
    return dressed(tree, model, density=way.density, seed=seed, **made)


def _weighed(folded, proposals, report) -> np.ndarray:
    """Logarithms of p/q of standard normal proposals (n, p), but for a constant; of the first ones if interrupted."""

    logs, workers = [], pool(threads())
    try:
        for first in range(0, len(proposals), _STEP):
            logs.extend(workers.map(partial(log_ratio, folded), proposals[first : first + _STEP]))
            if report:
                report(len(logs), "")
    except KeyboardInterrupt:
        pass
    return np.array(logs)


def _tree(way, model, v, logs, rng):
    import xarray as xr

    u, modes, heights = way.folded.unfold(v, rng)
    chains, draws = v.shape[:2]
    coords = {"chain": np.arange(chains), "draw": np.arange(draws)}
    stats = {"logp": logs.reshape(chains, draws) - 0.5 * (v * v).sum(axis=2) if heights is None else heights}
    if modes is not None:
        stats["mode"] = modes
    stats = xr.Dataset({name: (("chain", "draw"), value) for name, value in stats.items()}, coords)
    return xr.DataTree.from_dict({"posterior": named(way.function.variables(u), model, coords), "sample_stats": stats})
