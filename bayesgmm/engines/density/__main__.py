"""Compile the native log densities and store them: ``python -m bayesgmm.engines.density``."""

from bayesgmm.engines.density import blocks, conjugate, folded
from bayesgmm.kernel.__main__ import main
from bayesgmm.tape import machine

if __name__ == "__main__":
    main((blocks.KEEP, conjugate.ROUTINE, folded.ROUTINE, machine.ROUTINE))
