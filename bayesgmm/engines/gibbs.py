"""Gibbs sampling by data augmentation (Diebolt & Robert 1994): chains start around one mode, in one labelling."""

from __future__ import annotations

import time

import numpy as np

from bayesgmm.engines.density import Density
from bayesgmm.engines.masses import mode_masses
from bayesgmm.engines.sweeps import has_sweeps, sweep
from bayesgmm.engines.tree import dressed
from bayesgmm.engines.waiting import bar, cut_short, run_chains
from bayesgmm.engines.ways import named, way_of
from bayesgmm.ppl.declaration import declaration
from bayesgmm.ppl.observed import observed_mixture

# A chain sweeps for so many seconds, and then looks whether it is to stop.
_PIECE = 0.05
# Rows that counts of rows may stand for.
_MOST_ROWS = 50_000_000


def gibbs(model, *, draws: int, tune: int, chains: int, seed, progress: bool, permute_labels: bool = False):
    """Sample a story: a DataTree with the labels as they were sampled. See `bayesgmm.sample`."""
    from threadpoolctl import threadpool_limits

    import bayesgmm

    rows = _rows(model)
    seed = int(np.random.SeedSequence(seed).generate_state(1)[0])
    with threadpool_limits(1), bar("Gibbs", chains * (draws + tune), progress) as report:
        way = way_of(model)
        density = Density(way.function.form, way.function.prior, way.function.layout, rows)
        seeds = np.random.SeedSequence(seed).spawn(chains)
        running = [Chain(density, way.start(s.spawn(1)[0]), s, tune, draws, permute_labels) for s in seeds]
        whole = run_chains(running, report)
    tree, points = _tree(running, density, model)
    if not whole:
        cut_short(tree, [chain.length for chain in running], draws)
    elif not permute_labels:
        tree.attrs |= mode_masses(tree, density, points, np.random.default_rng(seed))
    made = {"engine": "gibbs", "inference_library": "bayesgmm", "inference_library_version": bayesgmm.__version__}
    made |= {"density": way.density, "seed": seed, "permute_labels": int(permute_labels)}
    return dressed(tree, model, **made)


def _rows(model) -> np.ndarray:
    """The rows of a story that can be swept, one for each that its case weights count."""
    known, observed = declaration(model), observed_mixture(model)
    if known is None:
        raise ValueError(
            "engine='gibbs' draws parameters from closed forms, and needs a story that declares its prior and was not "
            "edited since; engine='nuts' takes any story"
        )
    if not has_sweeps(known.prior):
        kind = type(known.prior).__name__
        raise ValueError(f"engine='gibbs' has no closed forms under the prior {kind}; use engine='nuts'")
    if np.isnan(observed.x).any():
        raise ValueError("engine='gibbs' needs complete rows; engine='nuts' sums missing cells out")
    if observed.case_weights is None:
        return observed.x
    counts = observed.case_weights.astype(np.int64)
    if (counts != observed.case_weights).any() or counts.sum() > _MOST_ROWS:
        raise ValueError(
            "engine='gibbs' gives every row one label, so that case weights must be whole numbers, and few enough rows "
            f"in all (at most {_MOST_ROWS:,}); engine='nuts' takes any"
        )
    return np.repeat(observed.x, counts, axis=0)


class Chain:
    """Where a chain stands: its last point, how many sweeps it has done, and the draws among them."""

    def __init__(self, density, u, seed, tune: int, draws: int, permute_labels: bool):
        self._density, self._point, self._moves = density, u, permute_labels
        self._key = seed.generate_state(2, np.uint64)
        self._tune, self._draws, self.done, self._piece = tune, draws, 0, 1
        self._points, self._heights = np.empty((draws, density.size)), np.empty(draws)

    @property
    def length(self) -> int:
        """How many draws it has."""
        return max(0, self.done - self._tune)

    @property
    def is_finished(self) -> bool:
        """All of its draws are drawn."""
        return self.length == self._draws

    def go_on(self) -> None:
        """Sweep for a moment."""
        n, began = min(self._piece, self._tune + self._draws - self.done), time.monotonic()
        points, heights = sweep(self._density, self._point, self._key, self.done, n, moves=self._moves)
        before, self.done, self._point = self.length, self.done + n, points[-1]
        fresh = self.length - before
        for kept, new in ((self._points, points), (self._heights, heights)):
            kept[before : self.length] = new[n - fresh :]
        took = time.monotonic() - began
        self._piece = max(1, min(10 * n, int(n * _PIECE / max(took, 1e-6))))

    def drawn(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """The first n draws (n, p), and their log densities (n,)."""
        return self._points[:n], self._heights[:n]


def _tree(chains: list[Chain], density: Density, model):
    """Draws under the names of the model's variables with their log densities, and as points; zeros where there are
    none yet."""
    import xarray as xr

    lengths = [chain.length for chain in chains]
    n = max(lengths)
    points, heights = np.zeros((len(chains), n, density.size)), np.zeros((len(chains), n))
    for chain, length, p, h in zip(chains, lengths, points, heights):
        p[:length], h[:length] = chain.drawn(length)
    coords = {"chain": np.arange(len(chains)), "draw": np.arange(n)}
    posterior = named(density.variables(points), model, coords)
    stats = xr.Dataset({"lp": (("chain", "draw"), heights)}, coords)
    return xr.DataTree.from_dict({"posterior": posterior, "sample_stats": stats}), points
