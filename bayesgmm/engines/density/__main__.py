"""Compile the native log densities and sweeps, and store them: ``python -m bayesgmm.engines.density``."""

from bayesgmm.engines.density import blocks, conjugate, whitened
from bayesgmm.engines.sweeps import conjugate as conjugate_sweeps
from bayesgmm.kernel.__main__ import main
from bayesgmm.tape import machine

if __name__ == "__main__":
    main((blocks.KEEP, conjugate.ROUTINE, whitened.ROUTINE, machine.ROUTINE, conjugate_sweeps.ROUTINE))
