"""Compile the native log densities and store them: ``python -m bayesgmm.engines.density``."""

from bayesgmm.engines.density import blocks, conjugate
from bayesgmm.kernel.__main__ import main

if __name__ == "__main__":
    main((blocks.KEEP, conjugate.ROUTINE))
