"""Quasi-Newton EM: what a path of EM steps tells about the curvature, and the longer steps it allows.

An EM step is a gradient step, preconditioned by the information in the complete data (rows and labels together).
Where components overlap the rows alone know much less, and EM crawls. So the residual of EM, M(θ) − θ, is written in
coordinates in which the complete-data information is the identity, and L-BFGS climbs from there with the identity as
its first guess: its first step is EM's own, whatever the covariance family and the prior (Jamshidian & Jennrich 1997,
QN2, with limited memory).
"""

from __future__ import annotations

from collections import deque
from math import sqrt

import numpy as np

from bayesgmm.families import Family
from bayesgmm.mixture import Mixture

# Pairs remembered: as many as a small fit has free parameters, and little beside the rows of a large one.
MEMORY = 30
# The longest first step, in units of log π, of a component's standard deviations and of log Σ; and of any step.
RADIUS, WIDEST, NARROWEST = 1.0, 3.0, 1e-2
_HALF = 0.5**0.5


class Frame:
    """Coordinates around a mixture θ in which the information of N complete rows is the identity.

    A vector has, for each component, √N_k times (δπ_k / π_k; L_k⁻¹ δμ_k; L_k⁻¹ δΣ_k L_k⁻ᵀ / √2), N_k = Nπ_k: it does
    not depend on units. Vectors of one frame are taken over into the next as they are, which is a vector transport
    that keeps lengths and angles (Huang, Gallivan & Absil 2015).

    Parameters
    ----------
    mixture : Mixture
        θ.
    total : float
        N, the number of rows or the sum of their case weights.
    """

    def __init__(self, mixture: Mixture, total: float):
        self.mixture, self.total = mixture, total
        self._factors = mixture.whitening.scale_trils
        self._inverses = np.linalg.inv(self._factors)
        # Under a prior a weight may be 0: a component of less than one row keeps the length of one.
        self._lengths = np.sqrt(np.maximum(total * mixture.weights, 1.0))[:, None]

    def toward(self, other: Mixture) -> np.ndarray:
        """The vector from θ to another mixture."""
        here, (k, d) = self.mixture, self.mixture.means.shape
        parts = np.empty((k, 1 + d + d * d))
        parts[:, 0] = (other.weights - here.weights) / np.where(here.weights > 0, here.weights, 1.0)
        parts[:, 1 : 1 + d] = (self._inverses @ (other.means - here.means)[:, :, None])[:, :, 0]
        turned = self._inverses @ other.whitening.scale_trils
        parts[:, 1 + d :] = (turned @ turned.mT).reshape(len(turned), -1)
        parts[:, 1 + d :: d + 1] -= 1.0
        parts[:, 1 + d :] *= _HALF
        parts *= self._lengths
        return parts.ravel()

    def at(self, vector: np.ndarray, family: Family, radius: float = np.inf) -> Mixture:
        """The mixture of a family that lies along a vector from θ, no component of it further than a radius.

        Always a mixture: weights move by their logarithms, and Σ to L (I + W + W²/2) Lᵀ, which is positive definite
        for any symmetric W. Raises LinAlgError where rounding leaves it none.
        """
        here, (k, d) = self.mixture, self.mixture.means.shape
        parts = vector.reshape(k, -1) / self._lengths
        parts[:, 1 + d :] /= _HALF
        furthest = sqrt(np.add.reduceat(parts * parts, [0, 1, 1 + d], axis=1).max())
        if furthest > radius:
            parts *= radius / furthest
        weights = here.weights * np.exp(parts[:, 0])
        weights /= weights.sum()
        means = here.means + (self._factors @ parts[:, 1 : 1 + d, None])[:, :, 0]
        change = parts[:, 1 + d :].reshape(k, d, d)
        grown = np.eye(d) + change + 0.5 * (change @ change)
        covariances = self._factors @ grown @ self._factors.mT
        # The family's own M-step takes rounding, and what is no flat subset, back into the family.
        counts = self.total * np.maximum(weights, 1e-100)
        covariances = family.m_step(counts[:, None, None] * covariances, counts, here.covariances)
        return Mixture.from_whitening(weights, means, family.whitening(covariances), features=here.features)


class Curvature:
    """What steps s and the falls y of the residual along them tell: y ≈ B s, B the information left in the rows.

    Its inverse H, which is symmetric and positive definite, is built from the last pairs by L-BFGS (Nocedal 1980).
    """

    def __init__(self):
        self.radius = RADIUS
        self.is_concave = False
        self._pairs = deque(maxlen=MEMORY)  # (s, y, sᵀy), |s| = 1

    def learn(self, step: np.ndarray, fall: np.ndarray) -> None:
        """Remember a pair, unless the objective was not concave along it."""
        square, product = float(step @ step), float(step @ fall)
        self.is_concave = square > 0 and product > 1e-10 * square
        if self.is_concave:
            length = sqrt(square)
            self._pairs.append((step / length, fall / length, product / square))

    def judge(self, was_good: bool) -> None:
        """Take longer steps after a success, much shorter ones after a failure."""
        self.radius = min(1.5 * self.radius, WIDEST) if was_good else max(self.radius / 3, NARROWEST)

    @property
    def is_known(self) -> bool:
        """There is something to go by."""
        return len(self._pairs) > 0

    def direction(self, residual: np.ndarray) -> np.ndarray:
        """H f: the quasi-Newton step; f itself, EM's step, while nothing is known."""
        if not self.is_known:
            return residual
        along, direction = [], residual.copy()
        for step, fall, slope in reversed(self._pairs):
            along.append((step @ direction) / slope)
            direction -= along[-1] * fall
        # The rows know less than rows and labels together: H is at least the identity where nothing was seen.
        _, fall, slope = self._pairs[-1]
        direction *= max(1.0, slope / (fall @ fall))
        for (step, fall, slope), size in zip(self._pairs, reversed(along), strict=True):
            direction += (size - (fall @ direction) / slope) * step
        return direction

    def decrement(self, residual: np.ndarray) -> float:
        """Newton's fᵀ B⁻¹ f, rather too high than too low: twice what is left to gain; infinite while unknown.

        H may not have seen the direction of a ridge along which a small f hides a large gain, so the estimate is f's
        whole length at the flattest curvature sᵀBs / sᵀs seen of late; that takes one to three passes more than
        fᵀHf would, and these are the polish.
        """
        if len(self._pairs) < 2 or not self.is_concave:
            return np.inf
        return float(residual @ residual) / min(1.0, *(slope for _, _, slope in self._pairs))
