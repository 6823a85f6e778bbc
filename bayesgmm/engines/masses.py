"""How much of the posterior a mode holds that chains do not leave: bridge sampling from their own draws."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import expit

from bayesgmm.draws.groups import agreeing
from bayesgmm.draws.invariants import quantities
from bayesgmm.draws.parts import read_any

# Draws of a mode that are looked at, half of them to shape the proposal.
_MOST = 4000
# Beyond this relative standard error a mass is not known.
_KNOWN = 0.5


class Mass(NamedTuple):
    """The logarithm of an integral, and its standard error, which is that of the integral itself, relative to it."""

    log_value: float
    standard_error: float


def log_mass(density, points, rng: np.random.Generator) -> Mass:
    """∫ of a density around draws of it, points (chains, draws, p), by bridge sampling with a normal proposal.

    The first half of each chain shapes the proposal, the second half is bridged to it, so that they are independent.

    Parameters
    ----------
    density : callable
        u ↦ (log density, gradient).
    points : ndarray (C, n, p)
        In one mode.

    References
    ----------
    Meng & Wong (1996); the standard error: Frühwirth-Schnatter (2004), with the effective sample size of the draws.
    """
    points = points[:, :: max(1, points[..., 0].size // _MOST)]
    shaping, bridged = np.split(points[:, : 2 * (points.shape[1] // 2)], 2, axis=1)
    flat = shaping.reshape(-1, points.shape[2])
    mean, factor = flat.mean(axis=0), _factor(flat)
    z = rng.standard_normal((bridged[..., 0].size, len(mean)))
    drawn = _ratios(density, bridged.reshape(len(z), -1), mean, factor)
    proposed = _ratios(density, mean + z @ factor.T, mean, factor)
    if not np.isfinite(drawn).all() or not np.isfinite(proposed).any():
        return Mass(np.nan, np.inf)
    log_value = _bridge(drawn, proposed)
    return Mass(log_value, _error(drawn - log_value, proposed - log_value, bridged.shape[:2]))


def shares(masses: list[Mass]) -> tuple[np.ndarray, np.ndarray] | None:
    """The share of each of several modes, and standard errors; None if one is not known."""
    logs, errors = np.array(masses).T
    if not (np.isfinite(logs).all() and (errors < _KNOWN).all()):
        return None
    found = np.exp(logs - np.logaddexp.reduce(logs))
    # d share_g = share_g (d log m_g − Σ_h share_h d log m_h)
    slopes = np.diag(found) - np.outer(found, found)
    return found, np.sqrt((slopes**2) @ errors**2)


def mode_masses(tree, density, points, rng) -> dict:
    """Attributes of draws whose chains are in different modes: which chains, and the share of the posterior of each.

    Nothing where chains agree, or do not fall into groups. Shares are left out where they could not be told.
    """
    mixtures = read_any(tree)
    groups = agreeing(quantities(tree, mixtures), mixtures.n_chains)
    if groups.max() == 0:
        return {}
    found = shares([log_mass(density, points[groups == g], rng) for g in range(groups.max() + 1)])
    if found is None:
        return {}
    return {"mode_groups": groups.tolist(), "mode_shares": found[0].tolist(), "mode_shares_se": found[1].tolist()}


def _factor(flat) -> np.ndarray:
    """A Cholesky factor of the draws' covariance; of what is left on the diagonal where draws are too few for more."""
    covariance = np.atleast_2d(np.cov(flat.T))
    shrunk = min(1.0, covariance.shape[0] / len(flat))
    return np.linalg.cholesky((1 - shrunk) * covariance + shrunk * np.diag(np.diag(covariance)))


def _ratios(density, u, mean, factor) -> np.ndarray:
    """log p − log g at points (n, p), g the proposal."""
    from scipy.linalg import solve_triangular

    z = solve_triangular(factor, (u - mean).T, lower=True)
    log_g = -0.5 * (z * z).sum(axis=0) - np.log(np.diag(factor)).sum() - 0.5 * len(mean) * np.log(2 * np.pi)
    return np.array([density(point)[0] for point in u]) - log_g


def _bridge(drawn, proposed) -> float:
    """The fixed point of the optimal bridge: E_g[l / (s₁ l + s₂ r)] / E_p[1 / (s₁ l + s₂ r)] = r, l = p/g."""
    odds = np.log(len(drawn) / len(proposed))
    log_value = float(np.median(drawn))
    for _ in range(1000):
        # Both means but for a common factor: of σ(log l − log r + odds), and of its complement.
        above = np.log(expit(proposed - log_value + odds).mean())
        below = np.log(expit(log_value - drawn - odds).mean())
        step = above - below - odds
        log_value += step
        if abs(step) < 1e-10:
            break
    return log_value


def _error(drawn, proposed, shape) -> float:
    """Relative standard error of the bridge at r = 1."""
    import arviz as az

    odds = np.log(len(drawn) / len(proposed))
    first, second = expit(-drawn - odds), expit(proposed + odds)
    n = min(float(az.ess(first.reshape(shape))), first.size) if np.ptp(first) > 0 else first.size
    return float(np.sqrt(first.var() / first.mean() ** 2 / n + second.var() / second.mean() ** 2 / second.size))
