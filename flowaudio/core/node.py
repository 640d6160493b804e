"""`@node`: a class that declares one kind of node, its parameters, ports, state and kernel together."""

import dataclasses
import re
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple, Protocol, TypeVar, dataclass_transform, overload

from flowaudio.core import params
from flowaudio.core.errors import GraphError
from flowaudio.core.kernel import Kernel

__all__ = ["Declaration", "Format", "Node", "Port", "declaration", "is_node", "no_node", "node", "snake_case"]

T = TypeVar("T")


class Format(NamedTuple):
    """What a node is prepared for."""

    rate: int                           # samples a second
    channels: int                       # of the first input; of the graph's input where a node has none
    block: int                          # frames, at most, in one call of the kernel
    inputs: tuple[int, ...] = ()        # channels of each input port (of each edge, for a port that takes many)


@dataclasses.dataclass(frozen=True)
class Port:
    """An input or output of a node."""

    name: str
    default: str | None = None          # the input port whose signal this one takes when nothing is connected
    many: bool = False                  # any number of edges; the kernel gets them side by side, see `memory.port`
    any_channels: bool = False          # need not have as many channels as the first input


class Node(Protocol):
    """What a node's class offers. `prepare` is all that must be written; `@node` adds what is missing."""

    def prepare(self, format: Format) -> tuple[Any, Any]:
        """Parameters and state for the kernel: two NamedTuples of arrays and numbers, or None.

        Arrays keep their type and rank; numbers arrive as float32 (a float) or int64. State is arrays, made anew at
        each call. Runs on the control thread; ParameterError for what does not fit the format.
        """

    def latency(self, format: Format) -> int:
        """Frames by which the output is behind the input."""

    def output_channels(self, format: Format) -> int:
        """Channels of every output."""


class Declaration(NamedTuple):
    """What `@node` knows of a class."""

    name: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    kernel: Kernel
    in_place: bool                      # an output may share its memory with the first input
    measures: tuple[str, ...]           # fields of the state that are results to be read
    params: dict[str, params.Param]
    silent: bool                        # silence in, silence out
    events: tuple[str, ...]             # kinds of what it finds, see `eventlog`
    linear: bool                        # a sum in, the sum of both results out
    time_invariant: bool                # later in, the same later out
    entries: dict[Any, Any]             # machine code by the types of its fields


@overload
def node(cls: type[T], /) -> type[T]: ...
@overload
def node(*, inputs: tuple[str | Port, ...] = ..., outputs: tuple[str | Port, ...] = ..., in_place: bool = ...,
         measures: tuple[str, ...] = ..., silent: bool = ..., events: tuple[str, ...] = ..., linear: bool = ...,
         time_invariant: bool = ...) -> Callable[[type[T]], type[T]]: ...


@dataclass_transform(frozen_default=True, kw_only_default=True,
                     field_specifiers=(params.param, params.integer, params.choice, params.flag, params.items))
def node(cls: Any = None, /, *, inputs: tuple[str | Port, ...] = ("in",), outputs: tuple[str | Port, ...] = ("out",),
         in_place: bool = False, measures: tuple[str, ...] = (), silent: bool = True,
         events: tuple[str, ...] = (), linear: bool = False, time_invariant: bool = False) -> Any:
    """Declare a node.

    The class holds its parameters, ``prepare(self, format)`` and one ``@kernel``, called once a block as
    ``kernel(input…, output…, params, state)`` with float32 arrays ``[channels, frames]``.

    - `inputs`, `outputs`: port names, or :class:`Port` where a port has rules of its own.
    - `in_place`: the kernel may be given one array as input and output.
    - `measures`: fields of the state that hold results, to be read while it runs.
    - `silent`: whether silence in gives silence out (a source of sound does not).
    - `events`: kinds of what it finds; the state then has a field `log`, see :mod:`flowaudio.core.eventlog`.
    - `linear`, `time_invariant`: claims that :func:`flowaudio.testing.check_node` holds it to.
    """
    def declare(cls: type) -> type:
        kernels = [value for value in vars(cls).values() if isinstance(value, Kernel)]
        if len(kernels) != 1 or not hasattr(cls, "prepare"):
            raise GraphError(f"{cls.__name__} must have prepare(self, format) and exactly one @kernel "
                             f"(it has {len(kernels)})")
        made: Any = params.record(cls)
        if "type" in params.parameters(made):
            raise GraphError(f"{cls.__name__}: a parameter cannot be called type: in documents that names the node")
        for name in ("latency", "output_channels", "__rshift__", "__rrshift__"):
            if not hasattr(made, name):
                setattr(made, name, globals()[f"_{name.strip('_')}"])
        made.__declaration__ = Declaration(
            cls.__name__, _ports(inputs), _ports(outputs), kernels[0], in_place, measures, params.parameters(made),
            silent, events, linear, time_invariant, {})
        return made  # type: ignore[no-any-return]

    return declare if cls is None else declare(cls)


def _ports(given: tuple[str | Port, ...]) -> tuple[Port, ...]:
    return tuple(Port(p) if isinstance(p, str) else p for p in given)


def _latency(self: Any, format: Format) -> int:
    return 0


def _output_channels(self: Any, format: Format) -> int:
    return format.channels


compose: Callable[[Any, Any], Any] | None = None
"""How ``a >> b`` becomes a graph; set by the module that has graphs."""

GRAPHS = "flowaudio.graph.graph"
"""That module, by name: it is loaded when somebody first writes ``>>``, and this layer knows no more of it."""


def _rshift(self: Any, other: Any) -> Any:
    if compose is None:
        import_module(GRAPHS)
    assert compose is not None
    return compose(self, other)


def _rrshift(self: Any, other: Any) -> Any:
    return _rshift(other, self)


def is_node(value: object) -> bool:
    """Whether `value` is an instance of a class made by `@node`."""
    return isinstance(getattr(type(value), "__declaration__", None), Declaration)


def declaration(value: Any) -> Declaration:
    """The declaration of a node or a node's class."""
    found = getattr(value, "__declaration__", None)
    if found is None or type(found) is not Declaration:
        raise GraphError(no_node(value))
    return found


def no_node(value: object) -> str:
    """Why `value` is no node, in one sentence."""
    if isinstance(getattr(value, "__declaration__", None), Declaration):
        name = getattr(value, "__name__", "it")
        return f"{name} is the class of a node: make one, {name}()"
    return f"{value!r} is not a node: its class must be decorated with @node"


def snake_case(name: str) -> str:
    """``OnePole`` as ``one_pole``, ``DCDetector`` as ``dc_detector``: how a node without a name is called."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
