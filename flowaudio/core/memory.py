"""Memory, calls and the floating-point unit, as compiled code sees them: by address."""

from typing import Any, TypeAlias

from flowaudio.core.stub import stub

__all__ = [
    "address_of", "call_callback", "call_entry", "clear", "copy", "f32_1d", "f32_2d", "f64_1d", "flush_to_zero",
    "i32_1d", "i64_1d", "load_array", "load_input", "load_output", "load_scalar", "monotonic_ns", "nanosleep", "port",
    "restore_fpu", "thread_id",
]

Array: TypeAlias = Any


@stub
def address_of(array: Array) -> int:
    """Where an array begins."""


@stub
def f32_1d(address: int, size: int) -> Array:
    """float32[size] at `address`."""


@stub
def f32_2d(address: int, channels: int, frames: int) -> Array:
    """float32[channels, frames], contiguous, at `address`."""


@stub
def f64_1d(address: int, size: int) -> Array:
    """float64[size] at `address`."""


@stub
def i32_1d(address: int, size: int) -> Array:
    """int32[size] at `address`."""


@stub
def i64_1d(address: int, size: int) -> Array:
    """int64[size] at `address`."""


@stub
def load_array(table: int, slot: int, like: Any) -> Array:
    """Array of the type `like`: its address and dimensions stand in the int64 table from `slot` on."""


@stub
def load_input(table: int, slot: int, frames: int) -> Array:
    """float32[channels, frames] that cannot be written to: its address and its channels stand at `slot` and behind."""


@stub
def load_output(table: int, slot: int, frames: int) -> Array:
    """float32[channels, frames]: its address and its channels stand at `slot` and behind it."""


@stub
def load_scalar(table: int, slot: int, like: Any) -> Any:
    """A number of the type `like`, whose address stands at `slot`."""


@stub
def call_entry(entry: int, table: int, frames: int) -> int:
    """Call the entry at address `entry`. The address is data: one compiled loop calls them all."""


@stub
def call_callback(entry: int, inp: int, out: int, frames: int, times: int, flags: int, user: int) -> int:
    """Call a PortAudio callback at address `entry`, as a driver does; what it returns is an int of 32 bits."""


@stub
def copy(to: int, source: int, size: int) -> None:
    """Copy `size` bytes; the two may overlap."""


@stub
def clear(to: int, size: int) -> None:
    """Set `size` bytes to zero."""


@stub
def flush_to_zero() -> int:
    """Make this thread treat denormal numbers as zero; returns what :func:`restore_fpu` takes.

    Sets FTZ and DAZ of MXCSR on x86, FZ of FPCR on aarch64; elsewhere nothing.
    """


@stub
def restore_fpu(before: int) -> None:
    """Undo :func:`flush_to_zero`."""


@stub
def nanosleep(nanoseconds: int) -> None:
    """Let this thread sleep; less than a second."""


@stub
def monotonic_ns() -> int:
    """Nanoseconds on a clock that only goes forward; its zero means nothing."""


@stub
def thread_id() -> int:
    """What the system calls this thread, on Linux; 0 elsewhere."""


@stub
def port(ports: Array, index: int, frames: int) -> Array:
    """float32[channels, frames], read-only: the signal of edge `index` of a port that takes many; it has
    ``ports.size // 2``."""
