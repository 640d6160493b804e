"""Sound servers for tests: JACK with its dummy driver, PulseAudio with a null sink. Real, started and stopped here."""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from need import need
from waiting import LIMIT_S, wait_until

__all__ = ["Jack", "Pulse", "jack", "nowhere", "pulse", "variables"]

TRIES = 5
NOBODY = "flowaudio-nobody"
SERVER = "flowaudio-test"
"""One name for all: JACK allows eight servers, and remembers by its name each that was killed."""

TURN_S = 600.0
"""How long a test waits for another one's server to go. Two at a time would disturb each other: a client's socket has
the client's name, whichever server it belongs to, and who opens it second takes it from the first."""


@contextlib.contextmanager
def _environment(**variables: str) -> Iterator[None]:
    """Of this process and those that it starts."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def nowhere(server: str = NOBODY) -> Iterator[None]:
    """No sound server is found within it, whatever runs on the machine; or the JACK server of that name only."""
    with (tempfile.TemporaryDirectory(prefix="flowaudio-") as folder,
          _environment(JACK_DEFAULT_SERVER=server, JACK_NO_START_SERVER="1", PULSE_SERVER=f"unix:{folder}/nothing",
                       PIPEWIRE_REMOTE=f"{folder}/nothing", PULSE_COOKIE=f"{folder}/cookie")):
        _look_again()
        yield
    _look_again()


def variables() -> dict[str, str]:
    """Those of the environment that say which servers are found, for processes that are not given all of it."""
    return {name: value for name, value in os.environ.items() if name.startswith(("JACK_", "PULSE_", "PIPEWIRE_"))
            or name in ("ALSA_CONFIG_PATH", "XDG_RUNTIME_DIR")}


def _look_again() -> None:
    from flowaudio.io import devices

    devices.forget()


def _with_us(command: list[str]) -> list[str]:
    """It is told to end when this process is killed."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", *command] if setpriv else command


class Jack:
    """A JACK server with a dummy driver: two inputs, two outputs, and nobody who listens."""

    def __init__(self, name: str, rate: int, period: int) -> None:
        self.name, self.rate, self.period = name, rate, period
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  closed in clean

    def start(self) -> None:
        """Returns when its ports are there: it answers before."""
        need("jackd")
        command = [need("jackd"), "-r", "-n", self.name, "-d", "dummy", "-r", str(self.rate), "-p", str(self.period),
                   "-C", "2", "-P", "2"]
        self.stop()                     # a test that failed before it did
        for _ in range(TRIES):          # on a busy machine it gives its own threads too little time, and ends
            self._process = subprocess.Popen(_with_us(command), stdin=subprocess.DEVNULL, stdout=self._log,
                                             stderr=subprocess.STDOUT)
            wait_until(lambda: "system:playback_2" in self.ports() or self._ended(), "a JACK server that answers")
            if not self._ended():
                return
        self._log.seek(0)
        pytest.fail(f"jackd has ended: {self._log.read().decode(errors='replace')[-600:]}")

    def _ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def stop(self, sent: int = signal.SIGTERM) -> None:
        """Returns when it is gone. A SIGKILL leaves it no time to say good-bye."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(sent)
            try:
                self._process.wait(LIMIT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def hang(self) -> None:
        """It is there, and does nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """After a `hang`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def ports(self) -> list[str]:
        """All that is plugged in, such as ``system:capture_1``."""
        return self._run("jack_lsp").stdout.split()

    def connections(self, port: str) -> list[str]:
        """What a port is connected with."""
        lines = self._run("jack_lsp", "-c", port).stdout.splitlines()
        return [line.strip() for line in lines if line.startswith(" ")]

    def connect(self, source: str, target: str) -> None:
        """From an output to an input."""
        done = self._run("jack_connect", source, target)
        assert done.returncode == 0 or target in self.connections(source), done.stderr

    def disconnect(self, source: str, target: str) -> None:
        """Nothing happens if they are not connected."""
        self._run("jack_disconnect", source, target)

    def delay_frames(self, into: str, out: str) -> float:
        """Frames from a port that is written to, such as ``flowaudio:in_0``, to one that is read from.

        Measured by jack_iodelay, which goes with them in a loop: a loop through the server takes one period more, and
        that is taken off here.
        """
        for port in (into, out):
            for other in self.connections(port):
                self.disconnect(other, port)
                self.disconnect(port, other)
        with tempfile.TemporaryFile() as printed:
            command = [need("stdbuf"), "-oL", need("jack_iodelay")]
            process = subprocess.Popen(_with_us(command), stdout=printed, env=self.environment)
            try:
                wait_until(lambda: {"jack_delay:out", "jack_delay:in"} <= set(self.ports()), "jack_iodelay's ports")
                self.connect("jack_delay:out", into)
                self.connect(out, "jack_delay:in")
                line = wait_until(lambda: _measured(printed), "jack_iodelay to hear itself")
            finally:
                # Not SIGINT: what was started in the background ignores it, and so would this.
                process.send_signal(signal.SIGTERM)
                process.wait(LIMIT_S)
        wait_until(lambda: "jack_delay:out" not in self.ports(), "jack_iodelay to leave")
        return float(line.split()[0]) - self.period

    @property
    def environment(self) -> dict[str, str]:
        """For processes that shall find this server."""
        return {**os.environ, "JACK_DEFAULT_SERVER": self.name}

    def _run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([need(command[0]), *command[1:]], env=self.environment, capture_output=True, text=True,
                              timeout=LIMIT_S)

    def clean(self) -> None:
        """Remove what it has left in shared memory, and its log."""
        self._log.close()
        for pattern in (f"jack_sem.*_{self.name}_*", f"jack_{self.name}_*"):
            for left in Path("/dev/shm").glob(pattern):
                left.unlink(missing_ok=True)


def _measured(printed: IO[bytes]) -> str:
    """The last line with a delay in it that is sure, once there are some: the first ones are guesses."""
    printed.seek(0)
    lines = [line for line in printed.read().decode().splitlines() if "total roundtrip" in line and "?" not in line]
    return lines[-1] if len(lines) > 2 else ""


@contextlib.contextmanager
def jack(rate: int = 48_000, period: int = 128) -> Iterator[Jack]:
    """A JACK server of one's own, which this process finds, and no other."""
    need("jackd")
    with _alone(), nowhere(SERVER), _patient():
        server = Jack(SERVER, rate, period)
        try:
            server.start()
            _look_again()
            yield server
        finally:
            server.stop()
            server.clean()


@contextlib.contextmanager
def _patient() -> Iterator[None]:
    """On a machine with far too much to do, a server has been seen to leave a client waiting for 10 s."""
    from flowaudio.io import portaudio

    before, portaudio.DEADLINE_S = portaudio.DEADLINE_S, LIMIT_S
    try:
        yield
    finally:
        portaudio.DEADLINE_S = before


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """No other test on this machine has a JACK server within it."""
    with open(Path(tempfile.gettempdir()) / "flowaudio-jack.lock", "w") as file:  # noqa: PTH123  held
        wait_until(lambda: _locked(file), "the JACK server of another test to go", TURN_S)
        yield


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


class Pulse:
    """A PulseAudio daemon of one's own. What is played into its null sink can be recorded from its monitor."""

    def __init__(self, folder: Path, rate: int) -> None:
        self.folder, self.rate = folder, rate
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Returns when it answers."""
        socket = self.folder / "native"
        self._begin([need("pulseaudio"), "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no",
                     "--disable-shm=yes", "-L", f"module-native-protocol-unix socket={socket} auth-anonymous=1",
                     "-L", f"module-null-sink sink_name=null rate={self.rate} channels=2"])
        wait_until(lambda: self.run("info").returncode == 0, "a PulseAudio daemon that answers")
        # A null sink takes up to two seconds at once, unless somebody wants less: this one does, and plays silence.
        self._begin([need("pacat"), "--playback", "--raw", "--latency-msec=10", "/dev/zero"])
        wait_until(lambda: "RUNNING" in self.run("list", "short", "sinks").stdout, "the null sink to run")

    def _begin(self, command: list[str]) -> None:
        self._processes.append(subprocess.Popen(_with_us(command), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                                stderr=subprocess.DEVNULL))

    def stop(self, sent: int = signal.SIGTERM) -> None:
        """Returns when it is gone."""
        for process in self._processes:
            process.send_signal(sent)
        for process in self._processes:
            try:
                process.wait(LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """pactl."""
        return subprocess.run([need("pactl"), *words], capture_output=True, text=True, timeout=LIMIT_S)


ASOUND = """\
pcm.pulse { type pulse }
ctl.pulse { type pulse }
pcm.!default { type pulse }
ctl.!default { type pulse }
"""


@contextlib.contextmanager
def pulse(rate: int = 48_000, beside: Jack | None = None) -> Iterator[Pulse]:
    """A PulseAudio daemon that this process finds through ALSA, and no other sound server but `beside`."""
    need("pulseaudio")
    others = nowhere(beside.name if beside is not None else NOBODY)
    with others, tempfile.TemporaryDirectory(prefix="flowaudio-") as name:
        folder = Path(name)
        (folder / "asound.conf").write_text(ASOUND)
        with _environment(XDG_RUNTIME_DIR=name, XDG_CONFIG_HOME=name, PULSE_RUNTIME_PATH=name,
                          PULSE_SERVER=f"unix:{folder / 'native'}", PULSE_COOKIE=str(folder / "cookie"),
                          ALSA_CONFIG_PATH=str(folder / "asound.conf")):
            server = Pulse(folder, rate)
            try:
                server.start()
                _look_again()
                yield server
            finally:
                server.stop()
