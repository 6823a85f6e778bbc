"""How a point estimate varies from sample to sample: bootstrap and jackknife."""

from bayesgmm.resampling.refits import bootstrap, jackknife
from bayesgmm.resampling.replicates import Bootstrap, Jackknife

__all__ = ["Bootstrap", "Jackknife", "bootstrap", "jackknife"]
