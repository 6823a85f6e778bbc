"""Fewer dimensions than features: each component's own coordinates, and projections that show components apart.

`coordinates`  factors of mixtures with loadings: `transform` to them, `reconstruct` back
`rotation`     loadings of draws, turned to agree
`projection`   the plane, or the space, in which the components of any mixture differ most
"""

from bayesgmm.reduction.coordinates import reconstruct, transform
from bayesgmm.reduction.projection import Projection, project
from bayesgmm.reduction.rotation import align_factors

__all__ = ["Projection", "align_factors", "project", "reconstruct", "transform"]
