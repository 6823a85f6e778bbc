"""Compile the native kernel and store it: ``python -m bayesgmm.kernel``."""

from bayesgmm.kernel import library


def main(routines=library.KERNEL) -> None:
    """Compile what is not stored yet."""
    if not all(map(library.is_stored, routines)):
        from bayesgmm.kernel.compiler import make

        make(*routines)


if __name__ == "__main__":
    main()
