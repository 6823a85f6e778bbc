"""How Σ_k may be built: one small value a structure. The only file that compares covariance-structure strings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.linalg import slogdet

from bayesgmm.kernel import Whitening

_LOG_2, _LOG_PI = float(np.log(2.0)), float(np.log(np.pi))


def _gammaln(x):
    from scipy.special import gammaln

    return gammaln(x)


def _log_inverse_wishart(covariances, dof, scale):
    """Log density of IW(dof, scale) at each of (…, D, D), every constant included; scale (D, D) or (…, D, D)."""
    n_features = scale.shape[-1]
    log_gamma = 0.25 * n_features * (n_features - 1) * _LOG_PI
    log_gamma += sum(_gammaln(0.5 * (dof - j)) for j in range(n_features))
    trace = np.trace(np.linalg.solve(covariances, np.broadcast_to(scale, covariances.shape)), axis1=-2, axis2=-1)
    constant = 0.5 * dof * slogdet(scale)[1] - 0.5 * dof * n_features * _LOG_2 - log_gamma
    return constant - 0.5 * (dof + n_features + 1) * slogdet(covariances)[1] - 0.5 * trace


def draw_wishart(shape, dof, scale, rng):
    """Draws (…, D, D) from Wishart(dof, scale), mean dof · scale, by Bartlett's decomposition (1933)."""
    factor = np.linalg.cholesky(scale) @ _bartlett(shape, dof, scale.shape[-1], rng)
    return factor @ factor.mT


def _draw_inverse_wishart(shape, dof, scale, rng):
    """Draws (…, D, D) of Σ = L Lᵀ, L = chol(scale) A⁻¹."""
    d = scale.shape[-1]
    # Reversed, so that A, lower triangular, has the law of `ppl.inverse_wishart`: A_ii² ~ χ²(ν − D + i).
    a = _bartlett(shape, dof, d, rng, reverse=True)
    factor = np.linalg.cholesky(scale) @ np.linalg.inv(a)
    return factor @ factor.mT


def _bartlett(shape, dof, d, rng, reverse=False):
    """Lower triangular (…, D, D): standard normal below the diagonal, A_ii² ~ χ²(ν − i + 1) on it, or ν − D + i."""
    freedom = dof - np.arange(d)
    squares = rng.chisquare(freedom[::-1] if reverse else freedom, size=(*shape, d))
    return np.tril(rng.standard_normal((*shape, d, d)), -1) + np.sqrt(squares)[..., None] * np.eye(d)


def _log_inverse_gamma(variances, shape, rate):
    return shape * np.log(rate) - _gammaln(shape) - (shape + 1) * np.log(variances) - rate / variances


def _diagonals(matrices):
    return np.diagonal(matrices, axis1=-2, axis2=-1)


def _as_matrices(variances):
    """(…, D) variances -> (…, D, D) diagonal matrices."""
    return variances[..., None] * np.eye(variances.shape[-1])


@dataclass(frozen=True)
class Full:
    """Σ_k: any covariance, one for each component (VVV: volume, shape and orientation vary)."""

    alias = "full"
    code = "VVV"
    is_shared, is_round = False, False  # one factor for all; one variance for all features

    def n_parameters(self, n_components: int, n_features: int) -> int:
        """Free parameters in the covariances."""
        return n_components * n_features * (n_features + 1) // 2

    def directions(self, n_components: int, n_features: int):
        """How the entries of E_k (rows) of `kernel.Information` move with free ones: Σ_k + L_k (E_k + E_kᵀ) L_kᵀ."""
        return np.eye(self.n_parameters(n_components, n_features))

    def m_step(self, scatters, counts):
        """The Σ (K, D, D) that maximise Q, given S (K, D, D) and N (K,)."""
        return scatters / counts[:, None, None]

    def conjugate_mode(self, scatters, counts, dof, scale):
        """The same with log IW(Σ_k; dof, scale) and the normal prior of μ_k added to Q."""
        return (scatters + scale) / (counts + dof + scale.shape[-1] + 2)[:, None, None]

    def log_conjugate(self, covariances, dof, scale):
        """Log prior density (…) of the free parameters of Σ (…, K, D, D); scale (D, D) or (…, D, D)."""
        return _log_inverse_wishart(covariances, dof, scale[..., None, :, :]).sum(axis=-1)

    def draw_conjugate(self, shape, dof, scale, rng):
        """Draws of Σ (…, K, D, D) from their prior, for a shape (…, K); scale (D, D) or (…, D, D)."""
        return _draw_inverse_wishart(shape, dof, scale[..., None, :, :], rng)

    def whitening(self, covariances) -> Whitening:
        """The factors of Σ; raises LinAlgError where one is not positive definite."""
        return Whitening.of(np.linalg.cholesky(covariances))


@dataclass(frozen=True)
class Tied:
    """Σ_k = Σ: one covariance for all components (EEE: volume, shape and orientation equal)."""

    alias = "tied"
    code = "EEE"
    is_shared, is_round = True, False  # one factor for all; one variance for all features

    def n_parameters(self, n_components: int, n_features: int) -> int:
        """Free parameters in the covariances."""
        return n_features * (n_features + 1) // 2

    def directions(self, n_components: int, n_features: int):
        """How the entries of E_k move with free ones; see `Full`."""
        return np.tile(np.eye(self.n_parameters(n_components, n_features)), (n_components, 1))

    def m_step(self, scatters, counts):
        """The Σ (K, D, D), all equal, that maximise Q, given S (K, D, D) and N (K,)."""
        return self._repeat(scatters.sum(axis=0) / counts.sum(), len(counts))

    def conjugate_mode(self, scatters, counts, dof, scale):
        """The same with log IW(Σ; dof, scale) and the normal priors of all μ_k added to Q."""
        denominator = counts.sum() + dof + scale.shape[-1] + 1 + len(counts)
        return self._repeat((scatters.sum(axis=0) + scale) / denominator, len(counts))

    def log_conjugate(self, covariances, dof, scale):
        """Log prior density (…) of the one free covariance."""
        return _log_inverse_wishart(covariances[..., 0, :, :], dof, scale)

    def draw_conjugate(self, shape, dof, scale, rng):
        """Draws of Σ (…, K, D, D), equal for all K."""
        one = _draw_inverse_wishart(shape[:-1], dof, scale, rng)
        return np.repeat(one[..., None, :, :], shape[-1], axis=-3)

    def whitening(self, covariances) -> Whitening:
        """The one factor; raises LinAlgError where Σ is not positive definite."""
        return Whitening(np.linalg.cholesky(covariances[:1]))

    def _repeat(self, covariance, n_components):
        return np.repeat(covariance[None], n_components, axis=0)


@dataclass(frozen=True)
class Diagonal:
    """Σ_k = diag(σ²_k1 … σ²_kD): features independent within a component (VVI)."""

    alias = "diag"
    code = "VVI"
    is_shared, is_round = False, False  # one factor for all; one variance for all features

    def n_parameters(self, n_components: int, n_features: int) -> int:
        """Free parameters in the covariances."""
        return n_components * n_features

    def directions(self, n_components: int, n_features: int):
        """How the entries of E_k move with free ones; see `Full`."""
        return np.eye(self.n_parameters(n_components, n_features))

    def m_step(self, scatters, counts):
        """The diagonal Σ (K, D, D) that maximise Q, given S (K, D, D) and N (K,)."""
        return _as_matrices(_diagonals(scatters) / counts[:, None])

    def conjugate_mode(self, scatters, counts, dof, scale):
        """The same with log InvGamma(σ²_kd; dof/2, scale_dd/2) and the normal prior of μ_k added to Q."""
        return _as_matrices((_diagonals(scatters) + np.diag(scale)) / (counts + dof + 3)[:, None])

    def log_conjugate(self, covariances, dof, scale):
        """Log prior density (…) of the variances."""
        rates = 0.5 * _diagonals(scale)[..., None, :]
        return _log_inverse_gamma(_diagonals(covariances), 0.5 * dof, rates).sum(axis=(-2, -1))

    def draw_conjugate(self, shape, dof, scale, rng):
        """Draws of diagonal Σ (…, K, D, D)."""
        gammas = rng.gamma(0.5 * dof, size=(*shape, scale.shape[-1]))
        return _as_matrices(0.5 * _diagonals(scale)[..., None, :] / gammas)

    def whitening(self, covariances) -> Whitening:
        """Standard deviations; raises LinAlgError where a variance is not positive."""
        return Whitening.of(_standard_deviations(covariances))


@dataclass(frozen=True)
class Spherical:
    """Σ_k = σ²_k I: one variance for each component (VII). Depends on the units of the features."""

    alias = "spherical"
    code = "VII"
    is_shared, is_round = False, True  # one factor for all; one variance for all features

    def n_parameters(self, n_components: int, n_features: int) -> int:
        """Free parameters in the covariances."""
        return n_components

    def directions(self, n_components: int, n_features: int):
        """How the entries of E_k move with free ones; see `Full`."""
        return np.repeat(np.eye(n_components), n_features, axis=0)

    def m_step(self, scatters, counts):
        """The spherical Σ (K, D, D) that maximise Q, given S (K, D, D) and N (K,)."""
        n_features = scatters.shape[-1]
        return self._spheres(_diagonals(scatters).sum(axis=-1) / (n_features * counts), n_features)

    def conjugate_mode(self, scatters, counts, dof, scale):
        """The same with log InvGamma(σ²_k; dof/2, tr(scale)/2D) and the normal prior of μ_k added to Q."""
        n_features = scatters.shape[-1]
        total = _diagonals(scatters).sum(axis=-1) + np.trace(scale) / n_features
        return self._spheres(total / (dof + 2 + n_features * (counts + 1)), n_features)

    def log_conjugate(self, covariances, dof, scale):
        """Log prior density (…) of the variances."""
        return _log_inverse_gamma(covariances[..., 0, 0], 0.5 * dof, self._rate(scale)).sum(axis=-1)

    def draw_conjugate(self, shape, dof, scale, rng):
        """Draws of spherical Σ (…, K, D, D)."""
        variances = self._rate(scale) / rng.gamma(0.5 * dof, size=shape)
        return variances[..., None, None] * np.eye(scale.shape[-1])

    def _rate(self, scale):
        return 0.5 * np.trace(scale, axis1=-2, axis2=-1)[..., None] / scale.shape[-1]

    def whitening(self, covariances) -> Whitening:
        """Standard deviations; raises LinAlgError where a variance is not positive."""
        return Whitening.of(_standard_deviations(covariances))

    def _spheres(self, variances, n_features):
        return _as_matrices(np.repeat(variances[:, None], n_features, axis=1))


Family = Full | Tied | Diagonal | Spherical
FAMILIES: tuple[Family, ...] = (Full(), Tied(), Diagonal(), Spherical())


def family(covariance_type) -> Family:
    """Look a family up by scikit-learn's name or mclust's code; a family is returned as it is.

    Raises
    ------
    ValueError
        If there is no such family; the message lists those there are.

    References
    ----------
    Banfield & Raftery (1993) and Celeux & Govaert (1995) for the codes.

    Examples
    --------
    >>> family("full").code, family("VVI").alias
    ('VVV', 'diag')
    """
    if isinstance(covariance_type, Family):
        return covariance_type
    for known in FAMILIES:
        if covariance_type in (known.alias, known.code):
            return known
    names = ", ".join(repr(f.alias) for f in FAMILIES)
    raise ValueError(f"covariance_type {covariance_type!r} is not known; use one of {names}")


def _standard_deviations(covariances):
    variances = _diagonals(covariances)
    if not (variances > 0).all():
        raise np.linalg.LinAlgError("a variance is not positive")
    return np.sqrt(variances)
