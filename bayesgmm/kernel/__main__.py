"""Compile the native kernel and store it: ``python -m bayesgmm.kernel``."""

from concurrent.futures import ThreadPoolExecutor

from bayesgmm.kernel import library
from bayesgmm.kernel.threads import threads


def main(routines=library.KERNEL) -> None:
    """Compile what is not stored yet, in a process for each core; what others call goes before them."""
    every = dict.fromkeys((*routines, *(other for routine in routines for other in routine.calls)))
    for depth in sorted(set(map(_depth, every))):
        _make([routine for routine in every if _depth(routine) == depth and not library.is_stored(routine)])


def _depth(routine: library.Routine) -> int:
    """0 if it calls no other, else one more than what it calls."""
    return 1 + max(map(_depth, routine.calls), default=-1)


def _make(missing: list[library.Routine]) -> None:
    shares = [missing[i :: threads()] for i in range(min(threads(), len(missing)))]
    if len(shares) > 1:
        with ThreadPoolExecutor(len(shares)) as pool:
            list(pool.map(lambda share: library.compile_apart(*share), shares))
    elif missing:
        from bayesgmm.kernel.compiler import make

        make(*missing)


if __name__ == "__main__":
    main()
