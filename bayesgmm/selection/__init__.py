"""Which mixture: how many components, of which covariance family; and how many clusters, once components are merged.

``select.py`` sweeps over both, ``sweep.py`` fits one of them after another, ``selection.py`` is what is found;
``likelihood_ratio.py`` tests K against K + 1, ``merging.py`` merges components that overlap.
"""

from bayesgmm.selection.likelihood_ratio import LikelihoodRatioTest, bootstrap_lrt
from bayesgmm.selection.merging import Merging, merge_components
from bayesgmm.selection.select import select
from bayesgmm.selection.selection import Selection

__all__ = ["LikelihoodRatioTest", "Merging", "Selection", "bootstrap_lrt", "merge_components", "select"]
