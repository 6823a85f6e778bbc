"""Classification with one mixture a class, of single rows or of sequences whose rows belong together.

``fit.py`` fits and chooses, ``sweep.py`` has the fits it chooses from, ``held_out.py`` their scores on groups left out;
``classifier.py`` is what is found; ``labelled.py`` reads rows, labels and groups, and adds scores up over a group.
``draws.py`` has the same from posterior draws of each class; ``assessment.py`` says how right probabilities were.
"""

from bayesgmm.classify.assessment import Assessment, Reliability, assess, reliability
from bayesgmm.classify.classifier import Classifier
from bayesgmm.classify.draws import ClassifierDraws, sample_classifier
from bayesgmm.classify.fit import fit_classifier

__all__ = ["Assessment", "Classifier", "ClassifierDraws", "Reliability", "assess", "fit_classifier", "reliability",
           "sample_classifier"]  # fmt: skip
