"""What EM climbs where Σ_k = Λ_kΛ_kᵀ + Ψ_k, and the coordinates in which it takes longer steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayesgmm.families import FactorModel
from bayesgmm.kernel import FactorStats, LowRank
from bayesgmm.mixture import Mixture


@dataclass(frozen=True, eq=False)
class FactorLikelihood:
    """The log-likelihood of a mixture of factors, as `em` climbs it.

    Parameters
    ----------
    family : FactorModel
    features : tuple of str
    least : ndarray (D,)
        Ψ_k is bounded by them from below.
    """

    family: FactorModel
    features: tuple[str, ...]
    least: np.ndarray

    def update(self, stats: FactorStats, near: Mixture) -> Mixture:
        """A mixture of a higher Q(θ; S) than the one ``near``, whose statistics these are.

        Raises LinAlgError where a component has lost its rows.
        """
        low_rank = self.family.m_step(stats, near.whitening, self.least)
        return Mixture.from_whitening(stats.counts / stats.total, stats.means, low_rank, features=self.features)

    def log_prior(self, mixture: Mixture) -> float:
        """Nothing is added to the log-likelihood."""
        return 0.0

    def frame(self, mixture: Mixture, total: float) -> FactorFrame:
        """Coordinates around a mixture."""
        return FactorFrame(mixture, total, self)


class FactorFrame:
    """Coordinates around a mixture θ in which the information of N complete rows is about the identity.

    Complete are rows, labels and factors; of a component that is N_k, in units of δπ_k / π_k, Σ_k⁻¹ᐟ² δμ_k,
    Ψ_k⁻¹ᐟ² δΛ_k, and δ log Ψ_k / √2. What is shared has the information of all. As in `accelerate.Frame`, EM's step is
    then the gradient, and L-BFGS begins at it.
    """

    def __init__(self, mixture: Mixture, total: float, target: FactorLikelihood):
        self.mixture, self.target = mixture, target
        model, noise = target.family, mixture.whitening.noise
        counts = np.maximum(total * mixture.weights, 1.0)
        self._lengths = np.sqrt(counts)
        of_loadings, of_noise = counts[:, None] / noise, np.broadcast_to(counts[:, None] / 2, noise.shape)
        if model.shared_loadings:
            of_loadings = of_loadings.sum(axis=0, keepdims=True)
        if model.shared_noise:
            of_noise = of_noise.sum(axis=0, keepdims=True)
        if model.isotropic:
            of_noise = of_noise.sum(axis=1, keepdims=True)
        self._of_loadings, self._of_noise = np.sqrt(of_loadings)[:, :, None], np.sqrt(of_noise)

    def toward(self, other: Mixture) -> np.ndarray:
        """The vector from θ to another mixture."""
        here, there, rows, columns = self.mixture.whitening, other.whitening, *self._of_noise.shape
        odds = (other.weights - self.mixture.weights) / self.mixture.weights * self._lengths
        shift = self._stretched(other.means - self.mixture.means, -1) * self._lengths[:, None]
        loadings = (there.loadings - here.loadings)[: len(self._of_loadings)] * self._of_loadings
        noise = np.log(there.noise / here.noise)[:rows, :columns] * self._of_noise
        return np.concatenate((odds, shift, loadings, noise), axis=None)

    def at(self, vector: np.ndarray, family: FactorModel, radius: float = np.inf) -> Mixture:
        """The mixture that lies along a vector from θ, none of its parts further than a radius; always a mixture."""
        mixture, here = self.mixture, self.mixture.whitening
        (k, d), q, f = mixture.means.shape, here.rank, len(self._of_loadings)
        odds, shift, loadings, noise = np.split(vector, np.cumsum([k, k * d, f * d * q]))
        odds, shift = odds / self._lengths, shift.reshape(k, d) / self._lengths[:, None]
        loadings = loadings.reshape(f, d, q) / self._of_loadings
        noise = noise.reshape(self._of_noise.shape) / self._of_noise
        largest = max(np.abs(part).max() for part in (odds, shift, loadings / np.sqrt(here.noise)[:f, :, None], noise))
        share = min(1.0, radius / largest) if largest > 0 else 1.0
        weights = mixture.weights * np.exp(share * odds)
        means = mixture.means + self._stretched(share * shift, 1)
        near = np.broadcast_to(here.loadings + share * loadings, here.loadings.shape)
        low_rank = LowRank(near, np.maximum(here.noise * np.exp(share * noise), family.bound(self.target.least)))
        return Mixture.from_whitening(weights / weights.sum(), means, low_rank, features=mixture.features)

    def _stretched(self, shift, power: int) -> np.ndarray:
        """Σ_k^(power/2) times vectors (K, D), of the root that is Ψ¹ᐟ² (I + UUᵀ(…)), or its inverse."""
        low_rank = self.mixture.whitening
        sds, axes, along = np.sqrt(low_rank.noise), low_rank.axes, low_rank.shrinks ** (-power / 2)
        y = shift / sds if power < 0 else shift
        y = y + (axes @ ((along - 1)[:, :, None] * (axes.mT @ y[:, :, None])))[:, :, 0]
        return y if power < 0 else y * sds
