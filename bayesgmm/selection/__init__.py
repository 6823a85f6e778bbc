"""Which mixture: how many components, of which covariance family; and how many clusters, once components are merged.

``select.py`` sweeps over both, ``sweep.py`` fits one of them, ``order.py`` says which may come next, ``workers.py``
does it over all cores, ``selection.py`` is what is found;
``likelihood_ratio.py`` tests K against K + 1, ``merging.py`` merges components that overlap. ``question.py`` asks
every criterion, posteriors of K among them, ``answers.py`` is their table, ``agreement.py`` what it says.
``factors.py`` sweeps over numbers of factors.
"""

from bayesgmm.selection.answers import HowMany
from bayesgmm.selection.factors import FactorSelection, select_factors
from bayesgmm.selection.likelihood_ratio import LikelihoodRatioTest, bootstrap_lrt
from bayesgmm.selection.merging import Merging, merge_components
from bayesgmm.selection.question import how_many
from bayesgmm.selection.select import select
from bayesgmm.selection.selection import Selection

__all__ = ["FactorSelection", "HowMany", "LikelihoodRatioTest", "Merging", "Selection", "bootstrap_lrt",
           "how_many", "merge_components", "select", "select_factors"]  # fmt: skip
