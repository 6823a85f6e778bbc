"""Compiled routines, read from the disk: numba makes them once, and is not even imported after that.

numba would keep its own cache, but takes seconds to wake up before it reads it. So the object code that it makes is
kept in a folder of ours and loaded by LLVM directly, in some ten milliseconds.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import subprocess
import sys
import tempfile
from functools import cache
from importlib.metadata import version
from pathlib import Path
from threading import RLock
from typing import NamedTuple

import llvmlite.binding as llvm

PACKAGE = Path(__file__).parents[1]


class Routine(NamedTuple):
    """A C function of 64-bit integers, addresses and sizes, that returns one, and where it comes from.

    It returns 0, unless something of interest happened.

    Parameters
    ----------
    name : str
    arguments : int
        How many integers it takes.
    home : str
        The module whose ``function(name)`` numba compiles.
    sources : tuple of str
        The files, from the package on, that its code is made from; a change there makes it another routine.
    calls : tuple of Routine
        Routines that it calls by their symbols.
    """

    name: str
    arguments: int
    home: str
    sources: tuple[str, ...]
    calls: tuple[Routine, ...] = ()


_WALK = "arithmetic assign build compiler joints lanes options parameters plan refine screen sizes tiles views walk"
_SOURCES = tuple(f"kernel/{name}.py" for name in _WALK.split())

#: One pass over rows: (rows, arithmetic), each double or single.
WALK = {kind: Routine(f"walk_{kind}", 26, "bayesgmm.kernel.build", _SOURCES) for kind in ("dd", "ss", "sd")}
#: Sums of ranges, added in their order.
MERGE = Routine("merge", 12, "bayesgmm.kernel.build", _SOURCES)
#: One pass over rows, where covariances are of low rank.
FACTORED = Routine("factored", 23, "bayesgmm.kernel.factored",
                   (*_SOURCES, "kernel/factored.py", "kernel/factored_plan.py"))  # fmt: skip
#: One pass over rows with missing cells, grouped by what they have.
PATTERNS = Routine("patterns", 24, "bayesgmm.kernel.patterns", ("kernel/patterns.py",), (WALK["dd"],))
#: Walks over the same rows, a mixture each.
REPEAT = Routine("repeat", 16, "bayesgmm.kernel.repeat", ("kernel/repeat.py",), (WALK["dd"],))
_MSTEP = tuple(f"kernel/{name}.py" for name in "compiler options rotations shapes structure triangles views".split())
#: The M-step of any covariance family.
MSTEP = Routine("mstep", 9, "bayesgmm.kernel.structure", _MSTEP)
_ASCENT = (*_MSTEP, "kernel/ascent.py", "kernel/places.py", "kernel/pooled.py", "kernel/quasi.py")
#: Quasi-Newton EM over the same rows, or others, once after another, for any family.
ASCENT = Routine("ascent", 16, "bayesgmm.kernel.ascent", _ASCENT, (WALK["dd"],))
_LABELS = tuple(f"kernel/{name}.py" for name in ("compiler", "labels", "options", "views"))
#: What labels are matched with: sums over rows, sums over draws, optimal assignments.
LABELS = {name: Routine(f"labels_{name}", arguments, "bayesgmm.kernel.labels", _LABELS)
          for name, arguments in (("overlaps", 6), ("total", 8), ("orders", 5))}  # fmt: skip
#: Clusters of rows merged two by two.
_TREES = tuple(f"kernel/{name}.py" for name in ("agglomerate", "compiler", "options", "views"))
AGGLOMERATE = Routine("agglomerate", 11, "bayesgmm.kernel.agglomerate", _TREES)
#: A partition of least expected loss, from one start.
SEARCH = Routine("search", 20, "bayesgmm.kernel.search",
                 tuple(f"kernel/{name}.py" for name in
                       ("arithmetic", "assign", "clusters", "compiler", "options", "search", "views")))  # fmt: skip
#: How often rows are in one cluster.
PAIRS = Routine("pairs", 6, "bayesgmm.kernel.pairs",
                tuple(f"kernel/{name}.py" for name in ("compiler", "options", "pairs", "views")))  # fmt: skip
KERNEL = (*WALK.values(), MERGE, PATTERNS, REPEAT, MSTEP, ASCENT, AGGLOMERATE, *LABELS.values(), SEARCH,
          PAIRS, FACTORED)  # fmt: skip


@cache
def fingerprint(routine: Routine) -> str:
    """Differs wherever the compiled code would: in its sources, its compiler, or the processor."""
    parts = [(PACKAGE / source).read_bytes() for source in routine.sources]
    parts += [fingerprint(other).encode() for other in routine.calls]
    parts += [f"{version(package)}\n".encode() for package in ("numba", "llvmlite")]
    parts += [llvm.get_process_triple().encode(), llvm.get_host_cpu_name().encode()]
    parts += [llvm.get_host_cpu_features().flatten().encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def symbol(routine: Routine) -> str:
    """The name under which other compiled code calls a routine, once `function` has loaded it."""
    return f"bayesgmm_{routine.name}_{fingerprint(routine)}"


# Two threads must not both load a function when it is first asked for.
_lock = RLock()


def function(routine: Routine):
    """A routine, callable from Python with integers; while it runs, other threads do. It returns what C does."""
    with _lock:
        return _function(routine)


@cache
def _function(routine: Routine):
    for other in routine.calls:
        _function(other)
    address = _loaded(routine)
    llvm.add_symbol(symbol(routine), address)
    return ctypes.CFUNCTYPE(*[ctypes.c_int64] * (1 + routine.arguments))(address)


def address(routine: Routine) -> int:
    """Where a routine stands in memory, for C code that takes a pointer to it."""
    function(routine)
    return llvm.address_of_symbol(symbol(routine))


def _loaded(routine: Routine) -> int:
    """The address of a routine, in this process."""
    path = _stored(routine)
    if path is None:
        if sys.stderr.isatty():
            print("bayesgmm compiles its kernel, once; this takes half a minute", file=sys.stderr)
        compile_apart(routine)
        path = _stored(routine)
    if path is None:
        raise RuntimeError(f"the compiled kernel was written to none of {[str(f) for f in _folders()]}")
    engine = _engine()
    engine.add_object_file(llvm.ObjectFileRef.from_data(path.read_bytes()))
    engine.finalize_object()
    return engine.get_function_address(symbol(routine))


@cache
def _engine():
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), target_machine())


def target_machine():
    """This processor, with all it can do."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    return target.create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=3, jit=True
    )


def compile_apart(*routines: Routine) -> None:
    """Compile routines in a process of their own, and store them.

    This one is spared numba's start, and keeps the settings that its own use of numba may need.
    """
    code = "from bayesgmm.kernel.library import Routine; from bayesgmm.kernel.compiler import make; "
    code += f"make(*{routines!r})"
    path = os.pathsep.join([str(PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=os.environ | {"NUMBA_OPT": "0", "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        said = f"the compiler ended with {done.returncode} and said:\n{done.stderr[-3000:]}"
        raise RuntimeError(f"the kernel could not be compiled: {said}")


def store(routine: Routine, code: bytes) -> None:
    """Put object code where `function` looks for it, in the first folder that can be written."""
    for folder in _folders():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
                file.write(code)
            os.chmod(file.name, 0o644)
            os.replace(file.name, folder / _file(routine))
            return
        except OSError:
            continue


def is_stored(routine: Routine) -> bool:
    """Whether a routine need not be compiled any more."""
    return _stored(routine) is not None


def _stored(routine: Routine) -> Path | None:
    return next((folder / _file(routine) for folder in _folders() if (folder / _file(routine)).is_file()), None)


def _file(routine: Routine) -> str:
    return f"{routine.name}-{fingerprint(routine)}.o"


def _folders() -> tuple[Path, ...]:
    """Beside the package, as Python keeps its byte code; where that is not ours to write, in the user's cache."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return PACKAGE / "kernel" / "__pycache__", Path(home) / "bayesgmm"
