"""The four families of scikit-learn, which have a prior to sample from: full, tied, diagonal and spherical."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayesgmm.families.base import Family, as_matrices, diagonals, standard_deviations
from bayesgmm.families.densities import (
    draw_inverse_wishart,
    log_inverse_gamma,
    log_inverse_wishart,
)
from bayesgmm.kernel import Whitening


@dataclass(frozen=True)
class Full(Family):
    """Σ_k: any covariance, one for each component (VVV: volume, shape and orientation vary)."""

    alias = "full"
    code = "VVV"

    def n_parameters(self, n_components: int, n_features: int) -> int:
        """Free parameters in the covariances."""
        return n_components * n_features * (n_features + 1) // 2

    def directions(self, n_components: int, n_features: int):
        """How the entries of E_k (rows) of `kernel.Information` move with free ones: Σ_k + L_k (E_k + E_kᵀ) L_kᵀ."""
        return np.eye(self.n_parameters(n_components, n_features))

    def m_step(self, scatters, counts, near=None):
        """The Σ (K, D, D) that maximise Q, given S (K, D, D) and N (K,)."""
        return scatters / counts[:, None, None]

    def conjugate_mode(self, scatters, counts, dof, scale, near=None, like_mclust=False):
        """The same with log IW(Σ_k; dof, scale) and the normal prior of μ_k added to Q."""
        return (scatters + scale) / (counts + dof + scale.shape[-1] + 2)[:, None, None]

    def log_conjugate(self, covariances, dof, scale, like_mclust=False):
        """Log prior density (…) of the free parameters of Σ (…, K, D, D); scale (D, D) or (…, D, D)."""
        return log_inverse_wishart(covariances, dof, scale[..., None, :, :]).sum(axis=-1)

    def draw_conjugate(self, shape, dof, scale, rng):
        """Draws of Σ (…, K, D, D) from their prior, for a shape (…, K); scale (D, D) or (…, D, D)."""
        return draw_inverse_wishart(shape, dof, scale[..., None, :, :], rng)

    def whitening(self, covariances) -> Whitening:
        """The factors of Σ; raises LinAlgError where one is not positive definite."""
        return Whitening.of(np.linalg.cholesky(covariances))


@dataclass(frozen=True)
class Tied(Family):
    """Σ_k = Σ: one covariance for all components (EEE: volume, shape and orientation equal)."""

    alias = "tied"
    code = "EEE"

    def n_parameters(self, n_components: int, n_features: int) -> int:
        """Free parameters in the covariances."""
        return n_features * (n_features + 1) // 2

    def directions(self, n_components: int, n_features: int):
        """How the entries of E_k move with free ones; see `Full`."""
        return np.tile(np.eye(self.n_parameters(n_components, n_features)), (n_components, 1))

    def m_step(self, scatters, counts, near=None):
        """The Σ (K, D, D), all equal, that maximise Q, given S (K, D, D) and N (K,)."""
        return self._repeat(scatters.sum(axis=0) / counts.sum(), len(counts))

    def conjugate_mode(self, scatters, counts, dof, scale, near=None, like_mclust=False):
        """The same with log IW(Σ; dof, scale) and the normal priors of all μ_k added to Q."""
        denominator = counts.sum() + dof + scale.shape[-1] + 1 + len(counts)
        return self._repeat((scatters.sum(axis=0) + scale) / denominator, len(counts))

    def log_conjugate(self, covariances, dof, scale, like_mclust=False):
        """Log prior density (…) of the one free covariance."""
        return log_inverse_wishart(covariances[..., 0, :, :], dof, scale)

    def draw_conjugate(self, shape, dof, scale, rng):
        """Draws of Σ (…, K, D, D), equal for all K."""
        one = draw_inverse_wishart(shape[:-1], dof, scale, rng)
        return np.repeat(one[..., None, :, :], shape[-1], axis=-3)

    def whitening(self, covariances) -> Whitening:
        """The one factor; raises LinAlgError where Σ is not positive definite."""
        return Whitening(np.linalg.cholesky(covariances[:1]))

    def _repeat(self, covariance, n_components):
        return np.repeat(covariance[None], n_components, axis=0)


@dataclass(frozen=True)
class Diagonal(Family):
    """Σ_k = diag(σ²_k1 … σ²_kD): features independent within a component (VVI)."""

    alias = "diag"
    code = "VVI"

    def n_parameters(self, n_components: int, n_features: int) -> int:
        """Free parameters in the covariances."""
        return n_components * n_features

    def directions(self, n_components: int, n_features: int):
        """How the entries of E_k move with free ones; see `Full`."""
        return np.eye(self.n_parameters(n_components, n_features))

    def m_step(self, scatters, counts, near=None):
        """The diagonal Σ (K, D, D) that maximise Q, given S (K, D, D) and N (K,)."""
        return as_matrices(diagonals(scatters) / counts[:, None])

    def conjugate_mode(self, scatters, counts, dof, scale, near=None, like_mclust=False):
        """The same with log InvGamma(σ²_kd; dof/2, scale_dd/2) and the normal prior of μ_k added to Q."""
        return as_matrices((diagonals(scatters) + np.diag(scale)) / (counts + dof + 3)[:, None])

    def log_conjugate(self, covariances, dof, scale, like_mclust=False):
        """Log prior density (…) of the variances."""
        rates = 0.5 * diagonals(scale)[..., None, :]
        return log_inverse_gamma(diagonals(covariances), 0.5 * dof, rates).sum(axis=(-2, -1))

    def draw_conjugate(self, shape, dof, scale, rng):
        """Draws of diagonal Σ (…, K, D, D)."""
        gammas = rng.gamma(0.5 * dof, size=(*shape, scale.shape[-1]))
        return as_matrices(0.5 * diagonals(scale)[..., None, :] / gammas)

    def whitening(self, covariances) -> Whitening:
        """Standard deviations; raises LinAlgError where a variance is not positive."""
        return Whitening.of(standard_deviations(covariances))


@dataclass(frozen=True)
class Spherical(Family):
    """Σ_k = σ²_k I: one variance for each component (VII). Depends on the units of the features."""

    alias = "spherical"
    code = "VII"

    def n_parameters(self, n_components: int, n_features: int) -> int:
        """Free parameters in the covariances."""
        return n_components

    def directions(self, n_components: int, n_features: int):
        """How the entries of E_k move with free ones; see `Full`."""
        return np.repeat(np.eye(n_components), n_features, axis=0)

    def m_step(self, scatters, counts, near=None):
        """The spherical Σ (K, D, D) that maximise Q, given S (K, D, D) and N (K,)."""
        n_features = scatters.shape[-1]
        return self._spheres(diagonals(scatters).sum(axis=-1) / (n_features * counts), n_features)

    def conjugate_mode(self, scatters, counts, dof, scale, near=None, like_mclust=False):
        """The same with log InvGamma(σ²_k; dof/2, tr(scale)/2D) and the normal prior of μ_k added to Q."""
        n_features = scatters.shape[-1]
        total = diagonals(scatters).sum(axis=-1) + np.trace(scale) / n_features
        return self._spheres(total / (dof + 2 + n_features * (counts + 1)), n_features)

    def log_conjugate(self, covariances, dof, scale, like_mclust=False):
        """Log prior density (…) of the variances."""
        return log_inverse_gamma(covariances[..., 0, 0], 0.5 * dof, self._rate(scale)).sum(axis=-1)

    def draw_conjugate(self, shape, dof, scale, rng):
        """Draws of spherical Σ (…, K, D, D)."""
        variances = self._rate(scale) / rng.gamma(0.5 * dof, size=shape)
        return variances[..., None, None] * np.eye(scale.shape[-1])

    def _rate(self, scale):
        return 0.5 * np.trace(scale, axis1=-2, axis2=-1)[..., None] / scale.shape[-1]

    def whitening(self, covariances) -> Whitening:
        """Standard deviations; raises LinAlgError where a variance is not positive."""
        return Whitening.of(standard_deviations(covariances))

    def _spheres(self, variances, n_features):
        return as_matrices(np.repeat(variances[:, None], n_features, axis=1))
