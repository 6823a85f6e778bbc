"""The pass over the rows in JAX, on any device that JAX knows; nothing but `ppl.jaxed` loads it.

The same densities and moments as the compiled `walk` and `patterns` give. JAX would differentiate the densities by
itself, but Fisher's identity is less work: what the backward pass needs are the moments.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.nn import logsumexp
from jax.scipy.linalg import cho_solve, solve_triangular


class Parts(NamedTuple):
    """What densities and moments are made from, rows last."""

    joint: jax.Array  # log p(x_n, z_n = k) (K, N)
    z: jax.Array  # E[L_k⁻¹ (x_n − μ_k)] given what row n has (K, D, N)
    group: jax.Array | None  # of each row with the same missing cells (N,)
    unseen: jax.Array | None  # the covariance of L_k⁻¹ (x − μ_k) given what a row of each group has (G, K, D, D)


def e_step(x, log_weights, means, scale_trils, row_weights, *groups):
    """log p(x_n) (N,), m₀ (K,), m₁ (K, D), m₂ (K, D, D), of the inputs of `ppl.op.EStep`."""
    parts = _parts(x, log_weights, means, scale_trils, *groups)
    return _log_prob(x, log_weights, means, scale_trils, *groups), *_moments(parts, row_weights)


@jax.custom_vjp
def _log_prob(x, log_weights, means, scale_trils, *groups):
    return logsumexp(_parts(x, log_weights, means, scale_trils, *groups).joint, axis=0)


def _forward(x, log_weights, means, scale_trils, *groups):
    parts = _parts(x, log_weights, means, scale_trils, *groups)
    return logsumexp(parts.joint, axis=0), (parts, _inverses(scale_trils), (None,) * len(groups))


def _backward(kept, cotangent):
    """Fisher's identity: dQ/dμ = L⁻ᵀ m₁, dQ/dL = tril(L⁻ᵀ m₂) − m₀ diag(L)⁻¹."""
    parts, inverses, nothing = kept
    m0, m1, m2 = _moments(parts, cotangent)
    diagonal = jnp.eye(m1.shape[1]) * inverses * m0[:, None, None]
    return None, m0, (inverses.mT @ m1[:, :, None])[:, :, 0], jnp.tril(inverses.mT @ m2) - diagonal, *nothing


_log_prob.defvjp(_forward, _backward)


def _parts(x, log_weights, means, scale_trils, order, starts, features) -> Parts:
    if not order.shape[0]:
        z = _inverses(scale_trils) @ (x.T - means[:, :, None])
        sizes = jnp.log(jnp.diagonal(scale_trils, axis1=1, axis2=2)).sum(axis=1)[:, None]
        return Parts(_joint(log_weights, z, sizes, x.shape[1]), z, None, None)
    have, group = _groups(order, starts, features)
    # With the rows of L_k that a group has, M = Lₒ: Σₒₒ = M Mᵀ, E[z | xₒ] = M⁺ (xₒ − μₒ), and its length is the
    # Mahalanobis distance of what the row has.
    kept = have[:, None, :, None] * scale_trils
    factors = jnp.linalg.cholesky(kept @ kept.mT + jnp.eye(x.shape[1]) * ~have[:, None, :, None])
    inverses = cho_solve((factors, True), jnp.broadcast_to(jnp.eye(x.shape[1]), factors.shape))
    backs = kept.mT @ inverses
    gap = jnp.where(have[group][:, None], x[:, None] - means, 0.0)
    z = (backs[group] * gap[:, :, None]).sum(axis=3).transpose(1, 2, 0)
    sizes = jnp.log(jnp.diagonal(factors, axis1=2, axis2=3)).sum(axis=2)[group].T
    joint = _joint(log_weights, z, sizes, have.sum(axis=1)[group])
    return Parts(joint, z, group, jnp.eye(x.shape[1]) - backs @ kept)


def _inverses(scale_trils):
    """L_k⁻¹ (K, D, D): times all rows, they take a fortieth of the time of as many triangular solves."""
    return jax.vmap(lambda factor: solve_triangular(factor, jnp.eye(len(factor)), lower=True))(scale_trils)


def _joint(log_weights, z, sizes, n_seen):
    return log_weights[:, None] - sizes - 0.5 * (n_seen * math.log(2 * math.pi) + (z * z).sum(axis=1))


def _groups(order, starts, features):
    """Which features each group has (G, D), and the group of each row (N,)."""
    g, width = features.shape
    place = jnp.searchsorted(starts[1:], jnp.arange(order.shape[0]), side="right")
    filled = jnp.arange(width - 1) < features[:, :1]
    # Features that are not filled in go to a column of their own.
    where = jnp.where(filled, features[:, 1:], width - 1)
    have = jnp.zeros((g, width), bool).at[jnp.arange(g)[:, None], where].set(True)[:, :-1]
    return have, jnp.zeros_like(order).at[order].set(place)


def _moments(parts: Parts, row_weights):
    """m₀ (K,), m₁ (K, D) and m₂ (K, D, D): Σ_n w_n r_nk times 1, z and z zᵀ, as expected given what rows have."""
    shares = row_weights * jax.nn.softmax(parts.joint, axis=0)
    weighed = shares[:, None] * parts.z
    m0, m1, m2 = shares.sum(axis=1), weighed.sum(axis=2), weighed @ parts.z.mT
    if parts.group is not None:
        counts = jnp.zeros((len(parts.unseen), len(m0))).at[parts.group].add(shares.T)
        m2 = m2 + (counts[:, :, None, None] * parts.unseen).sum(axis=0)
    return m0, m1, m2
