"""TOML, JSON and msgpack as plain data and back, for documents from anywhere: whatever is wrong is a DocumentError."""

import json
import math
import re
import tomllib
from collections.abc import Iterable
from typing import Any

import msgpack
import tomli_w

from flowaudio.core.errors import DocumentError
from flowaudio.core.params import shown

__all__ = ["FORMATS", "LIMIT", "decode", "encode"]

FORMATS = ("toml", "json", "msgpack")

LIMIT = 32 << 20
"""Bytes of the longest document: a graph of 10,000 nodes needs one or two million."""

DEPTH = 16
"""Levels of tables and lists within each other; a graph needs five."""


_LONG_KEY = re.compile(
    r"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){""" + f"{DEPTH}}}", re.ASCII)


def decode(data: str | bytes, format: str) -> dict[str, Any]:
    """The table that a document is, made of tables, lists, strings, numbers and truth values alone."""
    _check_format(format)
    if len(data) > LIMIT:
        raise DocumentError(f"it is longer than {LIMIT >> 20} MiB: that is no graph document")
    decoder = {"toml": _from_toml, "json": _from_json, "msgpack": _from_msgpack}[format]
    try:
        made = decoder(data)
    except DocumentError:
        raise
    except RecursionError:
        raise DocumentError(f"its tables and lists are nested deeper than {DEPTH} levels") from None
    except Exception as error:          # decoders have errors of many kinds, and this is their only caller
        raise DocumentError(f"it is no {format} ({shown(str(error))})") from error
    if not isinstance(made, dict):
        raise DocumentError(f"a document must be a table (got {shown(made)})")
    _check_plain(made)
    return made


def encode(data: dict[str, Any], format: str) -> bytes:
    """The document of a table."""
    _check_format(format)
    _check_plain(data)
    if format == "toml":
        return tomli_w.dumps(data).encode()
    if format == "json":
        return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    packed: bytes = msgpack.packb(data)
    return packed


def _check_format(format: str) -> None:
    if format not in FORMATS:
        raise DocumentError(f"a document is {', '.join(FORMATS[:-1])} or {FORMATS[-1]} (got {format!r})")


def _text(data: str | bytes) -> str:
    if isinstance(data, str):
        return data
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DocumentError(f"it is not UTF-8 (byte {error.start} is 0x{data[error.start]:02x}): "
                            "save it as UTF-8") from error


def _from_toml(data: str | bytes) -> Any:
    text = _text(data)
    if _LONG_KEY.search(text):          # tomllib takes quadratic time for these: a minute for 100 kB
        raise DocumentError(f"more than {DEPTH} names are joined with dots")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DocumentError(f"it is no TOML: {error}") from error


def _from_json(data: str | bytes) -> Any:
    text = _text(data)
    try:
        return json.loads(text, object_pairs_hook=_pairs)
    except json.JSONDecodeError as error:
        raise DocumentError(f"it is no JSON: {error.msg} (at line {error.lineno}, column {error.colno})") from error


def _from_msgpack(data: str | bytes) -> Any:
    if isinstance(data, str):
        raise DocumentError("msgpack is bytes (got text)")
    return msgpack.unpackb(data, object_pairs_hook=_pairs)


def _pairs(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    made: dict[Any, Any] = {}
    for key, value in pairs:
        if key in made:
            raise DocumentError(f"the key {shown(key)} stands twice in one table")
        made[key] = value
    return made


def _check_plain(data: dict[str, Any]) -> None:
    """Refuse what not all three formats can hold. A stack, not recursion: the depth is the sender's."""
    stack: list[tuple[Any, tuple[Any, ...]]] = [(data, ())]
    while stack:
        value, place = stack.pop()
        if isinstance(value, (dict, list)):
            if len(place) > DEPTH:
                raise _fault(place, f"tables and lists are nested deeper than {DEPTH} levels")
            if isinstance(value, dict):
                for key in value:
                    if not isinstance(key, str):
                        raise _fault(place, f"a key must be a string (got {shown(key)})")
                    _check_text(key, place)
            items = value.items() if isinstance(value, dict) else enumerate(value)
            stack.extend((each, (*place, key)) for key, each in items)
        else:
            _check_scalar(value, place)


def _check_scalar(value: Any, place: tuple[Any, ...]) -> None:
    if isinstance(value, str):
        _check_text(value, place)
    elif isinstance(value, int):
        if not -(1 << 63) <= value < 1 << 63:
            raise _fault(place, f"a whole number must fit 64 bits (got one of {value.bit_length()})")
    elif isinstance(value, float):
        if math.isnan(value) or math.isinf(value):
            raise _fault(place, f"a number must be finite (got {value})")
    else:
        raise _fault(place, f"a value must be a table, a list, a string, a number, true or false (got {shown(value)})")


def _check_text(text: str, place: tuple[Any, ...]) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _fault(place, f"a string must be Unicode without lone surrogates (got {text[:40]!a})") from None


def _fault(place: tuple[Any, ...], reason: str) -> DocumentError:
    spelled = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in place[:8]).lstrip(".")
    return DocumentError(f"{spelled[:120]}: {reason}" if spelled else reason)
