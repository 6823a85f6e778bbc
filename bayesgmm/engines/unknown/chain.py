"""A chain over partitions: what it keeps in memory for the compiled sweeps, and the draws that it has so far."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np

from bayesgmm.engines.density import conjugate, hierarchical, independent
from bayesgmm.engines.density.native import Layout
from bayesgmm.engines.unknown import components, native
from bayesgmm.engines.unknown.spec import Spec
from bayesgmm.engines.unknown.state import BRIMMING, FULL, OUTSIDE, Place
from bayesgmm.families import Family
from bayesgmm.kernel.evaluate import address
from bayesgmm.kernel.library import function
from bayesgmm.priors import Conjugate, Hierarchical, Independent, Prior

# A chain sweeps for so many seconds, and then looks whether it is to stop.
_PIECE = 0.05
# Numbers that a piece may write at a time.
_ROOM = 2_000_000
# Slots that a process without end begins with, and components that a chain begins with at most.
_SLOTS, _FIRST = 64, 10
_FORMS = {Conjugate: (components.CONJUGATE, conjugate), Independent: (components.INDEPENDENT, independent),
          Hierarchical: (components.HIERARCHICAL, hierarchical)}  # fmt: skip
#: By what is to be kept of the components.
KEEP = {"numbers": native.NUMBERS, "allocations": native.LABELS, "filled": native.FILLED, "all": native.ALL}


class Problem(NamedTuple):
    """What all chains share."""

    rows: np.ndarray  # (N, D)
    prior: Prior  # with its constants
    family: Family
    spec: Spec
    tune: int
    draws: int
    thin: int
    keep: str

    @property
    def layout(self) -> Layout:
        """How the constants of the prior are read."""
        return Layout(self.family, 1, self.rows.shape[1], has_hyper=isinstance(self.prior, Hierarchical))

    @property
    def constants(self) -> np.ndarray:
        """Those of the prior of components, without the weights', of which there are five for K = 1."""
        form = _FORMS[type(self.prior)][1]
        return np.ascontiguousarray(form.constants(self.prior, self.layout)[5:], dtype=float)

    @property
    def column(self) -> int | None:
        """Which number of a draw says how many components of it are written, if any are."""
        return {"all": 0, "filled": 1}.get(self.keep)


class Chain:
    """Where a chain stands, how many sweeps it has done, and the draws among them."""

    def __init__(self, problem: Problem, seed):
        (n, d), spec, self.problem = problem.rows.shape, problem.spec, problem
        self._key, self.done, self._piece = seed.generate_state(2, np.uint64), 0, 1
        self._d, self._width = d, d if problem.layout.is_dense else 1
        self._law, self._constants = spec.law(), problem.constants
        self.labels, self._header = np.zeros(n, dtype=np.int64), np.zeros(4, dtype=np.int64)
        self._scalars, self._hyper = np.array([*spec.start, 0.0, 0.0]), self._above()
        self._make_slots(len(spec.log_p) if spec.is_finite else _SLOTS)
        self._begin(np.random.default_rng(seed.spawn(1)[0]))
        self._pieces: list[tuple] = []

    @property
    def length(self) -> int:
        """How many draws it has."""
        return max(0, self.done - self.problem.tune) // self.problem.thin

    @property
    def is_finished(self) -> bool:
        """All of its draws are drawn."""
        return self.length == self.problem.draws

    def go_on(self) -> None:
        """Sweep for a moment."""
        p, began = self.problem, time.monotonic()
        n = min(self._piece, p.tune + p.draws * p.thin - self.done, max(1, _ROOM // len(p.rows)))
        before = self.length
        done = self.sweep(n)
        why = self._header[3]
        if why == OUTSIDE:
            raise ValueError(
                f"sweep {self.done} of a chain left double precision: a covariance or a weight is too small or too "
                "large for it; look at the constants of the prior and at the features' units"
            )
        if why == FULL:
            self._make_slots(2 * len(self._slots[0]))
        took = time.monotonic() - began
        if done == n and why != BRIMMING:
            self._piece = max(1, min(10 * n, int(n * _PIECE / max(took, 1e-6))))
        assert self.length - before == len(self._pieces[-1][0])

    def drawn(self, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Of the first n draws: numbers (n, 6), labels (n, N), what is above (n, D, D), components (…, 1 + D + D·w)."""
        numbers, labels, above, theta = (np.concatenate(parts) for parts in zip(*self._pieces))
        end = 0 if self.problem.column is None else int(numbers[:n, self.problem.column].sum())
        return numbers[:n], labels[:n], above[:n], theta[:end]

    def sweep(self, n: int) -> int:
        """Do n sweeps, or fewer where something ran full; returns how many."""
        p, d, slots = self.problem, self._d, len(self._slots[0])
        each, wanted = 1 + d + d * self._width, max(0, self.done + n - p.tune) // p.thin - self.length
        most, length = 0 if p.column is None else slots * each, 0 if p.keep == "numbers" else len(p.rows)
        numbers, labels = np.empty((wanted, native.N_NUMBERS)), np.empty((wanted, length), dtype=np.int64)
        above, theta = np.empty((wanted, d, d)), np.empty(min(wanted * most, max(_ROOM, most)))
        chain = self._laid_out()
        done = function(native.ROUTINE)(
            address(chain), address(self._key), self.done, n, p.tune, p.thin, KEEP[p.keep],
            address(numbers), address(labels), address(above), address(theta), len(theta),
        )  # fmt: skip
        q = max(0, self.done + done - p.tune) // p.thin - self.length
        self.done += done
        end = 0 if p.column is None else int(numbers[:q, p.column].sum())
        kind = np.int16 if slots < 2**15 else np.int32
        self._pieces.append((numbers[:q], labels[:q].astype(kind), above[:q], theta[: end * each].reshape(end, each)))
        return done

    def _laid_out(self) -> np.ndarray:
        """What the compiled code takes; it fills in the rest."""
        p, chain = self.problem, np.zeros(Place.END, dtype=np.int64)
        sizes = *p.rows.shape, self._width, len(self._slots[0]), len(self._law) - 8, _FORMS[type(p.prior)][0]
        arrays = [
            p.rows,
            self._constants,
            self._law,
            *self._slots,
            self.labels,
            self._header,
            self._scalars,
            self._hyper,
        ]
        chain[: Place.GAP] = *sizes, len(self._constants), *map(address, arrays)
        return chain

    def _make_slots(self, slots: int) -> None:
        """Room for the parameters and the moments of so many components; what there is stays."""
        d, width = self._d, self._width
        shapes = [(), (d,), (d, width)] * 2  # log π, μ, L; m₀, m₁, m₂
        made = [np.zeros((slots, *shape)) for shape in shapes]
        for new, old in zip(made, getattr(self, "_slots", ())):
            new[: len(old)] = old
        self._slots = made

    def _above(self) -> np.ndarray:
        """Where C₀ begins: at its prior mean."""
        prior, d = self.problem.prior, self._d
        if not isinstance(prior, Hierarchical):
            return np.zeros((d, d))
        if self.problem.layout.is_dense:
            return np.sqrt(2 * prior.rate_shape) * np.eye(d)
        rates = np.diag(prior.rate_rate) if not self.problem.layout.is_spherical else [prior.pooled_rate_rate] * d
        return np.log(prior.rate_shape / np.array(rates)) * np.ones((d, d))

    def _begin(self, rng) -> None:
        """Components around rows picked at random, a number of them for each chain."""
        (logs, means, factors, *_), (x, spec) = self._slots, (self.problem.rows, self.problem.spec)
        possible = np.flatnonzero(np.isfinite(spec.log_p)) + 1 if spec.is_finite else np.arange(1, _FIRST + 1)
        k = int(rng.choice(possible[: max(1, (possible <= _FIRST).sum())]))
        sds = x.std(axis=0) * k ** (-1 / self._d)
        if self.problem.layout.is_spherical:
            sds = np.full(self._d, np.sqrt((sds**2).mean()))
        logs[:k], means[:k] = -np.log(k), x[rng.integers(len(x), size=k)]
        factors[:k] = np.diag(sds) if self._width > 1 or self._d == 1 else sds[:, None]
        self._header[0] = k
