"""The command `devices`: which sound cards there are, by the names that other commands take."""

import dataclasses
from typing import Any

from rich.table import Table
from rich.text import Text

from flowaudio.cli.failures import one_line
from flowaudio.cli.output import print_json, put, rate
from flowaudio.core.errors import SourceError
from flowaudio.io.devices import Device, devices
from flowaudio.io.naming import no_device

__all__ = ["run"]


def run(args: Any) -> None:
    """``flowaudio devices``."""
    found = devices()
    if not found:
        raise SourceError(no_device())
    if args.json:
        print_json([_plain(device) for device in found])
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("Name", style="bold", overflow="fold")
    table.add_column("Through", overflow="fold")
    for heading in ("In", "Out", "Rate", "Latency"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("Default", no_wrap=True)
    for device in found:
        table.add_row(*map(Text, (one_line(device.name), one_line(device.host), *_numbers(device), _default(device))))
    put(table)


def _plain(device: Device) -> dict[str, Any]:
    """What a program gets: all but what is PortAudio's own."""
    values = dataclasses.asdict(device)
    return {name: value for name, value in values.items() if name not in ("index", "first_of_host")}


def _numbers(device: Device) -> tuple[str, ...]:
    """Channels, rate, and the least latency of each side in ms."""
    sides = ((device.input_channels, device.input_latency_ms), (device.output_channels, device.output_latency_ms))
    latency = " / ".join(f"{ms:.1f}" if count else "-" for count, ms in sides)
    return *(str(count) if count else "-" for count, _ in sides), rate(device.rate), f"{latency} ms"


def _default(device: Device) -> str:
    return ", ".join(word for word, is_default in (("input", device.is_default_input),
                                                   ("output", device.is_default_output)) if is_default)
