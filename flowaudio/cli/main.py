"""The entry point: parses, runs one command, and turns whatever happens into an exit code."""

import contextlib
import importlib
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any

from flowaudio.cli.failures import PIPE, Stopped, describe, one_line
from flowaudio.cli.parser import build

__all__ = ["main"]

# Commands that share a module name their function; the others are `run` of the module that is called as they are.
_COMMANDS = {"nodes": ("catalog", "nodes"), "graphs": ("catalog", "graphs"), "process": ("process", "process"),
             "run": ("process", "through")}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code. Never raises, save what argparse raises to leave after --help."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    with _manners():
        return _guarded(given)


def _guarded(given: list[str]) -> int:
    try:
        args = build().parse_args(given)
        code = _run(args)
        sys.stdout.flush()
    except BrokenPipeError:
        _close_output()
        return PIPE
    except Exception as error:
        return _tell(error, "--json" in given)
    except (KeyboardInterrupt, Stopped) as error:
        return _tell(error, "--json" in given)
    return code


def _run(args: Any) -> int:
    """Its exit code. A command returns one where some of its work is done and some could not be."""
    if args.version:
        from flowaudio.cli.version import version

        print(f"flowaudio {version()}")
        return 0
    if args.command is None:
        build().print_help()
        return 0
    module, function = _COMMANDS.get(args.command, (args.command, "run"))
    return getattr(importlib.import_module(f"flowaudio.cli.{module}"), function)(args) or 0


def _close_output() -> None:
    """Nobody reads it, or it is full: without this Python would complain once more when it flushes at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tell(error: BaseException, as_json: bool) -> int:
    """One sentence on standard error, and JSON on standard output for programs."""
    failure = describe(error)
    if os.environ.get("FLOWAUDIO_DEBUG"):
        import traceback

        traceback.print_exception(error)
    with contextlib.suppress(OSError, ValueError):  # nobody may be listening
        print(f"flowaudio: {failure.sentence}", file=sys.stderr, flush=True)
    if as_json:
        import json

        with contextlib.suppress(OSError, ValueError):
            print(json.dumps({"error": failure.sentence, "kind": failure.kind, "code": failure.code}))
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        _close_output()
    return failure.code


@contextlib.contextmanager
def _manners() -> Iterator[None]:
    """No name of a file, however odd, stops a message; a warning is one line; being told to end is an orderly end."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    shown, warnings.showwarning = warnings.showwarning, _warn
    before = _listen()
    try:
        yield
    finally:
        warnings.showwarning = shown
        for number, handler in before.items():
            signal.signal(number, handler)


def _warn(message: Warning | str, *_: Any, **__: Any) -> None:
    with contextlib.suppress(OSError, ValueError):
        print(f"flowaudio: {one_line(str(message))}", file=sys.stderr, flush=True)


def _listen() -> dict[int, Any]:
    """Signals that would end the process at once end it in order, so that temporary files go. What was set before."""
    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped(number)

    if threading.current_thread() is not threading.main_thread():
        return {}
    found = [number for name in ("SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None]
    return {number: signal.signal(number, stop) for number in found if signal.getsignal(number) is signal.SIG_DFL}
