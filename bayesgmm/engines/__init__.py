"""Posterior draws: each engine takes a story and a seed and gives the same kind of DataTree."""

from bayesgmm.engines.extend import extend
from bayesgmm.engines.sample import sample

__all__ = ["extend", "sample"]
