"""Free coordinates around a mixture of a family: the information in them, and how the parameters move with them.

They are those of `kernel.Information`, (a, b, E), as far as the family leaves them free: shifts a_k of log π_k, b_k =
L_k⁻¹ δμ_k, and E_k = L_k⁻¹ δL_k. For flat families E_k is linear in what is free, so that second derivatives along it
need no more than the family's directions. For the others E_k is a function of the family's own coordinates, whose
second derivatives count too, each with the slope of the log-likelihood along its entry, which the family keeps from
being zero. The a have one coordinate too many, which no density depends on: Σ π_k a_k is held at zero by an information
of N about it, under which complete rows have the information N π_k about a_k, and which no parameter's variance feels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bayesgmm.families import Diagonal, Family, Full
from bayesgmm.fit.em import Posterior, Target
from bayesgmm.fit.mode import hessian
from bayesgmm.kernel import Incomplete, e_step, information
from bayesgmm.mixture import Mixture
from bayesgmm.priors import Prior

# Of second differences of a value, in standard deviations of a row: rounding and the next term are about even. And of
# first differences of factors, whose next terms are left out up to the fifth.
_STEP, _SLOPE_STEP = 3e-4, 1e-3


@dataclass(frozen=True, eq=False)
class Chart:
    """Coordinates v (q,) around a mixture, which lies at 0, in its family."""

    mixture: Mixture
    family: Family

    @property
    def shape(self) -> tuple[int, int]:
        """(K, D)."""
        return self.mixture.means.shape

    @cached_property
    def entries(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns of the entries of E_k."""
        d = self.shape[1]
        return (np.arange(d),) * 2 if self.mixture.whitening.is_diagonal else np.tril_indices(d)

    @cached_property
    def directions(self) -> np.ndarray:
        """How the coordinates (p,) of `kernel.Information` move with v: (p, q); of flat families, of zeros and ones."""
        k, d = self.shape
        own, free = k + k * d, self.family.directions(k, d) if self.family.is_flat else self._slopes_of_entries()
        found = np.zeros((own + len(free), own + free.shape[1]))
        found[:own, :own], found[own:, own:] = np.eye(own), free
        return found

    @cached_property
    def _coordinates(self):
        return self.family.coordinates(self.mixture.covariances)

    def _factors(self, v: np.ndarray) -> np.ndarray:
        """L (…, K, D, D) at the family's own coordinates (…, r)."""
        return np.linalg.cholesky(self._coordinates.at(v))

    def _entries_at(self, v: np.ndarray) -> np.ndarray:
        """The entries of E (…, K · rows) at the family's own coordinates (…, r)."""
        change = np.linalg.solve(self.mixture.scale_trils, self._factors(v)) - np.eye(self.shape[1])
        return change[..., *self.entries].reshape(*v.shape[:-1], -1)

    def _slopes_of_entries(self) -> np.ndarray:
        step = _SLOPE_STEP * np.eye(self._coordinates.size)
        near, far = (self._entries_at(n * step) - self._entries_at(-n * step) for n in (1, 2))
        return ((8 * near - far) / (12 * _SLOPE_STEP)).T

    def bend(self, slopes: np.ndarray) -> np.ndarray:
        """Second derivatives (q, q) of Σ slopes · E, slopes (K · rows,); zero where the family is flat."""
        q = self.directions.shape[1]
        found = np.zeros((q, q))
        if not self.family.is_flat:
            r = self._coordinates.size
            found[q - r :, q - r :] = second_differences(lambda v: self._entries_at(v) @ slopes, r)
        return found

    def units(self, total: float) -> np.ndarray:
        """Of each coordinate (q,) the root of the information in N complete rows about it, one row at the least."""
        k, d = self.shape
        counts = np.maximum(total * self.mixture.weights, 1.0)[:, None]
        rows, columns = self.entries
        parts = counts, counts * np.ones(d), counts * np.where(rows == columns, 2.0, 1.0)
        return np.sqrt(np.concatenate([part.ravel() for part in parts]) @ self.directions**2)

    def split(self, v: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """a (…, K), b (…, K, D) and E (…, K, D, D) of coordinates v (…, q)."""
        k, d = self.shape
        a, b, e = np.split(v @ self.directions.T, [k, k + k * d], axis=-1)
        change = np.zeros((*v.shape[:-1], k, d, d))
        change[..., *self.entries] = e.reshape(*v.shape[:-1], k, -1)
        return a, b.reshape(*v.shape[:-1], k, d), change

    def at(self, v: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Weights (…, K), means (…, K, D) and factors L (…, K, D, D) at coordinates v (…, q)."""
        here, (a, b, change) = self.mixture, self.split(v)
        weights = here.weights * np.exp(a)
        means = here.means + np.squeeze(here.scale_trils @ b[..., None], -1)
        if self.family.is_flat:
            factors = here.scale_trils + here.scale_trils @ change
        else:
            factors = self._factors(v[..., v.shape[-1] - self._coordinates.size :])
        return weights / weights.sum(axis=-1, keepdims=True), means, factors

    def slopes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """How weights (q, K), means (q, K, D) and covariances (q, K, D, D) move with v."""
        here, (a, b, change) = self.mixture, self.split(np.eye(self.directions.shape[1]))
        weights = here.weights * (a - (a @ here.weights)[:, None])
        half = here.scale_trils @ change @ here.scale_trils.mT
        return weights, np.squeeze(here.scale_trils @ b[..., None], -1), half + half.mT


def curvature(chart: Chart, x, target: Target, case_weights=None) -> np.ndarray:
    """Minus the second derivatives (q, q) in v of what was climbed, with N about Σ π_k a_k.

    Of the log-likelihood they come from one pass over complete rows, and from differences of the gradient where cells
    are missing; of the log prior, from differences of its value.
    """
    weights, turn = chart.mixture.weights, chart.directions
    # A family that is flat and holds this one: as many covariances as there are, of which nothing is shared.
    around = Chart(chart.mixture, Diagonal() if chart.mixture.whitening.is_diagonal else Full())
    if isinstance(x, Incomplete):
        around = chart if chart.family.is_flat else around
        found = -hessian(lambda v: (0.0, _gradient(around, x, case_weights, v)), np.zeros(around.directions.shape[1]))
        found = found if chart.family.is_flat else turn.T @ found @ turn
    else:
        found = turn.T @ information(x, chart.mixture, case_weights).observed @ turn
    if not chart.family.is_flat:
        slopes = _gradient(around, x, case_weights, np.zeros(around.directions.shape[1]))
        found = found - chart.bend(slopes[chart.mixture.means.size + len(weights) :])
    if isinstance(target, Posterior):
        found = found - _of_values(chart, target.prior)
    total = len(x) if case_weights is None else float(np.sum(case_weights))
    found[: len(weights), : len(weights)] += total * np.outer(weights, weights)
    return found


def _gradient(chart: Chart, x, case_weights, v) -> np.ndarray:
    """Of the log-likelihood at v (q,), by Fisher's identity: that of Q at the statistics there."""
    here, (weights, means, factors) = chart.mixture, chart.at(v)
    there = Mixture(weights, means, factors @ factors.mT, features=here.features)
    stats = e_step(x, there, case_weights, pointwise=False)[1]
    inverse = np.linalg.inv(factors)
    turned = (inverse @ here.scale_trils).mT
    gap = stats.counts[:, None, None] * (inverse @ (stats.means - means)[:, :, None])
    spread = inverse @ stats.scatters_about(means) @ inverse.mT - stats.counts[:, None, None] * np.eye(means.shape[1])
    parts = stats.counts - stats.total * weights, (turned @ gap), (turned @ spread)[:, *chart.entries]
    return np.concatenate([part.ravel() for part in parts]) @ chart.directions


def _of_values(chart: Chart, prior: Prior) -> np.ndarray:
    """Second derivatives (q, q) of the log prior density of (π, μ, Σ), by central differences."""

    def value(v):
        weights, means, factors = chart.at(v)
        return sum(prior.log_parts(weights, means, factors @ factors.mT, chart.family).values())

    return second_differences(value, chart.directions.shape[1])


def second_differences(value, q: int) -> np.ndarray:
    """Second derivatives (q, q) at 0 of a function of v (…, q), by central differences."""
    steps = _STEP * np.eye(q)
    middle, single = value(steps[0] * 0), value(steps) + value(-steps)
    found = np.zeros((q, q))
    for i, step in enumerate(steps):
        double = value(step + steps[i:]) + value(-step - steps[i:])
        found[i, i:] = found[i:, i] = (double - single[i] - single[i:] + 2 * middle) / (2 * _STEP**2)
    return found
