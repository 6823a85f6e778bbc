"""The modes of a posterior on the unconstrained scale, and how much of its mass each holds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from bayesgmm.fit.mode import Summit

# Where the curvature was not looked at, posterior standard deviations are taken to be this small.
_SMALL = 0.01
# Curvature, and that of correlations, where there is none, or the wrong one.
_LEAST_CURVATURE = 1e-3
# Modes are told apart by their height; what differs by less is the same one, or it under other labels.
_SAME = 1e-4
# Modes that are kept: at most so many, and none with less than this share of the heaviest one's mass.
MOST, LEAST_SHARE = 4, 1e-3
# Climbed points that are worth a look: so many, the heaviest by a rough guess, and none far behind.
_MOST_LOOKS = 6


class Mode(NamedTuple):
    """A local maximum of a density of u (p,).

    ``factor`` is A (p, p), lower triangular, with A Aᵀ = the inverse of the curvature, or (p,) where p is too large;
    ``log_mass`` is the logarithm of the integral around the mode, by Laplace's approximation.
    """

    point: np.ndarray
    height: float
    factor: np.ndarray
    log_mass: float

    @classmethod
    def at(cls, height: float, point, curvature) -> Mode:
        """The mode at a point that was climbed to, with the curvature (p, p) there, if it is known."""
        p = len(point)
        if curvature is None:
            return cls(point, height, np.full(p, _SMALL), height)
        units = np.sqrt(np.maximum(np.diag(curvature), _LEAST_CURVATURE))
        values, vectors = np.linalg.eigh(curvature / units[:, None] / units)
        values = np.maximum(values, _LEAST_CURVATURE)
        inverse = (vectors / values) @ vectors.T / units[:, None] / units
        log_det = np.log(values).sum() + 2 * np.log(units).sum()
        return cls(point, height, np.linalg.cholesky(inverse), height + 0.5 * (p * np.log(2 * np.pi) - log_det))


def heaviest(density, summits: Iterable[Summit], *, relabelled=None) -> list[Mode]:
    """The modes that matter, the one with the most mass first.

    A density can be higher at a mode that holds less: near-empty components make narrow peaks.

    Parameters
    ----------
    density : callable
        u ↦ (value, gradient).
    summits : iterable of Summit
        The same mode may be among them several times.
    relabelled : callable, optional
        (u, reference u) ↦ the `Summit` with labels as close to the reference's as they come. A story that is not the
        same under other labels keeps those that were found.
    """
    found: list[Mode] = []
    for summit in summits:
        height = density(summit.point)[0]
        if np.isfinite(height) and all(abs(height - mode.height) > _SAME for mode in found):
            found.append(Mode.at(height, summit.point, summit.curvature))
    if not found:
        raise ValueError("no start reached a mode of the posterior density: it is zero or no number where climbs end")
    found.sort(key=lambda mode: -mode.log_mass)
    most = MOST if found[0].factor.ndim == 2 else 1
    kept = [mode for mode in found[:most] if mode.log_mass > found[0].log_mass + np.log(LEAST_SHARE)]
    return kept[:1] + [_near(mode, kept[0], relabelled) for mode in kept[1:]]


def _near(mode: Mode, reference: Mode, relabelled) -> Mode:
    if relabelled is None:
        return mode
    there = relabelled(mode.point, reference.point)
    height = there.history[-1]
    return mode if abs(height - mode.height) > _SAME else Mode.at(height, there.point, there.curvature)


def worth_a_look(heights, counts, per_component: int) -> np.ndarray:
    """Positions of climbs that may have found a mode that matters, from the highest on, none twice.

    The variables of component k are known as if from N_k rows, so that log mass ≈ height − ½ V Σ_k log N_k + constant.

    Parameters
    ----------
    heights : array_like (C,)
        Log posterior densities.
    counts : array_like (C, K)
        N_k.
    per_component : int
        V, variables a component.
    """
    heights = np.asarray(heights, dtype=float)
    guesses = heights - 0.5 * per_component * np.log(np.asarray(counts) + per_component).sum(axis=1)
    order, chosen = np.argsort(-guesses, kind="stable"), []
    # The guess is off by about as much as there are variables.
    window = 10.0 + per_component * np.shape(counts)[1] / 4
    for i in order:
        is_new = all(abs(heights[i] - heights[j]) > _SAME for j in chosen)
        if is_new and len(chosen) < _MOST_LOOKS and guesses[i] > guesses[order[0]] - window:
            chosen.append(i)
    return np.array(chosen)
