"""The compiled kernel, read from the disk: numba makes it once, and is not even imported after that.

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

import llvmlite.binding as llvm

HERE = Path(__file__).parent
SOURCES = tuple("arithmetic assign build joints options parameters plan refine screen sizes tiles walk".split())
ARGUMENTS = {"walk": 26, "merge": 12}
NAMES = ("merge", "walk_dd", "walk_ss", "walk_sd")


@cache
def fingerprint() -> str:
    """Differs wherever the compiled code would: in the kernel's sources, its compiler, or the processor."""
    parts = [(HERE / f"{name}.py").read_bytes() for name in SOURCES]
    parts += [f"{version(package)}\n".encode() for package in ("numba", "llvmlite")]
    parts += [llvm.get_process_triple().encode(), llvm.get_host_cpu_name().encode()]
    parts += [llvm.get_host_cpu_features().flatten().encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def symbol(name: str) -> str:
    """The name under which other compiled code calls a function of the kernel, once `function` has loaded it."""
    return f"bayesgmm_{name}_{fingerprint()}"


# Two threads must not both load a function when it is first asked for.
_lock = RLock()


def function(name: str):
    """A C function of the kernel, callable from Python; while it runs, other threads do.

    It takes integers: addresses and sizes, as `build` lists them.
    """
    with _lock:
        return _function(name)


@cache
def _function(name: str):
    address = _loaded(name)
    llvm.add_symbol(symbol(name), address)
    integers = [ctypes.c_int64] * ARGUMENTS[name.partition("_")[0]]
    result, error = ctypes.c_int64(), ctypes.c_int64()
    call = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, *integers)(address)

    def run(*arguments) -> None:
        # numba's calling convention: first come the places for a result, which there is not, and for an error.
        if call(ctypes.byref(result), ctypes.byref(error), *arguments):
            raise RuntimeError(f"the compiled kernel failed in {name}; please report this")

    return run


def _loaded(name: str) -> int:
    """The address of a function, in this process."""
    path = _stored(name)
    if path is None:
        compile_kernel(name)
        path = _stored(name)
    if path is None:
        raise RuntimeError(f"the compiled kernel was written to none of {[str(f) for f in _folders()]}")
    engine = _engine()
    engine.add_object_file(llvm.ObjectFileRef.from_data(path.read_bytes()))
    engine.finalize_object()
    return engine.get_function_address(symbol(name))


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


def compile_kernel(*names: str) -> None:
    """Compile functions in a process of their own, and store them.

    This one is spared numba's start, and keeps the settings that its own use of numba may need.
    """
    if sys.stderr.isatty():
        print("bayesgmm compiles its kernel, once; this takes half a minute", file=sys.stderr)
    command = [sys.executable, "-W", "ignore", "-m", "bayesgmm.kernel", *names]
    path = os.pathsep.join([str(HERE.parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        command, env=os.environ | {"NUMBA_OPT": "0", "PYTHONPATH": path}, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"the kernel could not be compiled:\n{done.stderr[-3000:]}")


def store(name: str, code: bytes) -> None:
    """Put object code where `function` looks for it, in the first folder that can be written."""
    for folder in _folders():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
                file.write(code)
            os.chmod(file.name, 0o644)
            os.replace(file.name, folder / _file(name))
            return
        except OSError:
            continue


def is_stored(name: str) -> bool:
    """Whether a function need not be compiled any more."""
    return _stored(name) is not None


def _stored(name: str) -> Path | None:
    return next((folder / _file(name) for folder in _folders() if (folder / _file(name)).is_file()), None)


def _file(name: str) -> str:
    return f"{name}-{fingerprint()}.o"


def _folders() -> tuple[Path, ...]:
    """Beside the package, as Python keeps its byte code; where that is not ours to write, in the user's cache."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return HERE / "__pycache__", Path(home) / "bayesgmm"
