"""Posterior draws: each engine takes a story and a seed and gives the same kind of DataTree; `sample_components` takes
data, for the number of components is not known then."""

from bayesgmm.engines.extend import extend
from bayesgmm.engines.sample import sample
from bayesgmm.engines.unknown.sample import sample_components

__all__ = ["extend", "sample", "sample_components"]
