"""The entry point: parses, runs one command, and turns whatever happens into an exit code."""

import contextlib
import importlib
import os
import signal
import sys
import threading
import warnings
from collections.abc import Sequence
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
    _prepare_streams()
    _listen()
    try:
        args = build().parse_args(given)
        _run(args)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has gone. Python would complain once more when it flushes at exit.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE
    except Exception as error:
        return _tell(error, "--json" in given)
    except (KeyboardInterrupt, Stopped) as error:
        return _tell(error, "--json" in given)
    return 0


def _run(args: Any) -> None:
    if args.version:
        from flowaudio.cli.version import version

        print(f"flowaudio {version()}")
        return
    if args.command is None:
        build().print_help()
        return
    module, function = _COMMANDS.get(args.command, (args.command, "run"))
    getattr(importlib.import_module(f"flowaudio.cli.{module}"), function)(args)


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
            print(json.dumps({"error": failure.sentence, "kind": failure.kind, "code": failure.code}), flush=True)
    return failure.code


def _prepare_streams() -> None:
    """No name of a file, however odd, and no narrow encoding may stop a message; warnings are one line."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    warnings.showwarning = _warn


def _warn(message: Warning | str, *_: Any, **__: Any) -> None:
    with contextlib.suppress(OSError, ValueError):
        print(f"flowaudio: {one_line(str(message))}", file=sys.stderr, flush=True)


def _listen() -> None:
    """Being told to end is an orderly end: temporary files go."""
    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped(number)

    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, stop)
