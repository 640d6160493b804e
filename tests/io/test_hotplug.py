"""A JACK server that is killed, hangs and comes back: nothing waits for it, nothing crashes, the next one is found.

Each in a process of its own: what goes wrong here takes the process with it. A time limit that is too long to be
waited for makes sure that it is not waited for.
"""

import pytest
from callbacks import run
from need import need

from flowaudio.io.quiet import others

BEGIN = """
import gc, signal, threading, weakref
from callbacks import Counts
from rigs import jack
from waiting import wait_until
from flowaudio.core.errors import SourceError
from flowaudio.io import cardstream, portaudio
from flowaudio.io.devices import devices
from flowaudio.io.soundcard import SoundCard

class Owner:
    pass

def opened(start=True):
    counts, owner = Counts(), Owner()
    request = counts.request()
    stream = SoundCard("system").open("duplex", request._replace(keep=(*request.keep, owner)))
    if start:
        stream.start()
        wait_until(lambda: counts.calls > 5, "calls")
    return stream, counts, weakref.ref(owner)

def names():
    return [device.name for device in devices()]

cardstream.CLOSE_S = 1e6
"""


def good(code: str, hangs: bool = False) -> None:
    """It comes to its end. What waits for a server that hangs prints its noise when nobody keeps it away any more."""
    need("jackd")
    done = run(BEGIN + code)
    said = others(done.stderr.encode()) if hangs else done.stderr.encode()
    # A stream of PulseAudio's that comes too late on a busy machine says so by itself, while nobody calls it.
    said = b"".join(line for line in said.splitlines(keepends=True) if b"snd_pcm_recover" not in line)
    assert (done.returncode, done.stdout, said) == (0, "", b"")


@pytest.mark.parametrize("sent", ["SIGTERM", "SIGKILL"])
def test_a_server_that_goes_and_comes_back(sent: str) -> None:
    good(f"""
with jack() as server:
    kept = []
    for k in range(4):
        stream, counts, owner = opened()
        threads = threading.active_count()
        server.stop(signal.{sent})
        wait_until(lambda: not stream.active, "the stream to notice")
        stream.stop()
        stream.close()
        stream.close()
        calls = counts.calls
        assert names() == []
        assert owner() is None, "its memory is not freed"
        try:
            opened()
        except SourceError as error:
            assert "there is no sound card called 'system'" in str(error)
        server.start()
        assert names() == ["system"]
        assert counts.calls == calls
        wait_until(lambda: threading.active_count() <= threads, "its thread to end")
    stream, counts, owner = opened()
    assert stream.active
    stream.close()
    assert server.ports() == ["system:" + name for name in ("capture_1", "capture_2", "playback_1", "playback_2")]
""")


@pytest.mark.parametrize("running", [False, True])
def test_a_stream_that_was_not_running(running: bool) -> None:
    """PortAudio would abort the process when such a stream is closed."""
    good(f"""
def begin():
    try:
        stream.start()
    except SourceError as error:
        assert "has gone" in str(error)
    else:
        raise AssertionError("it began")

with jack() as server:
    for after in (lambda: stream.close(), lambda: begin(), gc.collect, lambda: None):
        stream, counts, owner = opened(start={running})
        stream.stop()
        server.stop(signal.SIGKILL)
        wait_until(lambda: names() == [], "the server to be gone")
        after()
        server.start()
        stream = None
        again, counts, owner = opened()
        again.close()
""")


@pytest.mark.parametrize("after", ["", "del stream", "server.start()"])
def test_the_exit_after_a_loss(after: str) -> None:
    good(f"""
with jack() as server:
    stream, counts, owner = opened()
    server.stop(signal.SIGKILL)
    {after or "pass"}
""")


def test_two_streams_lose_their_server() -> None:
    good("""
with jack() as server:
    for k in range(3):
        one, counts, _ = opened()
        two, more, _ = opened()
        server.stop(signal.SIGKILL)
        wait_until(lambda: not one.active, "the stream to notice")
        one.close()
        assert names() == []            # now libjack has cleared away what the other one's PortAudio knows
        assert not two.active
        two.stop()
        two.close()
        server.start()
""")


def test_a_server_that_hangs_and_goes_on() -> None:
    good("""
with jack() as server:
    stream, counts, owner = opened()
    server.hang()
    cardstream.CLOSE_S = 0.1
    stream.close()
    assert not stream.active
    assert owner() is not None, "its callback may still be called"
    server.go_on()
    wait_until(lambda: owner() is None, "the stream to be closed")
    wait_until(lambda: "flowaudio:in_0" not in server.ports(), "its ports to go")
    again, counts, owner = opened()
    again.close()
""", hangs=True)


def test_a_server_that_hangs_and_is_killed() -> None:
    good("""
with jack() as server:
    for k in range(2):
        stream, counts, owner = opened()
        server.hang()
        cardstream.CLOSE_S = 0.1
        stream.close()
        server.stop(signal.SIGKILL)
        wait_until(lambda: names() == [] and owner() is None, "all of it to go")
        server.start()
        again, counts, owner = opened()
        cardstream.CLOSE_S = 1e6
        again.close()
""", hangs=True)


def test_a_close_that_ends_its_thread_when_nobody_waits_for_it() -> None:
    """PortAudio's assertion fails where the server has gone before we know. What the stream held is freed later on."""
    good("""
with jack() as server:
    stream, counts, owner = opened()
    line, cardstream._Line._lost = stream._line, lambda self: False
    server.hang()
    cardstream.CLOSE_S = 0.1
    stream.close()
    server.stop(signal.SIGKILL)
    wait_until(lambda: line.instance.hopeless, "its thread to be lost")
    assert not line._left.done() and owner() is not None
    assert names() == []
    assert owner() is None, "its memory is not freed"
""", hangs=True)


def test_a_question_that_hangs_is_asked_once() -> None:
    good("""
with jack() as server:
    stream, counts, owner = opened()
    portaudio.DEADLINE_S = 0.5
    server.hang()
    instances = threading.active_count() + 1
    for k in range(5):
        try:
            devices()
        except SourceError as error:
            assert "gives no answer" in str(error)
        else:
            raise AssertionError("it answered")
    assert threading.active_count() <= instances
    server.go_on()
    calls = counts.calls
    wait_until(lambda: counts.calls > calls + 5, "the stream to go on")
    portaudio.DEADLINE_S = 20.0
    wait_until(lambda: not portaudio._calling, "the answer that was late")
    assert "system" in names()
    stream.close()
""", hangs=True)


def test_a_stream_of_another_server_plays_on() -> None:
    need("pulseaudio")
    good("""
from rigs import pulse
with jack() as server, pulse(beside=server):
    counts, owner = Counts(), Owner()
    assert {"pulse", "system"} <= set(names())
    request = counts.request("output")
    stream = SoundCard("pulse").open("output", request._replace(keep=(*request.keep, owner)))
    freed = weakref.ref(owner)
    del owner, request
    stream.start()
    server.stop(signal.SIGKILL)
    wait_until(lambda: "system" not in names(), "the other server to be gone")
    calls = counts.calls
    wait_until(lambda: counts.calls > calls + 10, "more calls")
    assert stream.active
    assert freed() is not None
    stream.stop()
    stream.start()
    wait_until(lambda: counts.calls > calls + 20, "more calls")
    stream.close()
    assert freed() is None
    server.start()
    again, counts, owner = opened()
    again.close()
""")


def test_one_portaudio_for_all_streams() -> None:
    """As it is where the library cannot be loaded twice."""
    good("""
from flowaudio.io import loading
only = loading._original()
portaudio.load_another = lambda: (only, False)
with jack() as server:
    one, counts, _ = opened()
    two, more, _ = opened()
    assert threading.active_count() == 2
    one.close()
    calls = more.calls
    wait_until(lambda: more.calls > calls + 5, "calls of the one that is left")
    assert "system" in names()
    two.close()
    assert names() == ["system"]
    server.stop(signal.SIGTERM)
    assert names() == []
    server.start()
    assert names() == ["system"], "no stream was open: it looks again"
    one, counts, _ = opened()
    server.stop(signal.SIGKILL)
    wait_until(lambda: not one.active, "the stream to notice")
    one.close()
    try:
        names()
    except SourceError as error:
        assert "start the program again" in str(error)
    else:
        raise AssertionError("PortAudio was called")
""")


@pytest.mark.parametrize("running", [False, True])
def test_a_call_that_comes_too_late(running: bool) -> None:
    """Nobody can ask between the server's end and a call: that costs a thread, not the process."""
    good(f"""
from flowaudio.io.jack import JackServer
knows = JackServer.gone
with jack() as server:
    stream, counts, owner = opened(start={running})
    stream.stop()
    server.stop(signal.SIGKILL)
    JackServer.gone = property(lambda server: False)
    stream.close()
    JackServer.gone = knows
    server.start()
    again, counts, owner = opened()
    again.close()
""")
