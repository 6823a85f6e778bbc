"""Loadings of draws, turned to agree: what a rotation of the factors changes has no meaning of its own."""

from __future__ import annotations

import numpy as np

from bayesgmm.reduction.coordinates import loadings_of

# Turns of all draws to their mean, and by how little the last one may move it.
_MOST_TURNS, _STILL = 100, 1e-10
_ROTATIONS = ("principal", "varimax")


def align_factors(draws, *, reference=None, rotation="principal"):
    """Turn the loadings of every draw, component by component, to where they agree.

    Σ_k, and all that rests on it, stay as they are. Labels are to be matched before (`bayesgmm.relabel`).

    Parameters
    ----------
    draws : DataTree
        Of `bayesgmm.models.factor_mixture`.
    reference : FactorFit or array (K, D, q), optional
        Loadings to turn to, of the same labels. Without it, the mean of the draws once they agree, itself turned.
    rotation : {"principal", "varimax"}
        How that mean is turned: factors in the order of what they explain, or so that each has few large loadings.

    Returns
    -------
    DataTree
        The same, ``loadings`` turned; the attribute ``factor_rotation`` of the posterior says how.

    Raises
    ------
    ValueError
        If the draws have no loadings, or the reference is of another shape.

    References
    ----------
    Schönemann (1966) and Gower (1975) for rotations that agree best; Kaiser (1958) for varimax; Aßmann,
    Boysen-Hogrefe & Pape (2016) for doing so after sampling.
    """
    if rotation not in _ROTATIONS:
        raise ValueError(f"rotation must be one of {', '.join(map(repr, _ROTATIONS))}, not {rotation!r}")
    mixtures, loadings, noise = loadings_of(draws)
    _, k, d, q = loadings.shape
    if reference is not None:
        reference = np.asarray(getattr(reference, "loadings", reference), dtype=float)
        if reference.shape != (k, d, q):
            raise ValueError(f"reference has the shape {reference.shape}, but loadings are {(k, d, q)}")
    # A feature counts by its loadings in units of its noise, whatever its own units.
    units = np.sqrt(noise.mean(axis=0))
    found = np.empty_like(loadings)
    for c in range(k):
        scaled = loadings[:, c] / units[c][:, None]
        own = None if reference is None else reference[c] / units[c][:, None]
        found[:, c] = _agreed(scaled, own, rotation) * units[c][:, None]
    new = draws.copy()
    posterior = new["posterior"].to_dataset()
    dims = ("chain", "draw", "component", "feature", "factor")
    shape = (posterior.sizes["chain"], posterior.sizes["draw"], k, d, q)
    turned = posterior["loadings"].transpose(*dims).copy(data=found.reshape(shape))
    new["posterior"].dataset = posterior.assign(loadings=turned).assign_attrs(
        posterior.attrs, factor_rotation="to a reference" if reference is not None else rotation
    )
    return new


def _agreed(loadings, reference, rotation: str) -> np.ndarray:
    """Loadings (M, D, q) of one component, each turned to the reference, or to their mean."""
    if reference is not None:
        return _turned(loadings, reference)
    mean = loadings[0]
    for _ in range(_MOST_TURNS):
        loadings = _turned(loadings, mean)
        before, mean = mean, loadings.mean(axis=0)
        if np.abs(mean - before).max() <= _STILL * np.abs(mean).max():
            break
    turn = np.linalg.svd(mean, full_matrices=False)[2].T
    if rotation == "varimax":
        turn = turn @ varimax(mean @ turn)
    signs = np.take_along_axis(mean @ turn, np.abs(mean @ turn).argmax(axis=0)[None], axis=0)
    return loadings @ (turn * np.where(signs < 0, -1.0, 1.0))


def _turned(loadings, reference) -> np.ndarray:
    """Each of (M, D, q) times the orthogonal matrix that brings it nearest to (D, q)."""
    left, _, right = np.linalg.svd(loadings.mT @ reference)
    return loadings @ (left @ right)


def varimax(loadings, most: int = 500) -> np.ndarray:
    """The rotation (q, q) after which the squares of each column of loadings (D, q) vary most.

    Examples
    --------
    >>> turn = varimax(np.array([[1.0, 1.0], [1.0, -1.0], [2.0, 2.0]]))
    >>> np.abs(np.array([[1.0, 1.0], [1.0, -1.0], [2.0, 2.0]]) @ turn).round(3).min(axis=1).tolist()
    [0.0, 0.0, 0.0]
    """
    # Where all features load alike on all factors, to begin with, there is no way up to be seen: begin elsewhere too.
    begin = np.eye(loadings.shape[1]), np.linalg.qr(np.random.default_rng(0).normal(size=2 * loadings.shape[1:]))[0]
    found = [_climbed(loadings, turn, most) for turn in begin]
    return max(found, key=lambda turn: ((loadings @ turn) ** 2).var(axis=0).sum())


def _climbed(loadings, turn, most: int) -> np.ndarray:
    reached = 0.0
    for _ in range(most):
        now = loadings @ turn
        left, values, right = np.linalg.svd(loadings.T @ (now**3 - now * (now**2).mean(axis=0)))
        turn = left @ right
        if values.sum() <= reached * (1 + 1e-12):
            break
        reached = values.sum()
    return turn
