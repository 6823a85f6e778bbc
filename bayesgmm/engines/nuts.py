"""NUTS by nutpie: chains start around one mode, in one labelling."""

from __future__ import annotations

import sys

import numpy as np

from bayesgmm.engines.tree import dressed
from bayesgmm.engines.ways import way_of

# Chains start this many posterior standard deviations, by the curvature at the mode, away from it.
DISPERSION = 1.5
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
        with _bar(progress, chains * (draws + tune)) as report:
            way = way_of(model)
            ready = way.sampler(DISPERSION)
            options["adaptation"] = "low_rank" if ready.n_dim <= _LOW_RANK_UP_TO else "diag"
            options["extra_doublings"] = int(ready.n_dim <= _LOW_RANK_UP_TO and way.is_far_from_normal())
            running = nutpie.sample(ready, **options, blocking=False, progress_bar=False, progress_callback=report)
            tree = _wait(running)
    tree = way.named(tree, model, np.random.default_rng(seed[1]))
    return dressed(tree, model, density=way.density, seed=int(seed[0]))


def _wait(running):
    """Wait for the sampler, so that an interrupt stops it and is not lost."""
    try:
        return running.wait()
    except KeyboardInterrupt:
        running.cancel()
        raise


class _bar:
    """A rich progress bar on a terminal, fed by nutpie's callback."""

    def __init__(self, show: bool, total: int):
        self.bar, self.total = None, total
        if show and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import Progress, TextColumn

            columns = (*Progress.get_default_columns(), TextColumn("{task.fields[note]}"))
            self.bar = Progress(*columns, console=Console(stderr=True), transient=True)

    def __enter__(self):
        if self.bar is None:
            return None
        self.bar.start()
        task = self.bar.add_task("getting ready", total=None, note="")

        def report(chains):
            done, divergent = (sum(getattr(c, name) for c in chains) for name in ("finished_draws", "divergences"))
            note = f"{divergent} divergences"
            self.bar.update(task, description="NUTS", total=self.total, completed=done, note=note)

        return report

    def __exit__(self, *error):
        if self.bar is not None:
            self.bar.stop()
