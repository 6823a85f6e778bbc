"""Compile the native log densities and sweeps, and store them: ``python -m bayesgmm.engines.density``."""

from bayesgmm.engines.density import blocks, conjugate, folded, hierarchical, independent, lkj
from bayesgmm.engines.sweeps import ROUTINES
from bayesgmm.engines.unknown import native
from bayesgmm.kernel.__main__ import main
from bayesgmm.tape import machine

if __name__ == "__main__":
    priors = (form.ROUTINE for form in (conjugate, independent, hierarchical, lkj))
    main((blocks.KEEP, *priors, folded.ROUTINE, machine.ROUTINE, *ROUTINES.values(), native.ROUTINE))
