"""NUTS, by nutpie or numpyro: chains start around one mode, in one labelling."""

from __future__ import annotations

import warnings
from importlib.metadata import version
from importlib.util import find_spec

import numpy as np

from bayesgmm.engines.masses import mode_masses
from bayesgmm.engines.parts import MOST_LOG_LIKELIHOOD, with_parts
from bayesgmm.engines.tree import dressed
from bayesgmm.engines.waiting import bar, cut_short
from bayesgmm.engines.ways import DISPERSION, way_of
from bayesgmm.ppl.parts import is_open

# Up to so many variables, warm-up also looks for directions that the curvature at the mode misjudged. Where components
# overlap (iris, K = 3: 44 variables) that gives half as many effective draws again; with 104 it takes as long as
# sampling itself.
_LOW_RANK_UP_TO = 50


def nuts(model, *, draws: int, tune: int, chains: int, seed, progress: bool, nuts_sampler: str = "nutpie"):
    """Sample a story: a DataTree with the labels as they were sampled. See `bayesgmm.sample`."""
    from threadpoolctl import threadpool_limits

    seed = np.random.SeedSequence(seed).generate_state(2)
    options = {"draws": draws, "tune": tune, "chains": chains, "seed": int(seed[0])}
    with threadpool_limits(1):  # BLAS threads would fight the chains
        with bar("NUTS", chains * (draws + tune), progress) as report:
            way, density, tree = {"nutpie": _nutpie, "numpyro": _numpyro}[nuts_sampler](model, report, **options)
        rng = np.random.default_rng(seed[1])
        tree, points = way.named(tree, model, rng)
        if is_open(model):
            tree = with_parts(tree, model, most_log_likelihood=MOST_LOG_LIKELIHOOD)
        if points is not None:
            tree.attrs |= mode_masses(tree, way.function, points, rng)
    made = {"engine": "nuts", "inference_library": nuts_sampler, "inference_library_version": version(nuts_sampler)}
    return dressed(tree, model, density=density, seed=int(seed[0]), **made)


def _nutpie(model, report, *, draws, **options):
    """The way to the story's density, what that is made of, and draws by nutpie."""
    import nutpie

    way = way_of(model)
    ready = way.sampler(DISPERSION)
    options["adaptation"] = "low_rank" if ready.n_dim <= _LOW_RANK_UP_TO else "diag"
    options["extra_doublings"] = int(ready.n_dim <= _LOW_RANK_UP_TO and way.is_far_from_normal())
    options |= {"progress_callback": report and _told(report), "save_warmup": False, "progress_bar": False}
    return way, way.density, _wait(nutpie.sample(ready, draws=draws, **options, blocking=False), draws)


def _numpyro(model, report, *, draws, tune, **options):
    """The same by numpyro, which the way only tells where the mode is and what the variables are."""
    if any(find_spec(name) is None for name in ("jax", "numpyro")):
        raise ImportError("nuts_sampler='numpyro' needs JAX and numpyro: pip install 'bayesgmm[jax]'")
    from bayesgmm.engines import jaxed

    way = way_of(model, compiled=False)
    states, run = jaxed.ready(model, way.folded, way.starts(DISPERSION), tune=tune, **options)
    tree = jaxed.chains_of(states, run, draws=draws, tune=tune, report=report)
    return way, "compiled by JAX from the PyMC graph", tree


def _told(report):
    """nutpie's callback for a bar."""

    def tell(chains):
        done, divergent = (sum(getattr(c, name) for c in chains) for name in ("finished_draws", "divergences"))
        report(done, f"{divergent} divergences")

    return tell


def _wait(running, draws: int):
    """Wait for the sampler; an interrupt stops it, and what every chain has drawn until then is kept."""
    try:
        return running.wait()
    except KeyboardInterrupt:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # ArviZ wonders at more chains than draws
            tree = running.abort()
    # nutpie fills up what a chain has not drawn yet.
    return cut_short(tree, (~np.isnan(tree["sample_stats"]["logp"].values)).sum(axis=1), draws)
