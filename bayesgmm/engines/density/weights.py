"""The weights in native densities: the simplex, seen through centred logarithms, under Dirichlet(α).

u begins with log α, if α has a prior of its own, and K − 1 numbers for the weights. The constants begin with whether it
has, a constant, the shape and the rate of its gamma distribution, and α (K,), which is not read then.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from bayesgmm.kernel.options import EXACT
from bayesgmm.priors import Gamma
from bayesgmm.tape.scalars import lgamma, psi


def constants(concentration, n_components: int) -> np.ndarray:
    """What `enter` and `leave` read."""
    from scipy.special import gammaln

    simplex = np.log(n_components)
    if isinstance(concentration, Gamma):
        shape, rate = concentration.shape, concentration.rate
        return np.array([1.0, shape * np.log(rate) - gammaln(shape) + simplex, shape, rate, *np.zeros(n_components)])
    alpha = np.broadcast_to(concentration, (n_components,))
    return np.array([0.0, gammaln(alpha.sum()) - gammaln(alpha).sum() + simplex, 0.0, 0.0, *alpha])


@njit(**EXACT)
def n_constants(k):
    """How many constants these are."""
    return 4 + k


@njit(**EXACT)
def end(c, k):
    """How much of u belongs to the weights and their concentration."""
    return k if c[0] > 0 else k - 1


@njit(**EXACT)
def enter(u, c, log_weights):
    """log π = w − logsumexp(w), w = (u, −Σ u); the log density of u and of log α, every constant included."""
    k, last, most = log_weights.shape[0], 0.0, 0.0
    first = end(c, k) - (k - 1)
    for i in range(k - 1):
        log_weights[i] = u[first + i]
        last -= u[first + i]
    log_weights[k - 1] = last
    for i in range(k):
        most = max(most, log_weights[i])
    total = 0.0
    for i in range(k):
        total += math.exp(log_weights[i] - most)
    norm, value = most + math.log(total), c[1]
    alpha = math.exp(u[0]) if first > 0 else 0.0
    if first > 0:
        value += c[2] * u[0] - c[3] * alpha + lgamma(k * alpha) - k * lgamma(alpha)
    for i in range(k):
        log_weights[i] -= norm
        value += (alpha if first > 0 else c[4 + i]) * log_weights[i]
    return value


@njit(**EXACT)
def leave(u, c, log_weights, m0, gradient):
    """d/du of Σ_k (α_k + N_k) log π_k, and of what was said of α."""
    k, total = log_weights.shape[0], 0.0
    first = end(c, k) - (k - 1)
    alpha = math.exp(u[0]) if first > 0 else 0.0
    for i in range(k):
        total += m0[i] + (alpha if first > 0 else c[4 + i])
    last = m0[k - 1] + (alpha if first > 0 else c[3 + k]) - total * math.exp(log_weights[k - 1])
    for i in range(k - 1):
        here = m0[i] + (alpha if first > 0 else c[4 + i])
        gradient[first + i] = here - total * math.exp(log_weights[i]) - last
    if first > 0:
        slope = k * (psi(k * alpha) - psi(alpha)) - c[3]
        for i in range(k):
            slope += log_weights[i]
        gradient[0] = c[2] + alpha * slope


def variables(u, layout) -> dict[str, np.ndarray]:
    """The weights (…, K), and the concentration (…) if it is one, at points u (…, p)."""
    logs = layout.split(u)[0]
    logs = np.concatenate([logs, -logs.sum(axis=-1, keepdims=True)], axis=-1)
    weights = np.exp(logs - logs.max(axis=-1, keepdims=True))
    found = {"weights": weights / weights.sum(axis=-1, keepdims=True)}
    return found | ({"concentration": np.exp(u[..., 0])} if layout.has_concentration else {})


def place(weights, prior, layout) -> np.ndarray:
    """The beginning of u for weights (K,) that are all positive, and the concentration at its prior mean."""
    logs = np.log(weights)
    centred = (logs - logs.mean())[:-1]
    if not layout.has_concentration:
        return centred
    return np.concatenate([[np.log(prior.concentration.shape / prior.concentration.rate)], centred])
