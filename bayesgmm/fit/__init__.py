"""Point estimates: EM from several starts, and the posterior mode of any story."""

from bayesgmm.fit.degenerate import DegenerateFit
from bayesgmm.fit.mle import fit_mle
from bayesgmm.fit.mode import fit_map
from bayesgmm.fit.result import Fit, Start
from bayesgmm.fit.scaling import scale_prior

__all__ = ["DegenerateFit", "Fit", "Start", "fit_map", "fit_mle", "scale_prior"]
