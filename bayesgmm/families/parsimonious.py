"""The ten other families of Celeux & Govaert, and the two that one feature has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayesgmm.families.base import Family, as_matrices, diagonals
from bayesgmm.families.classic import Full, Tied


@dataclass(frozen=True)
class Parsimonious(Family):
    """A family known by its three letters, with a penalised M-step in place of one under a prior.

    Parameters
    ----------
    code : str
    """

    code: str

    @property
    def alias(self) -> str:
        """The code: there is no other name."""
        return self.code

    def penalty(self, n_components: int, dof, scale, like_mclust=False):
        """The kernel of the prior that Σ_k has where all varies: each component pays it; all together, if they share Σ.

        Ellipsoidal: of InverseWishart(ν₀, Ψ₀). Diagonal: of InvGamma(ν₀/2, Ψ₀,dd/2), of each feature. Spherical: of
        InvGamma(ν₀/2, tr(Ψ₀)/2D).

        Like mclust, whose M-steps (version 6.1, ``me*p``) are not all those of a density: EVI and EEV count ν₀ once,
        VEI counts it once for all features and VEV not at all; of all four, and EEI, the means' prior counts less rows;
        and EII leaves out Ψ₀.
        """
        d = np.shape(scale)[-1]
        power, matrix = dof + d + 1, np.asarray(scale, dtype=float)
        if self.is_diagonal:
            power, matrix = dof + 2, as_matrices(diagonals(matrix))
        if self.is_round:
            power, matrix = power / d, np.trace(matrix, axis1=-2, axis2=-1)[..., None, None] / d**2 * np.eye(d)
        more, share = (power / n_components, 1 / n_components) if self.is_shared else (power, 1.0)
        if like_mclust:
            more = self._of_mclust(n_components, d, power, more)
            share = 0.0 if self.is_round else share
        shape = (*matrix.shape[:-2], n_components, d, d)
        return np.full(n_components, more), np.broadcast_to(share * matrix[..., None, :, :], shape)

    def _of_mclust(self, n_components, n_features, power, more):
        """a_k, so that N_k + 1 + a_k are the rows that mclust divides by."""
        if self.code == "VEV":
            return -1.0
        if self.code == "VEI":
            return (power + 1) / n_features - 1
        if self.code in ("EEI", "EVI"):
            return power / n_components - 1
        return (power + 1) / n_components - 1 if self.code == "EEV" else more


@dataclass(frozen=True)
class Equal(Tied):
    """One variance of one feature for all components (E)."""

    alias = "E"
    code = "E"


@dataclass(frozen=True)
class Varying(Full):
    """One variance of one feature for each component (V)."""

    alias = "V"
    code = "V"
