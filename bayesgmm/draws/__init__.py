"""What a posterior says: labels, summary, diagnosis, memberships. Functions of a DataTree, wherever it came from."""

from bayesgmm.draws.diagnose import Diagnosis, diagnose
from bayesgmm.draws.features import by_feature
from bayesgmm.draws.impute import impute
from bayesgmm.draws.labels import match, relabel
from bayesgmm.draws.membership import membership
from bayesgmm.draws.mixtures import from_arrays, mean_mixture, mixture_at
from bayesgmm.draws.sensitivity import sensitivity
from bayesgmm.draws.summary import summary

__all__ = [
    "Diagnosis",
    "by_feature",
    "diagnose",
    "from_arrays",
    "impute",
    "match",
    "mean_mixture",
    "membership",
    "mixture_at",
    "relabel",
    "sensitivity",
    "summary",
]
