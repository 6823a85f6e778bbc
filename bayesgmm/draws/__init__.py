"""What a posterior says: labels, summary, diagnosis, memberships. Functions of a DataTree, wherever it came from."""

from bayesgmm.draws.affinity import match
from bayesgmm.draws.check import PredictiveCheck, predictive_check
from bayesgmm.draws.densities import predictive_density, predictive_quantile
from bayesgmm.draws.diagnose import Diagnosis, diagnose
from bayesgmm.draws.features import by_feature
from bayesgmm.draws.identify import identify
from bayesgmm.draws.impute import impute
from bayesgmm.draws.labels import relabel
from bayesgmm.draws.losses import adjusted_rand_index, partition_distance
from bayesgmm.draws.membership import membership
from bayesgmm.draws.mixtures import from_arrays, mean_mixture, mixture_at
from bayesgmm.draws.n_clusters import n_clusters
from bayesgmm.draws.partition import Partition, partition
from bayesgmm.draws.regions import density_levels, highest_density
from bayesgmm.draws.report import label_report
from bayesgmm.draws.sensitivity import sensitivity
from bayesgmm.draws.similarity import similarity
from bayesgmm.draws.summary import summary
from bayesgmm.draws.uncertain import uncertain

__all__ = [
    "Diagnosis",
    "Partition",
    "PredictiveCheck",
    "adjusted_rand_index",
    "by_feature",
    "density_levels",
    "diagnose",
    "from_arrays",
    "highest_density",
    "identify",
    "impute",
    "label_report",
    "match",
    "mean_mixture",
    "membership",
    "mixture_at",
    "n_clusters",
    "partition",
    "partition_distance",
    "predictive_check",
    "predictive_density",
    "predictive_quantile",
    "relabel",
    "sensitivity",
    "similarity",
    "summary",
    "uncertain",
]
