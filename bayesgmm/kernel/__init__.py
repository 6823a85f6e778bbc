"""The only room that evaluates a mixture on rows: `e_step`, and the statistics that it returns."""

from bayesgmm.kernel.estep import e_step
from bayesgmm.kernel.statistics import Stats
from bayesgmm.kernel.threads import set_threads, threads
from bayesgmm.kernel.whitening import Whitening

__all__ = ["Stats", "Whitening", "e_step", "set_threads", "threads"]
