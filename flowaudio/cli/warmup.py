"""The command `warmup`: every kernel compiled ahead of time."""

import time
from typing import Any

from flowaudio.cli import kernels
from flowaudio.cli.kernels import Kernel
from flowaudio.cli.output import facts, print_json, warn
from flowaudio.cli.progress import display
from flowaudio.core import cache
from flowaudio.core.errors import FlowaudioError
from flowaudio.core.node import Format, declaration
from flowaudio.graph import plumbing
from flowaudio.graph.known import known_nodes

__all__ = ["run"]

CHANNELS = (1, 2)
RATE, BLOCK = 48_000, 256


def run(args: Any) -> None:
    """``flowaudio warmup``."""
    start = time.perf_counter()
    every, failed = _every()
    with display(args.quiet, args.json) as shown:
        made = kernels.load(every, shown, careful=True)
    failed |= made.failed
    elapsed = time.perf_counter() - start
    if args.json:
        print_json({"cache": str(cache.folder()), "compiled": made.compiled, "found": made.found, "failed": failed,
                    "elapsed_s": elapsed})
    elif not args.quiet:
        facts("All kernels are ready" if not failed else "Not all kernels are ready", [
            ("Compiled", f"{len(made.compiled)} in {elapsed:.1f} s" if made.compiled else "none, all were there"),
            ("Found", str(len(made.found))),
            ("Kept in", str(cache.folder())),
        ])
    for name, reason in failed.items():
        warn(f"{name} was left out: {reason}")


def _every() -> tuple[list[Kernel], dict[str, str]]:
    """Of the runtime, of what a plan puts in by itself, and of all known nodes; and the nodes that cannot be made."""
    classes = {**known_nodes(), **_plumbing()}
    found = [kernel for package in (*kernels.LIVE, "flowaudio.stream._extremes", "flowaudio.io._unpack")
             for kernel in kernels.of_package(package)]
    failed: dict[str, str] = {}
    for name, cls in classes.items():
        count = len(declaration(cls).inputs)
        try:
            found += kernels.of_node(cls, [Format(RATE, n, BLOCK, (n,) * count) for n in CHANNELS])
        except FlowaudioError as error:
            failed[name] = str(error)
        except Exception as error:      # a node of somebody else
            failed[name] = f"{type(error).__name__}: {error}"
    return found, failed


def _plumbing() -> dict[str, type]:
    return {name: value for name, value in vars(plumbing).items() if isinstance(value, type) and _is_node(value)}


def _is_node(cls: type) -> bool:
    return cls.__module__ == plumbing.__name__ and hasattr(cls, "__declaration__")
