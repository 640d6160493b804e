"""Finds the PortAudio library through sounddevice's binding, and loads it, once or again and again."""

import ctypes
import ctypes.util
import importlib
import importlib.util
import os
import platform
import sys
from pathlib import Path
from typing import Any

__all__ = ["CLIENT_NAME", "NoPortAudio", "binding", "load_another"]

CLIENT_NAME = b"flowaudio"
"""What JACK's connections show."""

ASSERTIONS = b"\0__assert_fail\0", b"\0pthread_exit\0\0"
"""Among the names of what a library calls: what is called when an assertion fails, and what is called then in a copy.
Neither returns, both are libc's."""

_loaded: list[Any] = []
"""Every library that was loaded, for ever: cffi unmaps one that nobody keeps, with the threads that run in it."""


class NoPortAudio(Exception):
    """There is no PortAudio; how to get it, as a sentence."""


def binding() -> Any:
    """PortAudio's declarations, as sounddevice compiled them for cffi. Importing them initialises nothing."""
    try:
        return importlib.import_module("_sounddevice").ffi
    except ImportError as error:
        raise NoPortAudio(f"sound cards need the package sounddevice, which cannot be imported ({error}): "
                          "pip install sounddevice") from error


def load_another() -> tuple[Any, bool]:
    """The library, and whether it is one that nobody else in the process uses: on Linux, a copy.

    glibc takes a library for the same if its path or its file is: the copy is a file in memory under a path that was
    not used before. In the copy a failed assertion ends the thread that called, not the process: PortAudio asserts
    that a JACK server which has just gone has answered, and nobody can ask between its going and the call.
    """
    original = _loaded[0] if _loaded else _original()
    if not _loaded:
        _loaded.append(original)
    if sys.platform != "linux":
        return original, False
    try:
        data = Path(_path_of(original)).read_bytes().replace(*ASSERTIONS)
        descriptor = os.memfd_create("portaudio", os.MFD_CLOEXEC)
        try:
            with os.fdopen(descriptor, "wb", closefd=False) as file:
                file.write(data)
            path = f"/proc/self/fd/{'./' * len(_loaded)}{descriptor}"
            copy = binding().dlopen(path)
            _name_client(path)
        finally:
            os.close(descriptor)
    except OSError:                         # a system that lets nothing be run that is no file of its own
        return original, False
    _loaded.append(copy)
    return copy, True


def _original() -> Any:
    """As sounddevice finds it: the system's, conda's, else what came in its wheel."""
    ffi = binding()
    for name in ("portaudio", "bin\\libportaudio-2.dll", "lib/libportaudio.dylib"):
        found = ctypes.util.find_library(name)
        if found is not None:
            try:
                return ffi.dlopen(found)
            except OSError as error:
                raise NoPortAudio(f"the PortAudio library {found} cannot be loaded ({error}): {_cure()}") from error
    wheel = importlib.util.find_spec("_sounddevice_data")
    for folder in (wheel.submodule_search_locations or () if wheel is not None else ()):
        try:
            return ffi.dlopen(str(Path(folder) / "portaudio-binaries" / _file_in_wheel()))
        except OSError:
            break
    raise NoPortAudio(f"sound cards need the PortAudio library, which is not installed: {_cure()}")


def _file_in_wheel() -> str:
    if sys.platform == "darwin":
        return "libportaudio.dylib"
    arm = platform.machine().lower() in ("arm64", "aarch64")
    return f"libportaudio{'arm64' if arm else platform.architecture()[0]}.dll"


def _cure() -> str:
    if sys.platform == "linux":
        return ("apt install libportaudio2 (Debian, Ubuntu), dnf install portaudio (Fedora) or pacman -S portaudio "
                "(Arch)")
    return "pip install --force-reinstall sounddevice"


class _Place(ctypes.Structure):
    """Dl_info."""

    _fields_ = (("path", ctypes.c_char_p), ("base", ctypes.c_void_p), ("name", ctypes.c_char_p),
                ("address", ctypes.c_void_p))


def _path_of(library: Any) -> str:
    """The file that a library was loaded from."""
    ffi, place = binding(), _Place()
    address = int(ffi.cast("intptr_t", ffi.addressof(library, "Pa_Initialize")))
    if not ctypes.CDLL(None).dladdr(ctypes.c_void_p(address), ctypes.byref(place)) or not place.path:
        raise OSError("no path is known of the PortAudio library")
    return os.fsdecode(place.path)


def _name_client(path: str) -> None:
    """Be called flowaudio, not PortAudio, where JACK's connections are shown."""
    set_name = getattr(ctypes.CDLL(path), "PaJack_SetClientName", None)
    if set_name is not None:
        set_name(ctypes.c_char_p(CLIENT_NAME))
