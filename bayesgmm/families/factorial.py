"""Covariances by factors: Σ_k = Λ_kΛ_kᵀ + Ψ_k, loadings and noise one for all components or one for each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayesgmm.families.base import EACH_SCALE, ROTATION
from bayesgmm.kernel import FactorStats, LowRank


@dataclass(frozen=True)
class FactorModel:
    """One of the eight parsimonious Gaussian mixture models.

    Laws, each a property test: `m_step` never lowers the log-likelihood; loadings and noise that are shared are equal
    to the last bit; isotropic noise is one number a component.

    Parameters
    ----------
    shared_loadings, shared_noise : bool
        All components have one Λ, one Ψ.
    isotropic : bool
        Ψ_k = ψ_k I: probabilistic principal components in place of factor analysis.

    References
    ----------
    McNicholas & Murphy (2008), whose codes these are: a letter each for loadings, noise and isotropy, C where they are
    constrained. UUU: Ghahramani & Hinton (1996) with noise of each component's own; UCU: theirs; UUC: Tipping & Bishop
    (1999).

    Examples
    --------
    >>> FactorModel.of("UCU")
    FactorModel(shared_loadings=False, shared_noise=True, isotropic=False)
    >>> FactorModel.of("UUC").n_parameters(n_components=3, n_features=10, n_factors=2)
    60
    """

    shared_loadings: bool = False
    shared_noise: bool = False
    isotropic: bool = False

    @classmethod
    def of(cls, code: str) -> FactorModel:
        """That of a code, such as "UCU".

        Raises
        ------
        ValueError
            If it is none of the eight.
        """
        if code not in FACTOR_CODES:
            raise ValueError(f"{code!r} is no model of factors; use one of {' '.join(FACTOR_CODES)}: loadings, noise "
                             "and isotropy, each constrained (C) or not (U)")  # fmt: skip
        return cls(*(letter == "C" for letter in code))

    @property
    def code(self) -> str:
        """McNicholas & Murphy's."""
        return "".join("C" if one else "U" for one in (self.shared_loadings, self.shared_noise, self.isotropic))

    @property
    def description(self) -> str:
        """In words.

        Examples
        --------
        >>> FactorModel.of("UCC").description
        'loadings of each component, shared isotropic noise'
        """
        noise = "isotropic noise" if self.isotropic else "noise"
        return f"{_whose('loadings', self.shared_loadings)}, {_whose(noise, self.shared_noise)}"

    @property
    def units(self) -> str:
        """Under which maps of the rows the model stays itself."""
        return ROTATION if self.isotropic else EACH_SCALE

    def n_parameters(self, n_components: int, n_features: int, n_factors: int) -> int:
        """Free parameters in the covariances, rotations of the factors taken off."""
        k, d, q = n_components, n_features, n_factors
        loadings = d * q - q * (q - 1) // 2
        noise = 1 if self.isotropic else d
        return loadings * (1 if self.shared_loadings else k) + noise * (1 if self.shared_noise else k)

    def m_step(self, stats: FactorStats, near: LowRank, least) -> LowRank:
        """Loadings and noise that raise Q, and with it the log-likelihood, above the present ones.

        One step of EM with the factors missing as well (Rubin & Thayer 1982), given the labels' expectations; where
        loadings are shared and noise is not, two conditional steps (Meng & Rubin 1993). ``least`` (D,) bounds the
        noise from below. Raises LinAlgError where a component has no rows.
        """
        if not (stats.counts > 0).all():
            raise np.linalg.LinAlgError("a component has lost all its points")
        counts, crossed = stats.counts, stats.crossed / stats.counts[:, None, None]
        seconds = near.regressions @ crossed + np.eye(near.rank) - near.regressions @ near.loadings
        seconds = 0.5 * (seconds + seconds.mT)  # E[f fᵀ] of a component's rows
        if self.shared_loadings:
            loadings = _one_for_all(counts, crossed, seconds, near.noise)
        else:
            loadings = np.linalg.solve(seconds, crossed.mT).mT
        rest = stats.spreads / counts[:, None] - 2 * (loadings * crossed).sum(axis=2)
        rest += ((loadings @ seconds) * loadings).sum(axis=2)
        return LowRank(np.ascontiguousarray(loadings), self.noise(rest, counts, least))

    def noise(self, rest, counts, least) -> np.ndarray:
        """Ψ (K, D) from what is left of the variances (K, D), as this model shares it, not below ``least`` (D,)."""
        if self.shared_noise:
            rest = np.broadcast_to(counts @ rest / counts.sum(), rest.shape)
        if self.isotropic:
            rest = np.broadcast_to(rest.mean(axis=1, keepdims=True), rest.shape)
        return np.maximum(rest, self.bound(least))

    def bound(self, least):
        """The least noise (D,) as this model can keep it: one number where noise is isotropic."""
        return np.full_like(least, np.mean(least)) if self.isotropic else least


def _whose(what: str, shared: bool) -> str:
    return f"shared {what}" if shared else f"{what} of each component"


def _one_for_all(counts, crossed, seconds, noise) -> np.ndarray:
    """Λ (K, D, q), all equal, that maximises Q at this noise: normal equations of their own for each feature."""
    weights = counts[:, None] / noise
    left = np.einsum("kd,kab->dab", weights, seconds)
    right = np.einsum("kd,kda->da", weights, crossed)
    return np.broadcast_to(np.linalg.solve(left, right[:, :, None])[:, :, 0], crossed.shape)


#: All eight, the fewest parameters first.
FACTOR_CODES = ("CCC", "CCU", "CUC", "CUU", "UCC", "UCU", "UUC", "UUU")


def principal_loadings(model: FactorModel, low_rank: LowRank) -> LowRank:
    """The same covariances, the factors turned to where they explain most, the first the most, in units of the noise.

    Signs are such that the largest loading of a factor is positive.

    Examples
    --------
    >>> turned = principal_loadings(FactorModel(), LowRank(np.array([[[1.0, -3.0], [1.0, -3.0]]]), np.ones((1, 2))))
    >>> np.abs(turned.loadings.round(3)).tolist()
    [[[3.162, 0.0], [3.162, 0.0]]]
    """
    noise = low_rank.noise
    if model.shared_loadings:
        noise = np.broadcast_to(1 / (1 / noise).mean(axis=0), noise.shape)
    turn = np.linalg.svd(low_rank.loadings / np.sqrt(noise)[:, :, None], full_matrices=False)[2].mT
    loadings = low_rank.loadings @ turn
    largest = np.take_along_axis(loadings, np.abs(loadings).argmax(axis=1)[:, None], axis=1)
    loadings = loadings * np.where(largest < 0, -1.0, 1.0)
    if model.shared_loadings:
        loadings = np.broadcast_to(loadings[0], loadings.shape)
    return LowRank(loadings, low_rank.noise)
