"""A kernel's one entry, ``int64 entry(table, frames)``, and the layout of the int64 table that it reads.

The table holds, in this order: for each port the address of its samples and its channel count (for a port that takes
many: the address of such pairs, and how many numbers they are); for each field of the parameters and of the state its
address, followed by its dimensions if it is an array. Shapes stand in the table, not in the machine code: one compiled
entry serves every size, and a new graph compiles nothing.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.digest import digest_function
from flowaudio.core.errors import GraphError, ParameterError
from flowaudio.core.native import Linked, Object, load
from flowaudio.core.node import Declaration

__all__ = ["Fields", "Shape", "entry_for", "fields_of"]

FLOAT32_MAX = 3.4028234e38
_NUMBERS = "fdbhilqBHILQ"
"""float32, float64 and whole numbers: what numba compiles, by NumPy's letters."""

SCALAR = -1
"""The rank of a plain number."""


class Fields(NamedTuple):
    """The NamedTuple that a kernel takes as parameters or state: its class, and (name, dtype, rank) of each field."""

    cls: type | None
    kinds: tuple[tuple[str, str, int], ...]


NOTHING = Fields(None, ())


class Shape(NamedTuple):
    """All that the machine code of an entry depends on, beside the kernel itself."""

    inputs: tuple[bool, ...]            # for each port: whether it takes many edges
    outputs: int
    params: Fields
    state: Fields


def fields_of(owner: str, values: Any, state: bool) -> tuple[Fields, list[Any]]:
    """Kinds of the fields that `prepare` returned, and each as a contiguous array or a plain number."""
    if values is None:
        return NOTHING, []
    names = getattr(values, "_fields", None)
    if names is None:
        role = "state" if state else "parameters"
        raise GraphError(f"{owner}.prepare: the {role} must be a NamedTuple or None (got {type(values).__name__})")
    kinds: list[tuple[str, str, int]] = []
    made: list[Any] = []
    for name, value in zip(names, values, strict=True):
        if isinstance(value, np.ndarray):
            if not value.ndim or value.dtype.char not in _NUMBERS or not value.dtype.isnative:
                raise GraphError(f"{owner}.prepare: {name!r} must hold numbers, in one dimension at least "
                                 f"(got {value.dtype}, shape {value.shape})")
            kinds.append((name, value.dtype.str, value.ndim))
            made.append(value if value.flags.c_contiguous else np.ascontiguousarray(value))
        elif state:
            raise GraphError(f"{owner}.prepare: the state {name!r} must be an array, so that the kernel can keep it "
                             f"(got {type(value).__name__})")
        elif isinstance(value, (float, np.floating)):
            if FLOAT32_MAX < abs(float(value)) < math.inf:
                raise ParameterError(f"{owner}.prepare: {name!r} must fit into a float32 (got {value:g})")
            kinds.append((name, "<f4", SCALAR))
            made.append(float(value))
        elif isinstance(value, (int, np.integer)):
            kinds.append((name, "<i8", SCALAR))
            made.append(int(value))
        else:
            raise GraphError(f"{owner}.prepare: {name!r} must be an array or a number (got {type(value).__name__})")
    return Fields(type(values), tuple(kinds)), made


def entry_for(declared: Declaration, params: Fields, state: Fields, *, bounds: bool = False) -> Linked:
    """The compiled entry of a node's kernel for these fields: from memory, from the disk, or compiled now.

    With `bounds` one that fails at an index beyond the end of an array.
    """
    key = (params.kinds, state.kinds, bounds)
    found: Linked | None = declared.entries.get(key)
    if found is None:
        shape = Shape(tuple(p.many for p in declared.inputs), len(declared.outputs), params, state)
        digest = digest_function(declared.kernel.function, shape.inputs, shape.outputs, *_spelled(params, state),
                                 *["bounds"] * bounds)

        def build(symbol: str) -> Object:
            from flowaudio.core import compiler

            function = compiler.make_entry(declared.kernel, shape)
            made: Object = compiler.compile_object(symbol, function, 2, declared.name, bounds=bounds)
            return made

        # Two threads may come here at once. Only what stands in the table is kept alive: nobody gets the other one.
        found = declared.entries.setdefault(key, load(declared.name, digest, build))
    return found


def _spelled(*fields: Fields) -> list[str]:
    return [f"{f.cls.__qualname__ if f.cls else ''}{f.kinds}" for f in fields]
