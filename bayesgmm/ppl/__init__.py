"""The PyMC language of this package: distributions, the kernel's Op, and what is read out of a model."""

from bayesgmm.ppl.coords import coords
from bayesgmm.ppl.declaration import Declaration, declaration, declare
from bayesgmm.ppl.inverse_wishart import InverseWishart
from bayesgmm.ppl.marginal import MarginalGaussianMixture

__all__ = ["Declaration", "InverseWishart", "MarginalGaussianMixture", "coords", "declaration", "declare"]
