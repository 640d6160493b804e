"""Sound cards on a real JACK server with a dummy driver, and through ALSA on a real PulseAudio daemon."""

import gc
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from callbacks import Counts, ramp, record, run
from rigs import Jack, Pulse, jack, nowhere, pulse
from waiting import wait_until

from flowaudio.core.errors import SourceError, TargetError
from flowaudio.io import cardstream
from flowaudio.io.devices import devices
from flowaudio.io.soundcard import SoundCard, looks_like_feedback

PERIOD = 128


@pytest.fixture(scope="module")
def server() -> Iterator[Jack]:
    with jack(period=PERIOD) as server:
        yield server


def others(server: Jack) -> list[str]:
    """Ports of programs."""
    return [port for port in server.ports() if not port.startswith("system:")]


# --- names ----------------------------------------------------------------------------------------------------------

def test_the_server_is_a_device(server: Jack) -> None:
    [device] = [device for device in devices() if device.name == "system"]
    assert device.host == "JACK Audio Connection Kit"
    assert (device.input_channels, device.output_channels, device.rate) == (2, 2, 48_000)
    assert device.is_default_input
    assert device.is_default_output
    assert device.output_latency_ms > 0


def test_a_card_knows_its_device(server: Jack) -> None:
    for card in (SoundCard(), SoundCard("SYS"), SoundCard("system", host="jack")):
        assert (card.rate("input"), card.channels("input"), card.channels("output")) == (48_000, 2, 2)
        assert card.same_device(SoundCard("system"))
        assert not looks_like_feedback(card, card)
    assert not SoundCard().same_device("system")
    asked = SoundCard("system", channels=1, rate=44_100)
    assert (asked.rate("output"), asked.channels("output")) == (44_100, 1)


def test_a_name_that_is_not_there_names_those_that_are(server: Jack) -> None:
    with pytest.raises(TargetError, match="no sound card called 'USB'; there is 'system'"):
        SoundCard("USB").channels("output")
    with pytest.raises(SourceError, match="did you mean 'system'"):
        SoundCard("sistem").open("input", Counts().request("input"))


# --- streams --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("block", [0, 64, PERIOD, 100, 1024])
def test_a_compiled_function_is_called_with_blocks_as_asked(server: Jack, block: int) -> None:
    counts = Counts()
    stream = SoundCard("system").open("duplex", counts.request(block=block))
    assert not stream.active
    assert counts.calls == 0
    stream.start()
    wait_until(lambda: counts.calls >= 20, "twenty calls")
    assert stream.active
    assert counts.sizes == (block or PERIOD,) * 2
    assert others(server) == [f"flowaudio:{port}" for port in ("in_0", "in_1", "out_0", "out_1")]
    assert server.connections("flowaudio:in_1") == ["system:capture_2"]
    stream.close()
    assert not stream.active
    assert others(server) == []
    assert stream.rate == 48_000


@pytest.mark.parametrize("block", [0, PERIOD, 100, 512])
def test_what_is_added_to_the_devices_latency(server: Jack, block: int) -> None:
    """A block of fixed size is held back, be it the server's own; one of the server's size is not."""
    counts = Counts()
    stream = SoundCard("system").open("duplex", counts.request(block=block))
    stream.start()
    assert abs(server.delay_frames("flowaudio:in_0", "flowaudio:out_0") - block) < 0.1
    # Of the dummy driver itself: one period for what comes in, two for what goes out.
    assert (stream.input_latency_frames, stream.output_latency_frames) == (PERIOD, 2 * PERIOD + block)
    stream.close()


@pytest.mark.parametrize(("side", "latency"), [("input", (PERIOD, 0)), ("output", (0, 2 * PERIOD))])
def test_one_side_alone(server: Jack, side: str, latency: tuple[int, int]) -> None:
    counts = Counts(channels=1)
    stream = SoundCard("system").open(side, counts.request(side))
    stream.start()
    wait_until(lambda: counts.calls >= 5, "five calls")
    assert others(server) == ["flowaudio:in_0" if side == "input" else "flowaudio:out_0"]
    assert (stream.input_latency_frames, stream.output_latency_frames) == latency
    stream.close()


def test_every_sample_arrives_in_its_place(server: Jack) -> None:
    """Two streams at once; the one hears the other."""
    playing, heard = Counts(), Counts(room=20_000)
    out = SoundCard("system").open("output", playing.request("output", callback=ramp))
    out.start()
    into = SoundCard("system").open("input", heard.request("input", callback=record))
    into.start()
    server.disconnect("system:capture_1", "flowaudio-01:in_0")
    server.connect("flowaudio:out_0", "flowaudio-01:in_0")
    wait_until(lambda: heard.frames == heard.tape.size, "the tape to be full")
    into.close()
    out.close()
    first = np.flatnonzero(heard.tape)[0]
    steps = np.diff(heard.tape[first:])
    assert steps.size > heard.tape.size // 4
    # On a busy machine the server leaves out a period now and then; within one, every frame follows the one before.
    np.testing.assert_array_equal((steps - 1) % PERIOD, np.zeros_like(steps))
    assert np.mean(steps == 1) > 0.98


def test_stopped_and_started_again(server: Jack) -> None:
    counts = Counts()
    stream = SoundCard("system").open("duplex", counts.request())
    for _ in range(3):
        before = counts.calls
        stream.start()
        stream.start()
        wait_until(lambda before=before: counts.calls > before, "a call")
        stream.stop()
        stream.stop()
        stopped = counts.calls
        assert not stream.active
        assert others(server) != []
    assert counts.calls == stopped
    stream.close()
    stream.close()
    stream.stop()
    assert counts.calls == stopped
    with pytest.raises(SourceError, match="the stream was closed"):
        stream.start()


def test_a_stream_that_is_dropped_ends_and_then_lets_go(server: Jack) -> None:
    class Owner:
        """Something of the callback's that must not be freed before the stream's end."""

        def __del__(self) -> None:
            freed.append(others(server))

    freed: list[list[str]] = []
    counts = Counts()
    request = counts.request()
    stream = SoundCard("system").open("duplex", request._replace(keep=(*request.keep, Owner())))
    stream.start()
    wait_until(lambda: counts.calls, "a call")
    assert freed == []
    del stream
    gc.collect()
    wait_until(lambda: freed, "the memory to be freed")
    assert freed == [[]], "the stream was still there"
    calls = counts.calls
    wait_until(lambda: others(server) == [], "the stream to end")
    assert counts.calls == calls


def test_nothing_is_left_of_streams(server: Jack) -> None:
    def once() -> None:
        stream = SoundCard("system").open("duplex", Counts().request())
        stream.start()
        stream.close()

    once()
    threads, files = threading.active_count(), len([*Path("/proc/self/fd").iterdir()])
    for _ in range(10):
        once()
    assert threading.active_count() == threads
    assert len([*Path("/proc/self/fd").iterdir()]) == files
    assert cardstream._open == set()


# --- refused --------------------------------------------------------------------------------------------------------

def test_a_rate_that_the_device_does_not_have(server: Jack) -> None:
    with pytest.raises(SourceError, match="'system' does not take 44100 Hz, it takes 48000 Hz"):
        SoundCard("system").open("duplex", Counts().request(rate=44_100))
    assert others(server) == []


def test_channels_that_the_device_does_not_have(server: Jack) -> None:
    with pytest.raises(TargetError, match="'system' has 2 output channels, not 5: ask for at most 2"):
        SoundCard("system").open("output", Counts(channels=5).request("output"))


def test_refusals_print_nothing(server: Jack, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SourceError):
        SoundCard("system").open("duplex", Counts().request(rate=44_100))
    assert capfd.readouterr() == ("", "")


def test_without_any_device() -> None:
    with nowhere():
        if [device for device in devices() if device.host != "JACK Audio Connection Kit"]:
            pytest.skip("this machine has a sound card")
        for side, error in (("input", SourceError), ("output", TargetError)):
            with pytest.raises(error, match=f"no sound card with {side}s: .*start PipeWire, PulseAudio or JACK"):
                SoundCard().rate(side)
        with pytest.raises(SourceError, match="no sound card called 'USB' with inputs and outputs"):
            SoundCard("USB").open("duplex", Counts().request())
        assert not looks_like_feedback(SoundCard(), SoundCard())


# --- in a process of its own ----------------------------------------------------------------------------------------

PLAYING = """
import faulthandler
faulthandler.enable()
from callbacks import Counts
from waiting import wait_until
from flowaudio.io.soundcard import SoundCard
counts = Counts()
stream = SoundCard("system").open("duplex", counts.request())
stream.start()
wait_until(lambda: counts.calls > 5, "calls")
"""


@pytest.mark.parametrize("end", ["", "del stream", "stream.stop()",
                                 "import threading; threading.Thread(target=stream.close).start()"])
def test_the_exit_is_quiet(server: Jack, end: str) -> None:
    done = run(PLAYING + end)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    wait_until(lambda: others(server) == [], "the program's ports to go")


def test_a_forked_process_leaves_the_stream_alone(server: Jack) -> None:
    done = run(PLAYING + """
import os, sys, warnings
warnings.simplefilter("ignore")
child = os.fork()
if child == 0:
    sys.exit(0)                         # with all that is done at an exit
assert os.waitpid(child, 0)[1] == 0
calls = counts.calls
wait_until(lambda: counts.calls > calls + 5, "more calls")
assert stream.active
""")
    assert (done.returncode, done.stderr) == (0, "")


def test_sounddevice_beside_us(server: Jack) -> None:
    """A program's own use of PortAudio is its own: neither sees the other's streams end."""
    done = run(PLAYING + """
import sounddevice
theirs = sounddevice.RawOutputStream(device="system", channels=1, dtype="float32", callback=lambda *a: None)
theirs.start()
stream.close()
assert theirs.active
theirs.close()
""")
    assert (done.returncode, done.stderr) == (0, "")


def test_importing_loads_nothing() -> None:
    done = run("import sys, flowaudio, flowaudio.io, flowaudio.io.soundcard, flowaudio.io.devices\n"
               "flowaudio.io.soundcard.SoundCard('x')\n"
               "print([name for name in sys.modules if 'sounddevice' in name or name in ('cffi', 'numba')])\n"
               "print([line for line in open('/proc/self/maps') if 'portaudio' in line or 'libjack' in line])")
    assert (done.returncode, done.stdout.split()) == (0, ["[]", "[]"])


MISSING = """
import ctypes.util, sys
ctypes.util.find_library = lambda name: None
from flowaudio.core.errors import SourceError, TargetError
from flowaudio.io.devices import devices
from flowaudio.io.soundcard import SoundCard
from flowaudio.runtime.card import Request
for ask in (devices, lambda: SoundCard().rate("output"),
            lambda: SoundCard().open("input", Request(48_000, 0, 1, 0, 0, 0, ()))):
    try:
        ask()
    except (SourceError, TargetError) as error:
        print(type(error).__name__, error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the library comes with the package")
def test_without_the_library() -> None:
    done = run(MISSING)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["SourceError", "TargetError", "SourceError"]
    for line in lines:
        assert "the PortAudio library, which is not installed: apt install libportaudio2" in line


def test_without_the_package() -> None:
    done = run("import sys; sys.modules['_sounddevice'] = None\n" + MISSING.replace("ctypes.util.find_library", "_"))
    assert done.returncode == 0
    assert "pip install sounddevice" in done.stdout.splitlines()[0]


# --- PulseAudio -----------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def daemon(server: Jack) -> Iterator[Pulse]:
    """Beside the JACK server: which one a name means is seen anew each time."""
    with pulse() as daemon:
        yield daemon


def test_pulse_is_the_default(daemon: Pulse) -> None:
    names = {device.name for device in devices() if device.host == "ALSA"}
    assert names == {"pulse", "default"}
    assert SoundCard().device("output").name == "default"
    assert SoundCard().channels("output") == 2, "it says 32"


@pytest.mark.parametrize("block", [0, 256])
def test_what_pulse_plays_is_heard_from_its_monitor(daemon: Pulse, block: int) -> None:
    playing, heard = Counts(), Counts(room=24_000)
    out = SoundCard("pulse", latency=0.02).open("output", playing.request("output", callback=ramp, block=block))
    into = SoundCard("pulse", latency=0.02).open("input", heard.request("input", callback=record, block=block))
    assert out.output_latency_frames > 0
    assert into.input_latency_frames > 0
    into.start()
    out.start()
    wait_until(lambda: heard.frames == heard.tape.size, "the tape to be full")
    assert out.active
    assert into.active
    for stream in (out, into):
        stream.close()
    # 16 bits: of the ramp, what is beyond full scale is all the same; that there is any was played by us.
    assert heard.tape.max() > 0.9


def test_pulse_takes_any_rate(daemon: Pulse) -> None:
    counts = Counts()
    stream = SoundCard("default").open("output", counts.request("output", rate=44_100))
    stream.start()
    wait_until(lambda: counts.calls > 10, "calls")
    assert stream.rate == 44_100
    stream.close()


def test_a_daemon_that_ends(daemon: Pulse, tmp_path: Path) -> None:
    counts = Counts()
    stream = SoundCard("pulse").open("output", counts.request("output"))
    stream.start()
    wait_until(lambda: counts.calls > 5, "calls")
    daemon.stop()
    wait_until(lambda: not stream.active, "the stream to notice")
    stream.close()
    daemon.start()
    again = SoundCard("pulse").open("output", counts.request("output"))
    calls = counts.calls
    again.start()
    wait_until(lambda: counts.calls > calls + 5, "calls of the new daemon")
    again.close()
