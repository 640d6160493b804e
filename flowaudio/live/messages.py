"""Telling others of an event: a command that is run, a web hook that is called."""

import collections
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import IO, Any
from urllib.parse import urlsplit

from flowaudio.core.errors import ParameterError
from flowaudio.core.params import shown
from flowaudio.live.action import Action, ActionError, Running
from flowaudio.live.checks import number, whole
from flowaudio.live.events import Event
from flowaudio.live.filling import Template, facts

__all__ = ["Command", "WebHook"]

EVERY_S = 1.0
"""How often one kind of event of one node is told, at most, unless the rule says otherwise."""

OUTPUT_CHARACTERS = 200
"""Of a command's output, in the event that tells that it failed."""

READ_BYTES = 4096
DRAIN_S = 0.2

RETRY = frozenset({429, 500, 502, 503, 504})
"""What a server says that may be over soon."""


class Command(Action):
    """Runs a program, without a shell::

        engine.on("silence", Command(["notify-send", "{kind} at {at_s:.1f} s"]))

    Places in the arguments are filled from the event: `{kind}`, `{at_s}`, `{text}`, `{node}`, `{phase}`, `{end_s}`,
    `{channel}`, `{strength}`, `{time}`; braces of its own are doubled. Each argument stays one, whatever is in it. The
    same stands in the environment, as FLOWAUDIO_KIND, FLOWAUDIO_AT_S and so on; what is not known is empty. The program
    gets no input. Its output is read and forgotten, unless it fails.

    :param timeout_s: then it is killed, with all that it has started.
    :param at_once: how many may run at the same time.
    """

    every_s = EVERY_S

    def __init__(self, arguments: Sequence[str], *, timeout_s: float = 10.0, at_once: int = 1) -> None:
        if isinstance(arguments, str) or not isinstance(arguments, Sequence) or not arguments:
            raise ParameterError(f"Command takes a list of a program and its arguments, such as "
                                 f"['notify-send', '{{kind}}'] (got {shown(arguments)})")
        self.program = arguments[0]
        self._arguments = [Template(each, f"Command.arguments[{k}]") if each != "" else None
                           for k, each in enumerate(arguments[1:], 1)]
        if not isinstance(self.program, str) or not self.program or shutil.which(self.program) is None:
            raise ParameterError(f"there is no program {shown(self.program)} that could be run: install it, or give "
                                 "its whole path")
        self.timeout_s = number("Command.timeout_s", timeout_s, 0.01, 3600, "s")
        self.at_once = whole("Command.at_once", at_once, 1, 16)
        self._room = threading.BoundedSemaphore(at_once)        # it may stand in several rules
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()

    def __repr__(self) -> str:
        return f"Command({self.program})"

    def run(self, engine: Running, event: Event, closing: threading.Event) -> None:
        with self._room:
            self._run([self.program, *("" if each is None else each.filled(event) for each in self._arguments)],
                      {**os.environ, **_environment(event)})

    def _run(self, arguments: list[str], environment: dict[str, str]) -> None:
        try:
            process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=subprocess.STDOUT, env=environment, start_new_session=True)
        except OSError as error:
            raise ActionError(f"{self.program} cannot be run: {error.strerror}") from error
        with self._lock:
            self._running.add(process)
        said: collections.deque[bytes] = collections.deque(maxlen=2)
        assert process.stdout is not None
        reader = threading.Thread(target=_read, args=(process.stdout, said), name="flowaudio-command", daemon=True)
        reader.start()
        late = False
        try:
            process.wait(self.timeout_s)
        except subprocess.TimeoutExpired:
            late = True
        finally:
            if late:
                _kill(process)
            process.wait()
            with self._lock:
                self._running.discard(process)
            reader.join(DRAIN_S)        # what it has left running in the background may hold its output open
        if late:
            raise ActionError(f"it took longer than {self.timeout_s:g} s and was killed{_shortened(said)}")
        if process.returncode < 0:
            raise ActionError(f"it was ended by signal {-process.returncode}{_shortened(said)}")
        if process.returncode:
            raise ActionError(f"it ended with {process.returncode}{_shortened(said)}")

    def stop(self) -> None:
        with self._lock:
            running = list(self._running)
        for process in running:
            _kill(process)


def _environment(event: Event) -> dict[str, str]:
    return {f"FLOWAUDIO_{name.upper()}": "" if value is None else str(value).replace("\0", "")
            for name, value in event._asdict().items()}


def _read(pipe: IO[bytes], said: "collections.deque[bytes]") -> None:
    """Keep the last of what comes."""
    with pipe:
        while part := os.read(pipe.fileno(), READ_BYTES):
            said.append(part)


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """It and all that it has started."""
    if process.poll() is not None:
        return
    try:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    except (ProcessLookupError, PermissionError):
        process.kill()


def _shortened(said: "collections.deque[bytes]") -> str:
    """The end of what a command has said, as one line."""
    text = " ".join(b"".join(said).decode("utf-8", "replace").split())
    text = "".join(c for c in text if c.isprintable())
    if not text:
        return ""
    return f": {text}" if len(text) <= OUTPUT_CHARACTERS else f": … {text[-OUTPUT_CHARACTERS:]}"


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A message goes to whom it was meant for, and nowhere else."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class WebHook(Action):
    """Posts an event as JSON: `kind`, `at_s`, `text`, `node`, `phase`, `end_s`, `channel`, `strength`::

        engine.on("any", WebHook("https://example.org/hook", headers={"Authorization": "Bearer …"}), phase="both")

    What is not known is null. Any answer of 200 to 299 will do, and is not read. A redirection is not followed: it is
    told as a failure, with the address. What may be over soon (no answer, 429, 500, 502, 503, 504) is tried again,
    `retry_s` later, then after twice as long, and so on.

    :param timeout_s: for connecting and for each answer.
    :param retries: how often to try again.
    """

    every_s = EVERY_S

    def __init__(self, url: str, *, headers: Mapping[str, str] | None = None, timeout_s: float = 5.0, retries: int = 2,
                 retry_s: float = 0.5) -> None:
        self.url = _checked(url)
        self._headers = {"Content-Type": "application/json", "User-Agent": "flowaudio"}
        for name, value in dict(headers or {}).items():
            if not isinstance(name, str) or not re.fullmatch(r"[\w!#$%&'*+.^`|~-]+", name, re.ASCII):
                raise ParameterError(f"WebHook.headers: {shown(name)} is no name of a header")
            if not isinstance(value, str) or not re.fullmatch(r"[\t\x20-\x7e\xa0-\xff]*", value):
                raise ParameterError(f"WebHook.headers: the value of {name} must be text in one line")
            self._headers[name] = value
        self.timeout_s = number("WebHook.timeout_s", timeout_s, 0.01, 300, "s")
        self.retries = whole("WebHook.retries", retries, 0, 10)
        self.retry_s = number("WebHook.retry_s", retry_s, 0, 60, "s")
        # Web addresses only: what urllib would open beside them (files, FTP) is not even there.
        self._opener = urllib.request.OpenerDirector()
        for handler in (urllib.request.ProxyHandler(), urllib.request.HTTPHandler(), urllib.request.HTTPSHandler(),
                        urllib.request.HTTPDefaultErrorHandler(), urllib.request.HTTPErrorProcessor(), _NoRedirects()):
            self._opener.add_handler(handler)

    def __repr__(self) -> str:
        return f"WebHook({urlsplit(self.url).hostname})"        # the rest may be a secret

    def run(self, engine: Running, event: Event, closing: threading.Event) -> None:
        body = json.dumps(facts(event), allow_nan=False).encode()
        for tried in range(self.retries + 1):
            problem, again = self._post(body)
            if not problem:
                return
            if not again or tried == self.retries or (tried and closing.is_set()):
                times = f" (tried {tried + 1} times)" if tried else ""
                raise ActionError(problem + times)
            closing.wait(self.retry_s * 2 ** tried)

    def _post(self, body: bytes) -> tuple[str, bool]:
        """What is wrong, or "", and whether it may be over soon."""
        request = urllib.request.Request(self.url, body, self._headers, method="POST")
        try:
            with self._opener.open(request, timeout=self.timeout_s):
                return "", False
        except urllib.error.HTTPError as error:
            with error:
                where = error.headers.get("Location") if 300 <= error.code < 400 else None
                if where:
                    return f"the server sends it on to {shown(where)}, which is not followed: use that address", False
                return f"the server answered {error.code} {shown(error.reason)}", error.code in RETRY
        except urllib.error.URLError as error:
            return f"no connection: {_reason(error.reason)}", True
        except (OSError, http.client.HTTPException) as error:
            return f"no answer: {_reason(error)}", True


def _reason(error: Any) -> str:
    if isinstance(error, TimeoutError):
        return "it took too long"
    return getattr(error, "strerror", None) or (f"{type(error).__name__}: {error}" if isinstance(error, Exception)
                                                else str(error))


def _checked(url: Any) -> str:
    """A web address; ParameterError for anything else."""
    cure = "write it as https://host/path"
    if not isinstance(url, str):
        raise ParameterError(f"WebHook takes a web address: {cure} (got {shown(url)})")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise ParameterError(f"{shown(url)} is no web address ({error}): {cure}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ParameterError(f"WebHook takes addresses of http and https only: {cure} (got {shown(url)})")
    if parts.username is not None or parts.password is not None:
        raise ParameterError("a WebHook's address may hold no user and password: put them into "
                             "headers={'Authorization': …}")
    if not url.isascii() or re.search(r"[\x00-\x20\x7f]", url):
        raise ParameterError(f"{shown(url)} is no web address: write spaces and other signs as %20 and so on")
    return url
