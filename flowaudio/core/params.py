"""Parameters: default, range, unit and the sentence that explains them, stated once.

A node or a record declares each field with one of `param`, `integer`, `choice`, `flag`, `items`. From that follow the
checks of a constructor, the tables of the documentation, the documents and the strategies of property-based tests.

The range and the sentence come first, the default is always a keyword: by that type checkers know that a constructor
does not need it.
"""

import dataclasses
import inspect
import math
import numbers
import reprlib
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, dataclass_transform

from flowaudio.core.errors import ParameterError

__all__ = ["Param", "as_dict", "choice", "flag", "from_dict", "integer", "items", "param", "parameters", "record",
           "shown"]

T = TypeVar("T")

_UNITS = {"_db": "dB", "_dbfs": "dBFS", "_dbtp": "dBTP", "_lufs": "LUFS", "_hz": "Hz", "_ms": "ms", "_s": "s",
          "_deg": "°", "_frames": "frames"}


_short = reprlib.Repr()
_short.maxstring = _short.maxother = 100


def shown(value: object) -> str:
    """A value as an error message shows it: its repr, cut short however long or deeply nested it is."""
    try:
        return _short.repr(value)
    except Exception:                   # whole numbers of thousands of digits, a repr that fails
        return f"a {type(value).__name__} that cannot be shown"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Param:
    """What is known of one parameter."""

    kind: str                           # "number", "integer", "choice", "flag" or "items"
    default: Any
    doc: str
    low: float = -math.inf
    high: float = math.inf
    unit: str = ""
    choices: tuple[str, ...] = ()
    item: type | None = None            # the record that an "items" parameter is made of
    interpolated: bool = True           # whether an engine may walk from one value to the next in small steps

    def check(self, owner: str, name: str, value: Any) -> Any:
        """`value` as this parameter keeps it; ParameterError otherwise."""
        if self.kind == "flag":
            if isinstance(value, bool):
                return value
            raise ParameterError(f"{owner}.{name} must be true or false (got {shown(value)})")
        if self.kind == "choice":
            if isinstance(value, str) and value in self.choices:
                return value
            raise ParameterError(f"{owner}.{name} must be one of {', '.join(self.choices)} (got {shown(value)})")
        if self.kind == "items":
            return self._check_items(owner, name, value)
        return self._check_number(owner, name, value)

    def _check_number(self, owner: str, name: str, value: Any) -> float | int:
        whole = self.kind == "integer"
        wanted = numbers.Integral if whole else numbers.Real
        if isinstance(value, bool) or not isinstance(value, wanted):
            raise ParameterError(f"{owner}.{name} must be {'a whole' if whole else 'a'} number (got {shown(value)})")
        exact = int(value) if isinstance(value, numbers.Integral) else 0
        try:
            number = float(value)
        except OverflowError:           # a whole number that no float reaches
            number = math.inf if exact > 0 else -math.inf
        if not (self.low <= number <= self.high and math.isfinite(number)):
            raise ParameterError(f"{owner}.{name} must be {self.range_text} (got {number:g})")
        return exact if whole else number

    def _check_items(self, owner: str, name: str, value: Any) -> tuple[Any, ...]:
        item = self.item
        assert item is not None
        if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
            raise ParameterError(f"{owner}.{name} must be a list of {item.__name__} (got {shown(value)})")
        made = []
        for k, each in enumerate(value):
            try:
                made.append(from_dict(item, each) if isinstance(each, Mapping) else each)
            except ParameterError as error:
                raise ParameterError(f"{owner}.{name}[{k}]: {error}") from error
            if not isinstance(made[-1], item):
                raise ParameterError(f"{owner}.{name} must hold {item.__name__} only (got {shown(each)})")
        return tuple(made)

    @property
    def range_text(self) -> str:
        """The range in words, with its unit."""
        unit = f" {self.unit}" if self.unit else ""
        if math.isinf(self.low) and math.isinf(self.high):
            return "a finite number"
        if math.isinf(self.high):
            return f"at least {self.low:g}{unit}"
        if math.isinf(self.low):
            return f"at most {self.high:g}{unit}"
        return f"between {self.low:g} and {self.high:g}{unit}"


def _field(made: Param) -> Any:
    return dataclasses.field(default=made.default, metadata={"param": made})


def param(low: float, high: float, doc: str, *, default: float, unit: str = "", interpolated: bool = True) -> Any:
    """A real number from `low` to `high`. Without `unit` the end of its name tells: ``_db``, ``_hz``, ``_ms``."""
    return _field(Param(kind="number", default=float(default), doc=doc, low=low, high=high, unit=unit,
                        interpolated=interpolated))


def integer(low: int, high: int, doc: str, *, default: int, unit: str = "") -> Any:
    """A whole number from `low` to `high`."""
    return _field(Param(kind="integer", default=default, doc=doc, low=low, high=high, unit=unit, interpolated=False))


def choice(choices: tuple[str, ...], doc: str, *, default: str) -> Any:
    """One word of several."""
    return _field(Param(kind="choice", default=default, doc=doc, choices=choices, interpolated=False))


def flag(doc: str, *, default: bool) -> Any:
    """Yes or no."""
    return _field(Param(kind="flag", default=default, doc=doc, interpolated=False))


def items(item: type, doc: str, *, default: tuple[Any, ...] = ()) -> Any:
    """Any number of records of one type."""
    return _field(Param(kind="items", default=default, doc=doc, item=item, interpolated=False))


@dataclass_transform(frozen_default=True, kw_only_default=True,
                     field_specifiers=(param, integer, choice, flag, items))
def record(cls: type[T]) -> type[T]:
    """Make a class of declared parameters: frozen, keyword-only, checked, its repr a constructor call."""
    made = dataclasses.dataclass(frozen=True, kw_only=True)(cls)
    table: dict[str, Param] = {}
    for field in dataclasses.fields(made):  # type: ignore[arg-type]  # the line above made it one
        known = field.metadata.get("param")
        if known is None:
            raise ParameterError(f"{cls.__name__}.{field.name} must be declared with param, integer, choice, flag "
                                 "or items")
        unit = known.unit or next((u for s, u in _UNITS.items() if field.name.endswith(s)), "")
        table[field.name] = dataclasses.replace(known, unit=unit)
    made.__params__ = table  # type: ignore[attr-defined]  # read back by parameters()
    made.__signature__ = inspect.Signature([  # type: ignore[attr-defined]  # what help() and completion show
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=each.default) for name, each in table.items()])
    made.__init__ = _checked(made.__init__, cls.__name__, table)  # type: ignore[method-assign]  # wraps it
    return made


def _checked(init: Any, owner: str, table: dict[str, Param]) -> Any:
    def __init__(self: Any, /, *args: Any, **values: Any) -> None:
        if args:
            raise ParameterError(f"{owner} takes its parameters by name: {owner}({next(iter(table), '')}=…)")
        for name in values:
            if name not in table:
                known = ", ".join(table) or "none"
                raise ParameterError(f"{owner} has no parameter {shown(name)} (it has: {known})")
        init(self, **{name: table[name].check(owner, name, value) for name, value in values.items()})

    return __init__


def parameters(cls: type) -> dict[str, Param]:
    """All parameters of a node or record class by name, in their order."""
    return dict(cls.__params__)  # type: ignore[attr-defined]  # set by record()


def as_dict(value: Any) -> dict[str, Any]:
    """A record as plain numbers, strings, lists and dicts; only what differs from the defaults."""
    made: dict[str, Any] = {}
    for name, known in parameters(type(value)).items():
        current = getattr(value, name)
        if current != known.default:
            made[name] = [as_dict(item) for item in current] if known.kind == "items" else current
    return made


def from_dict(cls: type[T], values: Mapping[str, Any]) -> T:
    """The record that :func:`as_dict` took apart. Anything else: ParameterError."""
    for name in values:
        if not isinstance(name, str):
            raise ParameterError(f"{cls.__name__} has no parameter {shown(name)}")
    return cls(**values)
