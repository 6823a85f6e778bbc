"""MLE beside Bayes: estimates, their uncertainty, and what they predict, under one set of labels."""

from bayesgmm.comparison.compare import Comparison, compare

__all__ = ["Comparison", "compare"]
