"""Compile the native kernel and store it: ``python -m bayesgmm.kernel [function ...]``."""

import os
import sys

from bayesgmm.kernel import library


def main(names) -> None:
    """Compile what is not stored yet."""
    os.environ["NUMBA_OPT"] = "0"  # `build` optimises the whole at once; numba would do so piece by piece
    for name in names:
        if not library.is_stored(name):
            from bayesgmm.kernel.build import object_code

            library.store(name, object_code(name, library.symbol(name)))


if __name__ == "__main__":
    main(sys.argv[1:] or library.NAMES)
