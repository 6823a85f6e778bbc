"""Point estimates: EM from several starts, the posterior mode of any story, and standard errors."""

from bayesgmm.fit.census import Mode
from bayesgmm.fit.components import ComponentsFit, fit_components
from bayesgmm.fit.degenerate import Degeneracy, DegenerateFit
from bayesgmm.fit.factor_fit import FactorFit
from bayesgmm.fit.factors import fit_factors
from bayesgmm.fit.mle import fit_mle
from bayesgmm.fit.mode import fit_map
from bayesgmm.fit.result import Fit, Start
from bayesgmm.fit.scaling import scale_prior
from bayesgmm.fit.uncertainty import Uncertainty, standard_errors

__all__ = ["ComponentsFit", "Degeneracy", "DegenerateFit", "FactorFit", "Fit", "Mode", "Start", "Uncertainty",
           "fit_components", "fit_factors", "fit_map", "fit_mle", "scale_prior", "standard_errors"]  # fmt: skip
