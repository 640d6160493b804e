"""PortAudio: initialised and left, an instance for each stream and a thread for each instance.

The binding and, but for Linux, the library are those of sounddevice. Its own streams are not used: to import it
initialises PortAudio for the life of the process, and its exit terminates it. With a JACK server in between, neither is
safe. What was seen of PortAudio 19.6 with jackd2 1.9.21 (later sources have the same lines):

- It knows the devices that were there when it was initialised, and no others until it is initialised anew.
- When the server goes, a running stream is inactive 2 to 15 ms later. From then on Pa_StopStream, Pa_AbortStream and
  Pa_CloseStream of that stream wait ten minutes for a thread that has ended, and so does Pa_Terminate. Of a stream that
  is not running, Pa_CloseStream fails an assertion: the process is aborted. So does Pa_Terminate without any stream.
- While the server hangs (SIGSTOP), all calls for a stream wait ten minutes, or until it goes on or dies.
- libjack itself clears a dead server's clients away when the next client is opened, whether a server is there or not.

Hence: nothing is called any more in an instance whose server has gone. It is left where it is, 0.2 MB, and the next
stream gets a copy of the library that was loaded anew. Between the server's end and our knowing of it a call may still
fail its assertion; in a copy that ends the instance's thread only (see `loading.py`). That every stream has a copy also
means that a device which comes back is found while another one plays, and that a program's own use of sounddevice is
not touched. Where the library cannot be loaded twice (everywhere but on Linux), all streams share one, and new devices
are found when none is open. Each instance is called from its own thread, one at a time: nobody waits longer than he
wants to.
"""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeAlias, TypeVar

from flowaudio.io.jack import JackServer, JackWatch
from flowaudio.io.loading import NoPortAudio, binding, load_another
from flowaudio.io.quiet import quiet

__all__ = ["DEADLINE_S", "JACK_NAME", "Instance", "NoAnswer", "Refusal", "before_looking", "bury", "give_back", "lease"]

T = TypeVar("T")
Job: TypeAlias = "tuple[Callable[[], Any], Future[Any]]"

JACK, JACK_NAME = 12, "JACK Audio Connection Kit"
"""PaHostApiTypeId of JACK, and what PortAudio calls it."""

DEADLINE_S = 10.0
"""How long a call may take. Bluetooth and sleepy USB devices take seconds to open."""

GLANCE_S = 0.1
"""How often somebody who waits for a thread looks whether there is hope."""

GRACE_S = 2.0
"""After a server's end, calls that have not got stuck have returned by then."""


class Refusal(Exception):
    """PortAudio's answer: its error code, its text and what the system said."""

    def __init__(self, code: int, text: str, host: str = "") -> None:
        super().__init__(f"{text} ({host})" if host else text)
        self.code, self.text, self.host = code, text, host


class NoAnswer(Exception):
    """A call takes too long. It goes on in its thread."""


class Instance:
    """One PortAudio with its thread. `initialise`, `terminate`, `hosts` and `check` belong to it."""

    def __init__(self, ffi: Any, library: Any) -> None:
        self.ffi, self.library = ffi, library
        self.server: JackServer | None = None
        self.watch: JackWatch | None = None
        self._gone_at: float | None = None
        self._late: Future[Any] | None = None
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._thread = threading.Thread(target=_serve, args=(self._jobs,), name="flowaudio-portaudio", daemon=True)
        self._thread.start()

    def post(self, work: Callable[[], T]) -> "Future[T]":
        """Have `work` done in its turn. A garbage collection may ask for that, too, anywhere."""
        future: Future[T] = Future()
        self._jobs.put((work, future))
        return future

    def call(self, work: Callable[[], T]) -> T:
        """Have `work` done and wait for its result; NoAnswer when that takes longer than DEADLINE_S."""
        with quiet():
            future = self.post(work)
            if not self.waited(future, DEADLINE_S):
                self._late = future
                raise NoAnswer("its sound server has gone" if self.hopeless else f"no answer for {DEADLINE_S:g} s")
            return future.result()

    def waited(self, future: "Future[Any]", limit_s: float) -> bool:
        """Whether what was asked for is done, within `limit_s`. Where there is no hope, that is not waited for."""
        until = time.monotonic() + limit_s
        while not future.done() and (left_s := until - time.monotonic()) > 0:
            wait([future], min(GLANCE_S, left_s))
            if self.hopeless:
                break
        return future.done()

    @property
    def late(self) -> bool:
        """Whether somebody has waited in vain for what its thread still does."""
        return self._late is not None and not self._late.done()

    @property
    def hopeless(self) -> bool:
        """Whether nothing that its thread has begun comes to an end any more.

        A failed assertion has ended the thread, or it has been waiting for a server since that went.
        """
        if not _exists(self._thread.native_id):
            return True
        if self.gone and self._gone_at is None:
            self._gone_at = time.monotonic()
        return self._gone_at is not None and time.monotonic() - self._gone_at > GRACE_S

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """No other instance is called within it.

        libjack's opening and closing of clients must not meet: two threads that did nothing else aborted the process,
        or were told that a server was not there, within seconds. And when a client is opened after a server's end, the
        server's other clients are freed, whoever uses them. Who is hopeless is not waited for.
        """
        with _turn:
            while _calling and not _calling[0][1].hopeless:
                _turn.wait(GLANCE_S)
            mine = (time.monotonic(), self)
            _calling[:] = [mine]
        try:
            yield
        finally:
            with _turn:
                if _calling == [mine]:      # it was hopeless, and goes on after all
                    _calling.clear()
                _turn.notify()

    def retire(self) -> None:
        """Let its thread end when all is done that was asked for."""
        self._jobs.put(None)

    @property
    def gone(self) -> bool:
        """Whether the JACK server that it knew has gone. Then nothing may be called that has to do with it."""
        return self.server is not None and self.server.gone

    def initialise(self) -> None:
        """Look which devices there are. Pairs with :meth:`terminate`."""
        with self.alone():
            if self.gone:                   # the one that is shared
                raise NoPortAudio("the JACK server that was there has gone, and this system does not let PortAudio be "
                                  "loaded a second time: start the program again")
            for told in before_looking:
                told()
            buried, server = len(_buried), _server()
            self.check(self.library.Pa_Initialize())
            del _buried[:buried]            # libjack has cleared them away: their callbacks are no more
            if JACK not in self.hosts():
                server.lose()               # who knew it may not have been told before it was cleared away
            elif self.server is None:
                self.server, self.watch = server, server.watch()
                if self.watch is None:
                    server.lose()

    def terminate(self) -> None:
        """Leave the devices."""
        with self.alone():
            if self.gone:
                return
            self.library.Pa_Terminate()
            if self.watch is not None and self.library.Pa_GetHostApiCount() < 0:  # it is nobody else's any more
                self.watch.end()
                self.server = self.watch = None

    def hosts(self) -> list[int]:
        """The type of each host API, by index."""
        return [self.library.Pa_GetHostApiInfo(k).type for k in range(self.check(self.library.Pa_GetHostApiCount()))]

    def check(self, result: int) -> int:
        """`result`, unless it is an error: Refusal then."""
        if result >= 0:
            return result
        text, host = self.string(self.library.Pa_GetErrorText(result)), ""
        if result == self.library.paUnanticipatedHostError:
            info = self.library.Pa_GetLastHostErrorInfo()
            host = self.string(info.errorText) if info else ""
        raise Refusal(result, text, host)

    def string(self, pointer: Any) -> str:
        """Text of C. Some host APIs of Windows give it in the local encoding."""
        data: bytes = self.ffi.string(pointer) if pointer else b""
        try:
            return data.decode()
        except UnicodeDecodeError:
            return data.decode("mbcs" if sys.platform == "win32" else "latin-1", "replace")


def _serve(jobs: "SimpleQueue[Job | None]") -> None:
    """The life of an instance's thread. Of a job that is done it keeps nothing."""
    while (job := jobs.get()) is not None:
        work, future = job
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)
        del job, work, future


_lock = threading.Lock()
_idle: list[Instance] = []
_shared: list[Instance] = []
"""The one instance of all, where the library cannot be loaded twice."""
_buried: list[object] = []
before_looking: list[Callable[[], None]] = []
"""Called before the devices are looked for: the last moment to :func:`bury` what that lets libjack clear away."""
_servers: list[JackServer] = []
_turn = threading.Condition()
_calling: list[tuple[float, Instance]] = []
"""Whose turn it is to call PortAudio, and since when, in seconds."""


def _exists(thread: int | None) -> bool:
    """Whether the system has a thread of that number. Python does not notice when one is ended from below."""
    return thread is None or sys.platform != "linux" or Path(f"/proc/self/task/{thread}").exists()


def _server() -> JackServer:
    """What stands for the JACK server that is there, if there is one. libjack knows one at a time."""
    if not _servers or _servers[-1].gone:
        _servers[:] = [JackServer()]
    return _servers[-1]


def lease() -> Instance:
    """An instance that is not initialised. To be given back.

    :raises NoPortAudio: there is no library.
    :raises NoAnswer: another instance still waits for a sound system that hangs; one that waits is enough.
    """
    with _lock:
        for since, instance in _calling[:]:
            if (instance.late or time.monotonic() - since > DEADLINE_S) and not instance.hopeless:
                raise NoAnswer(f"no answer for {time.monotonic() - since:.0f} s")
        if _idle:
            return _idle.pop()
        if _shared:
            return _shared[0]
        library, alone = load_another()
        made = Instance(binding(), library)
        if not alone:
            _shared.append(made)
        return made


def give_back(instance: Instance) -> None:
    """It is terminated, or its server has gone."""
    with _lock:
        if instance in _shared:
            return
        if instance.gone:
            instance.retire()
        else:
            _idle.append(instance)


def bury(keep: object) -> None:
    """Keep what a lost stream's callback might still touch, until libjack has cleared the stream's client away."""
    _buried.append(keep)


def _forget() -> None:
    """In a forked child the threads are gone, and what they drove is the parent's."""
    global _lock, _turn
    _lock, _turn = threading.Lock(), threading.Condition()
    _calling.clear()
    _idle.clear()
    _shared.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
