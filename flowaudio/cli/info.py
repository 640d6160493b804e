"""The command `info`: what a file says of itself."""

import dataclasses
from typing import Any

from flowaudio.cli.output import bitrate, clock, facts, print_json, rate
from flowaudio.io import SourceInfo, probe

__all__ = ["run"]


def run(args: Any) -> None:
    """``flowaudio info FILE``."""
    info = probe(args.input, allowed_protocols=("file", *args.allow))
    if args.json:
        print_json({**dataclasses.asdict(info), "tags": dict(info.tags)})
    else:
        _show(info)


def _show(info: SourceInfo) -> None:
    plural = "s" * (info.channels != 1)
    bits = f"{info.bit_depth} bit, " if info.bit_depth else ""
    frames = f" ({info.frames} frames)" if info.frames is not None else ""
    facts(info.path, [
        ("Container", info.container),
        ("Codec", info.codec),
        ("Format", f"{bits}{rate(info.sample_rate)}, {info.channels} channel{plural} ({info.layout})"),
        ("Bitrate", bitrate(info.bitrate) if info.bitrate else ""),
        ("Duration", f"{clock(info.duration_s)}{frames}" if info.duration_s is not None else "not stated"),
        ("Picture", "yes" if info.has_cover else ""),
        ("Also in it", ", ".join(info.others)),
        *((name.capitalize(), value) for name, value in info.tags.items()),
    ])
