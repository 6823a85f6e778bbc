"""NUTS by nutpie: chains start around one mode, in one labelling."""

from __future__ import annotations

import warnings

import numpy as np

from bayesgmm.engines.masses import mode_masses
from bayesgmm.engines.tree import dressed
from bayesgmm.engines.waiting import bar, cut_short
from bayesgmm.engines.ways import DISPERSION, way_of

# Up to so many variables, warm-up also looks for directions that the curvature at the mode misjudged. Where components
# overlap (iris, K = 3: 44 variables) that gives half as many effective draws again; with 104 it takes as long as
# sampling itself.
_LOW_RANK_UP_TO = 50


def nuts(model, *, draws: int, tune: int, chains: int, seed, progress: bool):
    """Sample a story: a DataTree with the labels as they were sampled. See `bayesgmm.sample`."""
    import nutpie
    from threadpoolctl import threadpool_limits

    seed = np.random.SeedSequence(seed).generate_state(2)
    options = {"draws": draws, "tune": tune, "chains": chains, "seed": int(seed[0]), "save_warmup": False}
    with threadpool_limits(1):  # BLAS threads would fight the chains
        with bar("NUTS", chains * (draws + tune), progress) as report:
            way = way_of(model)
            ready = way.sampler(DISPERSION)
            options["adaptation"] = "low_rank" if ready.n_dim <= _LOW_RANK_UP_TO else "diag"
            options["extra_doublings"] = int(ready.n_dim <= _LOW_RANK_UP_TO and way.is_far_from_normal())
            options["progress_callback"] = report and _told(report)
            tree = _wait(nutpie.sample(ready, **options, blocking=False, progress_bar=False), draws)
        rng = np.random.default_rng(seed[1])
        tree, points = way.named(tree, model, rng)
        if points is not None:
            tree.attrs |= mode_masses(tree, way.function, points, rng)
    made = {"engine": "nuts", "inference_library": "nutpie", "inference_library_version": nutpie.__version__}
    return dressed(tree, model, density=way.density, seed=int(seed[0]), **made)


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
