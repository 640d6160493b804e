"""numba's compiler, driven by hand: a Python function becomes object code without any Python in it.

Imported only when something must be compiled; everything that imports numba at its top stands in this file, in
`codegen` and in `lowering`.
"""

import linecache
import os
import re
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import compiler, config, cpu, registry
from numba.core.compiler_lock import global_compiler_lock
from numba.extending import typeof_impl
from numba.np.numpy_support import from_dtype

from flowaudio.core import lowering, memory  # noqa: F401  lowering makes lanes, atomics and views known to numba
from flowaudio.core.codegen import context, own_target
from flowaudio.core.entry import Shape
from flowaudio.core.errors import KernelError
from flowaudio.core.kernel import Kernel
from flowaudio.core.native import FAILED, Object, forbidden_symbols

__all__ = ["assembly", "compile_object", "dispatcher", "make_entry"]

OPTIONS: dict[str, Any] = {
    "error_model": "numpy",  # a division by zero gives inf, it does not raise
    # Not "reassoc": it lets LLVM add up a block in another order for another block length, and the sound of a sum
    # would depend on how the input was cut. Not "nnan", "ninf": they break the checks for NaN.
    "fastmath": {"contract", "arcp", "nsz"},
    "_nrt": False,           # numba refuses whatever would allocate or count references
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}


def dispatcher(kernel: Kernel) -> Any:
    """numba's own object for a kernel, made when another kernel calls it."""
    if _bounds not in kernel.dispatchers:
        # Inlined without asking: through a call, vectors would go by way of memory, and a literal would be a variable.
        made = kernel.dispatchers[_bounds] = njit(**OPTIONS, forceinline=True, boundscheck=_bounds)(kernel.function)
        made._compiler.targetdescr = own_target()
    return kernel.dispatchers[_bounds]


_bounds = False
"""Whether what is compiled now checks its indices; changed while the compiler is locked."""


@typeof_impl.register(Kernel)
def _typeof_kernel(kernel: Kernel, context: Any) -> Any:
    return types.Dispatcher(dispatcher(kernel))


def _flags() -> Any:
    flags = compiler.Flags()
    cpu.CPUTargetOptions.parse_as_flags(flags, {**OPTIONS, "nopython": True, "boundscheck": _bounds})
    flags.no_cpython_wrapper = True
    flags.no_cfunc_wrapper = True
    flags.enable_pyobject = False
    return flags


ALLOCATES = "it would allocate memory on the audio path: prepare() allocates, and the kernel loops and uses it"

_ALLOCATING = re.compile(r"NRT required|_ol_array_allocate|built-in function (zeros|empty|ones|full|array)|"
                         r"Only accept returning of array")
_PLACES = re.compile(r'File "([^"]+)", line (\d+)| (\S+\.py|<stdin>|<ipython[^>]*>) \((\d+)\)$', re.MULTILINE)


def _explain(error: Exception, function: Callable[..., Any]) -> str:
    """The first line that says something, and the place and text of the line in the author's own file."""
    text = str(error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    skip = ("Failed in nopython mode", "During:", "- Resolution failure", "There are", "Overload", "with argument")
    reason = next((line for line in lines if not line.startswith(skip)), "numba cannot compile it")
    file, number = _place(error, text, function)
    source = linecache.getline(file, number).strip()
    if source.startswith(("raise", "try:", "except", "assert")):
        reason = "a kernel cannot raise or catch: nobody hears it on the audio path; check values in prepare()"
    elif source.startswith("print("):
        reason = "a kernel cannot print: keep a value in the state and name it in measures= to read it"
    elif "readonly array" in text:
        reason = "a kernel cannot write to its inputs and parameters, others read them too: write to an output or state"
    elif _ALLOCATING.search(text):
        reason = ALLOCATES
    elif reason.endswith("found for signature:"):
        reason += next((f" {line[4:]}" for line in lines if line.startswith(">>> ")), "")
    shown = f": {source}" if source else ""
    return f'{reason} (File "{file}", line {number}{shown})'


def _place(error: Exception, text: str, function: Callable[..., Any]) -> tuple[str, int]:
    """The innermost place that is neither numba's nor ours."""
    found = [(m[0] or m[2], int(m[1] or m[3])) for m in _PLACES.findall(text)]
    loc = getattr(error, "loc", None)
    if loc is not None:
        found.insert(0, (loc.filename, loc.line))
    theirs = [(file, line) for file, line in found
              if "<generated" not in file and "/numba/" not in file and "/flowaudio/core/" not in file]
    author = getattr(function, "written_by", function).__code__
    return theirs[-1] if theirs else (author.co_filename, author.co_firstlineno)


@global_compiler_lock
def compile_object(symbol: str, function: Callable[..., Any], arguments: int, author: str = "", *,
                   bounds: bool = False) -> Object:
    """Object code with one function, ``int64 symbol(int64 * arguments)``.

    `author` is the name to blame in an error: the node whose kernel this is. With `bounds` the function fails at an
    index beyond the end of an array.
    """
    global _bounds
    _bounds = bounds
    try:
        module = _compiled(symbol, function, arguments, author or function.__name__)
    finally:
        _bounds = False
    externals = tuple(sorted(f.name for f in module.functions if f.is_declaration and not f.name.startswith("llvm.")))
    if bad := forbidden_symbols(externals):
        raise KernelError(f"{author or function.__name__} would allocate or call Python on the audio path: {bad[0]}")
    return Object(symbol, externals, _machine().emit_object(module))


@global_compiler_lock
def assembly(symbol: str, function: Callable[..., Any], arguments: int) -> str:
    """The assembly of what :func:`compile_object` makes, to be read by people and by tests."""
    return str(_machine().emit_assembly(_compiled(symbol, function, arguments, function.__name__)))


def _compiled(symbol: str, function: Callable[..., Any], arguments: int, author: str) -> Any:
    """The optimised LLVM module of a function."""
    if config.DISABLE_JIT:              # numba's own helpers are plain Python then, and cannot be compiled in
        raise KernelError(f"{author} cannot be compiled while NUMBA_DISABLE_JIT is set: unset it")
    typing, target = registry.cpu_target.typing_context, context()
    typing.refresh()
    registry.cpu_target.target_context.refresh()
    signature = [types.int64] * arguments
    try:
        result = compiler.compile_extra(typing, target, function, signature, types.int64, _flags(), {})
    except Exception as error:          # numba has errors of its own, and lets some of others through
        cause = error if os.environ.get("FLOWAUDIO_DEBUG") else None  # numba's own traceback hides the sentence
        raise KernelError(f"{author}: {_explain(error, function)}") from cause
    return _standalone(symbol, result, target, arguments)


def make_entry(kernel: Kernel, shape: Shape) -> Callable[[int, int], int]:
    """The Python of ``entry(table, frames)``: it rebuilds the kernel's arguments from the table and calls it."""
    scope: dict[str, Any] = {"kernel": kernel, "load_array": memory.load_array, "load_scalar": memory.load_scalar,
                             "load_input": memory.load_input, "load_output": memory.load_output,
                             "PAIRS": types.Array(types.int64, 1, "C", readonly=True)}
    arguments, slot = [], 0
    for load in (*("load_array" if many else "load_input" for many in shape.inputs), *["load_output"] * shape.outputs):
        arguments.append(f"{load}(table, {slot}, {'PAIRS' if load == 'load_array' else 'frames'})")
        slot += 2
    for role, fields in (("Params", shape.params), ("State", shape.state)):
        parts = []
        for name, dtype, rank in fields.kinds:
            kind = from_dtype(np.dtype(dtype))
            scope[f"{role}_{name}"] = kind if rank < 0 else types.Array(kind, rank, "C", readonly=role == "Params")
            load = "load_scalar" if rank < 0 else "load_array"
            parts.append(f"{load}(table, {slot}, {role}_{name})")
            slot += 1 + max(rank, 0)
        scope[role] = fields.cls
        arguments.append(f"{role}({', '.join(parts)})" if fields.cls else "None")
    source = f"def entry(table, frames):\n    kernel({', '.join(arguments)})\n    return 0\n"
    exec(compile(source, f"<generated entry of {kernel.function.__qualname__}>", "exec"), scope)
    made: Callable[[int, int], int] = scope["entry"]
    made.written_by = kernel.function  # type: ignore[attr-defined]  # whom to blame in an error
    return made


def _standalone(symbol: str, result: Any, target: Any, arguments: int) -> Any:
    """A module that shows `symbol` alone: everything else becomes internal and may be inlined away."""
    i64 = ir.IntType(64)
    wrapper = ir.Module(symbol)
    convention = target.call_conv
    callee_type = convention.get_function_type(result.fndesc.restype, result.fndesc.argtypes)
    callee = ir.Function(wrapper, callee_type, result.fndesc.llvm_func_name)
    function = ir.Function(wrapper, ir.FunctionType(i64, [i64] * arguments), symbol)
    builder = ir.IRBuilder(function.append_basic_block())
    status, value = convention.call_function(builder, callee, types.int64, result.fndesc.argtypes, function.args)
    builder.ret(builder.select(status.is_ok, value, ir.Constant(i64, FAILED)))

    module = llvm.parse_assembly(result.library.get_llvm_str())
    module.link_in(llvm.parse_assembly(str(wrapper)))
    for each in module.functions:
        if not each.is_declaration and each.name != symbol:
            each.linkage = "internal"
    for variable in module.global_variables:
        if not variable.is_declaration:
            variable.linkage = "internal"
    tuning = llvm.create_pipeline_tuning_options(speed_level=3)
    tuning.loop_vectorization = tuning.slp_vectorization = tuning.loop_unrolling = True
    passes = llvm.create_pass_builder(_machine(), tuning)
    passes.getModulePassManager().run(module, passes)
    return module


def _machine() -> Any:
    """A target for exactly this processor: the cache is keyed by its name and features."""
    global _target_machine
    if _target_machine is None:
        features = llvm.get_host_cpu_features().flatten()
        target = llvm.Target.from_default_triple()
        _target_machine = target.create_target_machine(
            cpu=llvm.get_host_cpu_name(), features=features, opt=3, reloc="pic", codemodel="jitdefault", jit=True)
    return _target_machine


_target_machine: Any = None
