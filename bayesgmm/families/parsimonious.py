"""The ten other families of Celeux & Govaert, and the two that one feature has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayesgmm.families.base import Family
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
        """As `Family.penalty` has it, or as mclust does, whose M-steps are not all those of a density.

        In mclust 6.1 (``me*p``) EVI and EEV count ν₀ once, VEI counts it once for all features and VEV not at all; of
        all four, and EEI, the means' prior counts fewer rows; and EII leaves out Ψ₀.
        """
        more, scatter = super().penalty(n_components, dof, scale)
        if not like_mclust:
            return more, scatter
        d, power = np.shape(scale)[-1], dof + (2 if self.is_diagonal else np.shape(scale)[-1] + 1)
        if self.code in _OF_MCLUST:
            more = np.full(n_components, _OF_MCLUST[self.code](power, n_components, d))
        return more, 0.0 * scatter if self.is_round else scatter


# By code, a_k of N_k + 1 + a_k, the rows that mclust divides by: from ν₀ and what goes with it, K and D.
_OF_MCLUST = {
    "EEI": lambda power, k, d: power / k - 1,
    "EVI": lambda power, k, d: power / k - 1,
    "VEI": lambda power, k, d: (power + 1) / d - 1,
    "EEV": lambda power, k, d: (power + 1) / k - 1,
    "VEV": lambda power, k, d: -1.0,
}


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
