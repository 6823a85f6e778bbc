"""Covariances of low rank, Σ_k = Λ_kΛ_kᵀ + Ψ_k, and the pass over the rows that never writes them out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import numpy as np

from bayesgmm.kernel import factored_plan as plan
from bayesgmm.kernel.evaluate import DRAW, SOFT, Moments, Pass, _given, address, own_memory, together
from bayesgmm.kernel.library import FACTORED, function
from bayesgmm.kernel.threads import threads

_LOG_2PI = float(np.log(2 * np.pi))


@dataclass(frozen=True, eq=False)
class LowRank:
    """What stands in the place of a `Whitening` where Σ_k = Λ_kΛ_kᵀ + Ψ_k.

    Parameters
    ----------
    loadings : ndarray (K, D, q)
        Λ_k, in data units, q ≤ D; which of all rotations Λ_k R, which have the same Σ_k, is up to who made it.
    noise : ndarray (K, D)
        The diagonals of Ψ_k, positive, in squared data units.

    Examples
    --------
    >>> import numpy as np
    >>> one = LowRank(np.array([[[2.0], [1.0]]]), np.array([[1.0, 3.0]]))
    >>> one.covariances.tolist()
    [[[5.0, 2.0], [2.0, 4.0]]]
    >>> round(float(np.exp(one.log_determinants[0])), 9), one.regressions.round(9).tolist()
    (16.0, [[[0.375, 0.0625]]])
    """

    loadings: np.ndarray
    noise: np.ndarray

    @property
    def rank(self) -> int:
        """q."""
        return self.loadings.shape[2]

    @property
    def is_diagonal(self) -> bool:
        """Never: a `Whitening` may be."""
        return False

    @cached_property
    def _svd(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """U (K, D, q), s (K, q), Vᵀ (K, q, q) of Ψ_k⁻¹ᐟ² Λ_k."""
        return np.linalg.svd(self.loadings / np.sqrt(self.noise)[:, :, None], full_matrices=False)

    @property
    def axes(self) -> np.ndarray:
        """U (K, D, q): orthonormal, in units of the noise."""
        return self._svd[0]

    @property
    def shrinks(self) -> np.ndarray:
        """1 / (1 + s²) (K, q): the squared distance along an axis over that of the noise alone."""
        return 1 / (1 + self._svd[1] ** 2)

    @property
    def log_determinants(self) -> np.ndarray:
        """log |Σ_k| (K,)."""
        return np.log(self.noise).sum(axis=1) + np.log1p(self._svd[1] ** 2).sum(axis=1)

    @property
    def factor_covariances(self) -> np.ndarray:
        """(I + ΛᵀΨ⁻¹Λ)⁻¹ (K, q, q): the covariance of a row's factors once the row is known, whatever it is."""
        turn = self._svd[2]
        return turn.mT @ (self.shrinks[:, :, None] * turn)

    @cached_property
    def regressions(self) -> np.ndarray:
        """β_k = Λ_kᵀ Σ_k⁻¹ (K, q, D): the expected factors of a row are β_k (x − μ_k)."""
        axes, lengths, turn = self._svd
        return turn.mT @ ((lengths * self.shrinks)[:, :, None] * axes.mT) / np.sqrt(self.noise)[:, None, :]

    @property
    def covariances(self) -> np.ndarray:
        """Σ_k (K, D, D), written out."""
        found = self.loadings @ self.loadings.mT
        places = np.arange(found.shape[1])
        found[:, places, places] += self.noise
        return found

    @cached_property
    def scale_trils(self) -> np.ndarray:
        """L_k (K, D, D), Σ_k = L_kL_kᵀ, written out; from (Λ_k, Ψ_k¹ᐟ²), so that no digits are lost in Σ_k."""
        k, d, q = self.loadings.shape
        both = np.zeros((k, q + d, d))
        both[:, :q], both[:, q + np.arange(d), np.arange(d)] = self.loadings.mT, np.sqrt(self.noise)
        upper = np.linalg.qr(both, mode="r")
        signs = np.where(np.diagonal(upper, axis1=1, axis2=2) < 0, -1.0, 1.0)
        return np.ascontiguousarray((upper * signs[:, :, None]).mT)

    @property
    def factors(self) -> np.ndarray:
        """As a `Whitening` keeps them: `scale_trils`."""
        return self.scale_trils

    def permute(self, order: np.ndarray) -> LowRank:
        """The same for components in another order."""
        return LowRank(self.loadings[order], self.noise[order])


@dataclass(frozen=True, eq=False)
class FactorStats:
    """What the points tell about components of low rank: of S_k no more than an M-step asks for.

    Attributes
    ----------
    counts, means : ndarray (K,), (K, D)
        N_k and x̄_k, as in `Stats`.
    crossed : ndarray (K, D, q)
        S_kβ_kᵀ: how features vary with the expected factors.
    spreads : ndarray (K, D)
        The diagonals of S_k.
    """

    counts: np.ndarray
    means: np.ndarray
    crossed: np.ndarray
    spreads: np.ndarray

    @property
    def n_components(self) -> int:
        """K."""
        return self.means.shape[0]

    @property
    def n_features(self) -> int:
        """D."""
        return self.means.shape[1]

    @cached_property
    def total(self) -> float:
        """Σ_k N_k."""
        return float(self.counts.sum())


def evaluate_factored(x, log_weights, means, low_rank: LowRank, row_weights=None, *, assign=SOFT, key=(0, 0),
                      pointwise=True, responsibilities=False) -> Pass:  # fmt: skip
    """Walk over rows x (N, D) of double precision and any layout; nothing is checked.

    Of its moments, in units of the noise, m2 (K, D, q + 1) has Σ w r y tᵀ, and Σ w r y² in its last column.
    """
    n, (k, d), q = len(x), means.shape, low_rank.rank
    rank, wide = -(-q // 4) * 4, d + d % 2
    weights = None if row_weights is None else np.ascontiguousarray(row_weights, dtype=float)
    log_prob = np.empty(n) if pointwise else None
    r = np.zeros((n, k)) if responsibilities else None
    theta = _theta(log_weights, means, low_rank, rank)
    ranges = plan.n_ranges(n, k, d, rank)
    starts = tuple(accumulate((ranges, ranges * k, ranges * k * d, ranges * k * wide * (rank + 1), 1), initial=0))
    shared = np.zeros(starts[-1] + 2)
    shared[-2:].view(np.uint64)[:] = key if assign == DRAW else 0
    at = [address(shared) + 8 * start for start in starts]
    walk = function(FACTORED)
    problem = (at[4], address(x), *x.strides, n, k, d, rank, address(theta), *_given(weights), assign, at[5],
               *_given(log_prob), *_given(r), ranges, *at[:4])  # fmt: skip
    room = plan.memory(k, d, rank)
    together(lambda: walk(*problem, own_memory(room)), min(ranges, plan.n_workers(threads(), n, k, d, rank)))
    # The ranges are added in their order, whoever walked them.
    sums, m0, m1, m2 = (shared[a:b].reshape(ranges, -1).sum(axis=0) for a, b in zip(starts[:4], starts[1:5]))
    m2 = m2.reshape(k, wide, rank + 1)[:, :d, [*range(q), rank]]
    return Pass(float(sums[0]), Moments(m0, m1.reshape(k, d), m2), log_prob, r)


def _theta(log_weights, means, low_rank, rank) -> np.ndarray:
    k, d = means.shape
    norms = log_weights - 0.5 * (d * _LOG_2PI + low_rank.log_determinants)
    shrinks, axes = np.ones((k, rank)), np.zeros((k, d, rank))
    shrinks[:, : low_rank.rank], axes[:, :, : low_rank.rank] = low_rank.shrinks, low_rank.axes
    parts = means[0], norms, means - means[0], 1 / np.sqrt(low_rank.noise), shrinks, axes
    return np.concatenate(parts, axis=None, dtype=float)


def factored_stats(moments: Moments, means: np.ndarray, low_rank: LowRank) -> FactorStats:
    """Map moments about μ_k in units of the noise to (N_k, x̄_k, S_kβ_kᵀ, diag S_k) in data units."""
    m0, m1, m2 = moments
    axes, lengths, turn = low_rank._svd
    safe, sds = np.where(m0 > 0, m0, 1.0)[:, None], np.sqrt(low_rank.noise)
    shift = m1 / safe
    along = m2[:, :, :-1] - shift[:, :, None] * (m1[:, None, :] @ axes)
    crossed = sds[:, :, None] * ((along * (lengths * low_rank.shrinks)[:, None, :]) @ turn)
    return FactorStats(m0, means + sds * shift, crossed, (m2[:, :, -1] - m1 * shift) * low_rank.noise)
