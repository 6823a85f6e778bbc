"""From a routine to object code: numba writes it, LLVM optimises it as a whole. Only `make setup` comes here."""

from __future__ import annotations

import os
from importlib import import_module

import llvmlite.binding as llvm
from numba import cfunc, types

from bayesgmm.kernel import library
from bayesgmm.kernel.library import Routine, symbol, target_machine


def external(routine: Routine):
    """A routine as other compiled code calls it."""
    return types.ExternalFunction(symbol(routine), types.int64(*[types.int64] * routine.arguments))


def make(*routines: Routine) -> None:
    """Compile and store what is not stored yet."""
    os.environ["NUMBA_OPT"] = "0"  # the whole is optimised at once; numba would do so piece by piece
    for routine in routines:
        if not library.is_stored(routine):
            for other in routine.calls:
                library.function(other)
            library.store(routine, object_code(routine))


def object_code(routine: Routine) -> bytes:
    """Compile a routine, and all that it calls, under its symbol.

    numba writes the intermediate code; it is optimised here, once and as a whole, with everything but the one function
    kept inside, so that nothing of Python or numba is needed to run it.
    """
    function = import_module(routine.home).function(routine.name)
    made = cfunc(types.int64(*[types.int64] * routine.arguments), nopython=True, _nrt=False)(function)
    module = llvm.parse_assembly(made.inspect_llvm())
    # Beside numba's own C wrapper, which would report errors through Python, stands the function itself.
    (native,) = (f for f in module.functions if f.name == made.native_name.removeprefix("cfunc."))
    native.name = "native"
    module.link_in(llvm.parse_assembly(_wrapper(routine, module.triple)))
    for inner in (*module.functions, *module.global_variables):
        if not inner.is_declaration:
            inner.linkage = "external" if inner.name == symbol(routine) else "internal"
    machine = target_machine()
    tuning = llvm.create_pipeline_tuning_options(speed_level=3)
    tuning.loop_vectorization = tuning.loop_unrolling = True
    builder = llvm.create_pass_builder(machine, tuning)
    builder.getModulePassManager().run(module, builder)
    return machine.emit_object(module)


def _wrapper(routine: Routine, triple: str) -> str:
    """A C function around one in numba's calling convention, which wants places for a result and for an error."""
    names = [f"i64 %a{i}" for i in range(routine.arguments)]
    return f"""
        target triple = "{triple}"
        declare i32 @native({", ".join(["ptr", "ptr", *["i64"] * routine.arguments])})
        define i64 @{symbol(routine)}({", ".join(names)}) {{
            %result = alloca i64
            %error = alloca ptr
            %status = call i32 @native({", ".join(["ptr %result", "ptr %error", *names])})
            %value = load i64, ptr %result
            %failed = icmp ne i32 %status, 0
            %returned = select i1 %failed, i64 -1, i64 %value
            ret i64 %returned
        }}
    """
