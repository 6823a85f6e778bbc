"""`Family`: how Σ_k may be built, as a small value; what all families do."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from bayesgmm.families.coordinates import Coordinates
from bayesgmm.kernel import Whitening, structured

_KINDS = {"E": "equal", "V": "varying"}
#: Under which maps of the rows a family stays itself: what a fit of it does not depend on.
ANY_MAP, EACH_SCALE = "any linear map", "scales of single features"
ROTATION = "rotations and one scale for all features"


class Family:
    """Σ_k = λ_k F_kᵀ A_k F_k: a volume, a shape (diagonal, |A| = 1) and an orientation (orthonormal rows).

    Each is one for all components (E), one for each (V), or none (I: round, or along the features), and the code of a
    family has a letter for each: VEI is volumes of their own, one shape, axes along the features.

    Laws, each a property test: no Σ of the family has a higher Q than `m_step`'s; `m_step` of N Σ and N is Σ; what is
    true of units (`units`) holds.

    References
    ----------
    Banfield & Raftery (1993); Celeux & Govaert (1995); Browne & McNicholas (2014) on shared axes.
    """

    code: str
    alias: str

    # ---- what it is

    @cached_property
    def letters(self) -> str:
        """Of volume, shape and orientation, whatever the number of features."""
        return self.code if len(self.code) == 3 else 3 * self.code

    @property
    def is_shared(self) -> bool:
        """All components have one covariance."""
        return "V" not in self.letters

    @property
    def is_diagonal(self) -> bool:
        """Features are independent within a component."""
        return self.letters[2] == "I"

    @property
    def is_round(self) -> bool:
        """All features have one variance within a component."""
        return self.letters[1] == "I"

    @property
    def is_flat(self) -> bool:
        """What is free enters Σ_k linearly, so that `directions` say all of it."""
        return self.is_round or self.letters in ("EEI", "VVI", "EEE", "VVV")

    @property
    def description(self) -> str:
        """Which parts are equal and which vary, in words.

        Examples
        --------
        >>> from bayesgmm.families import family
        >>> family("VEI").description
        'diagonal: varying volume, equal shape, axes along the features'
        >>> family("full").description
        'ellipsoidal: varying volume, varying shape, varying orientation'
        """
        volume, shape, axes = self.letters
        if self.is_round:
            return f"spherical: {_KINDS[volume]} volume"
        kind, how = "diagonal", "axes along the features"
        if axes != "I":
            kind, how = "ellipsoidal", f"{_KINDS[axes]} orientation"
        return f"{kind}: {_KINDS[volume]} volume, {_KINDS[shape]} shape, {how}"

    @cached_property
    def units(self) -> str:
        """Under which maps of the rows the family stays itself; on others, units among them, a fit depends.

        Examples
        --------
        >>> from bayesgmm.families import family
        >>> family("EVV").units, family("EEV").units
        ('any linear map', 'rotations and one scale for all features')
        """
        if self.letters in ("EEE", "VEE", "EVV", "VVV"):
            return ANY_MAP
        return EACH_SCALE if self.is_diagonal and not self.is_round else ROTATION

    def n_parameters(self, n_components: int, n_features: int) -> int:
        """Free parameters in the covariances."""
        k, d = n_components, n_features
        many = {"E": 1, "V": k, "I": 0}
        volume, shape, axes = (many[letter] for letter in self.letters)
        return volume + shape * (d - 1) + axes * (d * (d - 1) // 2)

    # ---- what it does

    def m_step(self, scatters, counts, near=None):
        """The Σ (K, D, D) that maximise Q, given S (K, D, D) and N (K,).

        Where there is no closed form the search begins at the covariances ``near``, if they are given, and what it
        finds is never worse than they. Raises LinAlgError where a covariance has no volume.
        """
        return structured(self.letters, scatters, counts, near)

    def conjugate_mode(self, scatters, counts, dof, scale, near=None, like_mclust=False):
        """The same with `log_conjugate` and the normal prior of μ_k added to Q."""
        more, scatter = self.penalty(len(counts), dof, scale, like_mclust)
        return self.m_step(scatters + scatter, counts + 1 + more, near)

    def penalty(self, n_components: int, dof, scale, like_mclust=False):
        """What a prior of Σ adds to Q, as −½ Σ_k (a_k log|Σ_k| + tr Σ_k⁻¹ B_k): a (K,) and B (…, K, D, D).

        It is the kernel of the prior that Σ_k has where everything varies, and each component pays it; or all of them
        together, if they share Σ. Ellipsoidal: InverseWishart(ν₀, Ψ₀). Diagonal: InvGamma(ν₀/2, Ψ₀,dd/2), of each
        feature. Spherical: InvGamma(ν₀/2, tr(Ψ₀)/2D).
        """
        d, matrix = np.shape(scale)[-1], np.asarray(scale, dtype=float)
        power = dof + d + 1
        if self.is_diagonal:
            power, matrix = dof + 2, as_matrices(diagonals(matrix))
        if self.is_round:
            power, matrix = power / d, np.trace(matrix, axis1=-2, axis2=-1)[..., None, None] / d**2 * np.eye(d)
        share = 1 / n_components if self.is_shared else 1.0
        shape = (*matrix.shape[:-2], n_components, d, d)
        return np.full(n_components, share * power), np.broadcast_to(share * matrix[..., None, :, :], shape)

    def log_conjugate(self, covariances, dof, scale, like_mclust=False):
        """Log prior density (…) of the free parameters of Σ (…, K, D, D), up to a constant: the `penalty`."""
        more, scatter = self.penalty(covariances.shape[-3], dof, scale, like_mclust)
        trace = np.trace(np.linalg.solve(covariances, np.broadcast_to(scatter, covariances.shape)), axis1=-2, axis2=-1)
        return -0.5 * (more * np.linalg.slogdet(covariances)[1] + trace).sum(axis=-1)

    def draw_conjugate(self, shape, dof, scale, rng):
        """Draws of Σ (…, K, D, D) from their prior, for a shape (…, K); scale (D, D) or (…, D, D)."""
        raise ValueError(f"covariance_type {self.alias!r} has a penalty but no prior to draw from: {ONLY_FOUR}")

    def whitening(self, covariances) -> Whitening:
        """The factors of Σ; raises LinAlgError where one is not positive definite."""
        factors = standard_deviations(covariances) if self.is_diagonal else np.linalg.cholesky(covariances)
        return Whitening(factors[:1]) if self.is_shared else Whitening.of(factors)

    def coordinates(self, covariances) -> Coordinates:
        """Free coordinates around covariances (K, D, D)."""
        return Coordinates(self.letters, covariances)

    def directions(self, n_components: int, n_features: int):
        """How the entries of E_k (rows) of `kernel.Information` move with free ones: Σ_k + L_k (E_k + E_kᵀ) L_kᵀ.

        Of flat families only.
        """
        free = np.eye(n_features if self.is_diagonal else n_features * (n_features + 1) // 2)
        if self.is_round:
            free = np.ones((n_features, 1))
        return np.tile(free, (n_components, 1)) if self.is_shared else np.kron(np.eye(n_components), free)


ONLY_FOUR = "use 'full', 'tied', 'diag' or 'spherical'"


def diagonals(matrices):
    """The diagonals (…, D) of matrices (…, D, D)."""
    return np.diagonal(matrices, axis1=-2, axis2=-1)


def as_matrices(variances):
    """(…, D) variances -> (…, D, D) diagonal matrices."""
    return variances[..., None] * np.eye(variances.shape[-1])


def standard_deviations(covariances):
    """Roots of the diagonals; raises LinAlgError where a variance is not positive."""
    variances = diagonals(covariances)
    if not (variances > 0).all():
        raise np.linalg.LinAlgError("a variance is not positive")
    return np.sqrt(variances)
