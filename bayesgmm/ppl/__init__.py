"""The PyMC language of this package: distributions, the kernel's Op, and what is read out of a model."""

from bayesgmm.ppl.coords import coords
from bayesgmm.ppl.declaration import Declaration, declaration, declare
from bayesgmm.ppl.inverse_wishart import InverseWishart
from bayesgmm.ppl.lkj import LKJCorrelation
from bayesgmm.ppl.marginal import MarginalGaussianMixture
from bayesgmm.ppl.mixing import MarginalMixture
from bayesgmm.ppl.positive import concentration, positive
from bayesgmm.ppl.sticks import StickBreaking
from bayesgmm.ppl.wishart import Wishart

__all__ = ["Declaration", "InverseWishart", "LKJCorrelation", "MarginalGaussianMixture", "MarginalMixture",
           "StickBreaking", "Wishart", "concentration", "coords", "declaration", "declare", "positive"]  # fmt: skip
