"""Compile the native kernel and store it: ``python -m bayesgmm.kernel``."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from bayesgmm.kernel import library
from bayesgmm.kernel.threads import threads


def main(routines=library.KERNEL) -> None:
    """Compile what is not stored yet, over all cores; what others call goes first."""
    called = {other: None for routine in routines for other in routine.calls}
    for stage in (called, routines):
        missing = [routine for routine in stage if not library.is_stored(routine)]
        if len(missing) < 2:
            list(map(_make, missing))
            continue
        with ProcessPoolExecutor(min(threads(), len(missing)), mp_context=get_context("spawn")) as pool:
            list(pool.map(_make, missing))


def _make(routine: library.Routine) -> None:
    from bayesgmm.kernel.compiler import make

    make(routine)


if __name__ == "__main__":
    main()
