"""Which device a name means, what is said when it means none, and what is refused before anything is opened."""

import os
import pickle
import sys
import threading

import pytest

from flowaudio.core.errors import ParameterError, SourceError, TargetError
from flowaudio.io.devices import Device
from flowaudio.io.feedback import may_howl
from flowaudio.io.loading import NoPortAudio
from flowaudio.io.naming import find
from flowaudio.io.portaudio import NoAnswer, Refusal
from flowaudio.io.quiet import others, quiet
from flowaudio.io.refusals import told
from flowaudio.io.soundcard import SoundCard
from flowaudio.runtime.card import Request

ALSA, JACK = "ALSA", "JACK Audio Connection Kit"
PCH = Device(name="HDA Intel PCH: ALC255 Analog (hw:0,0)", host=ALSA, input_channels=2, output_channels=2, index=0)
USB = Device(name="Scarlett 2i2 USB: Audio (hw:1,0)", host=ALSA, input_channels=2, output_channels=2, index=1)
HDMI = Device(name="HDA Intel PCH: HDMI 0 (hw:0,3)", host=ALSA, output_channels=8, index=2)
DEFAULT = Device(name="default", host=ALSA, input_channels=32, output_channels=32, index=3, is_default_input=True,
                 is_default_output=True, first_of_host=(True, True))
SYSTEM = Device(name="system", host=JACK, input_channels=2, output_channels=2, index=4, first_of_host=(True, True))
KNOWN = [PCH, USB, HDMI, DEFAULT, SYSTEM]
REQUEST = Request(44_100, 128, 2, 2, 0, 0, ())


@pytest.mark.parametrize(("name", "host", "side", "device"), [
    ("", "", "input", DEFAULT),
    ("", "", "duplex", DEFAULT),
    ("", "jack", "output", SYSTEM),
    ("system", "", "input", SYSTEM),
    ("SCARLETT", "", "output", USB),
    ("scarlett", "alsa", "duplex", USB),
    ("system, JACK Audio Connection Kit", "", "input", SYSTEM),
    ("HDA Intel PCH: ALC255 Analog (hw:0,0)", "", "output", PCH),
    ("HDA", "", "input", PCH),          # the other one has no inputs
    ("hdmi", "", "output", HDMI),
])
def test_a_name_means_one_device(name: str, host: str, side: str, device: Device) -> None:
    assert find(KNOWN, name, host, side) is device


def test_the_whole_name_comes_first() -> None:
    longer = Device(name="default loop", host=ALSA, output_channels=2)
    assert find([longer, DEFAULT], "default", "", "output") is DEFAULT
    assert find([longer, DEFAULT], "Default", "", "output") is DEFAULT


@pytest.mark.parametrize(("known", "name", "host", "side", "words"), [
    (KNOWN, "HDA", "", "output", ["fits", PCH.name, HDMI.name, "whole name"]),
    (KNOWN, "Scarlet 2i2", "", "input", ["no sound card called 'Scarlet 2i2'", "did you mean", USB.name]),
    (KNOWN, "zzz", "", "input", ["no sound card called 'zzz'", PCH.name, SYSTEM.name]),
    (KNOWN, "hdmi", "", "input", ["has no inputs", SYSTEM.name]),
    (KNOWN, "", "asio", "input", ["'asio'", f"{ALSA} and {JACK}"]),
    ([HDMI], "", "", "input", ["no sound card with inputs", "(8 out)"]),
    ([PCH], "", "", "input", ["no default input", PCH.name]),
    ([], "", "", "output", ["no sound card with outputs"]),
    ([], "USB", "alsa", "duplex", ["called 'USB'", "through alsa"]),
    ([SYSTEM, Device(name="system", host=ALSA, input_channels=2)], "system", "", "input",
     ["through ALSA and JACK", "host='JACK"]),
    ([USB, Device(name=USB.name, host=ALSA, input_channels=2)], "scarlett", "", "input",
     ["2 sound cards", "another name"]),
])
def test_a_name_that_does_not(known: list[Device], name: str, host: str, side: str, words: list[str]) -> None:
    with pytest.raises(TargetError if side == "output" else SourceError) as caught:
        find(known, name, host, side)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_to_do_without_a_device() -> None:
    with pytest.raises(SourceError) as caught:
        find([], "", "", "input")
    assert ("JACK" if sys.platform == "linux" else "plug one in") in str(caught.value)


@pytest.mark.parametrize(("problem", "rates", "words"), [
    (Refusal(-9997, "Invalid sample rate"), [48_000], ["does not take 44100 Hz", "it takes 48000 Hz"]),
    (Refusal(-9997, "Invalid sample rate"), [32_000, 48_000], ["32000 Hz or 48000 Hz"]),
    (Refusal(-9998, "Invalid number of channels"), [], ["2 input channels and 2 output channels"]),
    (Refusal(-9991, "Buffer too big"), [], ["blocks of 128 frames", "block=0"]),
    (Refusal(-9993, "Illegal combination of I/O devices"), [], ["two sound cards"]),
    (Refusal(-9985, "Device unavailable"), [], ["in use by another program", "close that program"]),
    (Refusal(-9999, "Unanticipated host error", "Device or resource busy"), [], ["in use", "resource busy"]),
    (Refusal(-9999, "Unanticipated host error", "AUDCLNT_E_UNSUPPORTED"), [], ["cannot be opened", "AUDCLNT_E"]),
    (Refusal(-9992, "Insufficient memory"), [], ["its server has gone"]),
    (NoAnswer("no answer for 10 s"), [], ["gives no answer", "sound server"]),
    (NoPortAudio("no library: apt install libportaudio2"), [], ["apt install libportaudio2"]),
])
@pytest.mark.parametrize("side", ["input", "output"])
def test_portaudios_errors_become_ours(problem: Exception, rates: list[int], words: list[str], side: str) -> None:
    error = told(problem, side, "", USB, REQUEST, rates)
    assert type(error) is (TargetError if side == "output" else SourceError)
    for word in words:
        assert word in str(error)
    if not isinstance(problem, NoPortAudio):
        assert USB.name in str(error)


@pytest.mark.parametrize(("settings", "words"), [
    ({"name": 3}, "SoundCard.name must be text"),
    ({"host": None}, "SoundCard.host must be text"),
    ({"channels": 0}, "SoundCard.channels must be between 1 and"),
    ({"channels": True}, "SoundCard.channels must be between 1 and"),
    ({"rate": 48_000.0}, "SoundCard.rate must be between"),
    ({"rate": 3}, "got 3"),
    ({"block": -1}, "SoundCard.block must be between 0 and"),
    ({"latency": "lowest"}, "must be 'low', 'high', or seconds"),
    ({"latency": 0}, "got 0"),
    ({"latency": float("nan")}, "got nan"),
    ({"latency": True}, "got True"),
])
def test_impossible_settings(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        SoundCard(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("card", [
    SoundCard(), SoundCard("USB"), SoundCard("a 'b'", channels=4, rate=44_100, block=64, latency="high", host="ALSA"),
    SoundCard(latency=0.02)])
def test_a_card_is_a_value(card: SoundCard) -> None:
    assert eval(repr(card)) == card == pickle.loads(pickle.dumps(card))
    assert hash(eval(repr(card))) == hash(card)
    assert card != SoundCard("other")
    assert card.clock() == 0
    with pytest.raises(AttributeError):
        card.name = "other"  # type: ignore[misc]


def test_a_request_has_to_fit_its_side() -> None:
    with pytest.raises(ParameterError, match="side is input, output or duplex"):
        SoundCard().open("both", REQUEST)
    with pytest.raises(ParameterError, match="2 input and 2 output channels"):
        SoundCard().open("input", REQUEST)


def named(name: str, host: str = "Core Audio") -> Device:
    return Device(name=name, host=host, input_channels=2, output_channels=2)


@pytest.mark.parametrize(("into", "out", "laptop", "howls"), [
    (named("MacBook Pro Microphone"), named("MacBook Pro Speakers"), False, True),
    (named("Microphone Array (Realtek(R) Audio)", "MME"), named("Speakers (Realtek(R) Audio)", "MME"), False, True),
    (named("HD Pro Webcam C920"), named("MacBook Air Speakers"), False, True),
    (named("Built-in Microphone"), named("External Headphones"), False, False),
    (named("AirPods"), named("AirPods"), True, False),
    (named("MacBook Pro Microphone"), named("Scarlett 2i2 USB"), False, False),
    (named("Scarlett 2i2 USB"), named("MacBook Pro Speakers"), False, False),
    (named("Dynamic Range"), named("Speakers"), False, False),
    (DEFAULT, DEFAULT, True, True),
    (DEFAULT, DEFAULT, False, False),
    (PCH, PCH, True, True),
    (USB, USB, True, False),
    (SYSTEM, SYSTEM, True, False),
])
def test_microphone_and_loudspeaker(into: Device, out: Device, laptop: bool, howls: bool) -> None:
    assert may_howl(into, out, laptop) is howls


# --- noise ----------------------------------------------------------------------------------------------------------

def test_noise_goes_and_the_rest_stays() -> None:
    noise = b"ALSA lib pcm.c:2666:(snd_pcm_open_noupdate) Unknown PCM dmix\n\nCannot connect to server socket err\n"
    assert others(noise) == b""
    assert others(noise + b"mine\n" + noise) == b"mine\n"
    assert others(b"mine\n\nyours") == b"mine\n\nyours"


def test_what_others_write_meanwhile_arrives(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet(), quiet():
        os.write(2, b"ALSA lib noise\nfrom somewhere else\n")
        print("from Python", file=sys.stderr)
    os.write(2, b"ALSA lib after\n")
    assert sorted(capfd.readouterr().err.splitlines()) == ["ALSA lib after", "from Python", "from somewhere else"]


def test_two_threads_may_be_quiet_at_once(capfd: pytest.CaptureFixture[str]) -> None:
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with quiet():
            inside.set()
            leave.wait()

    thread = threading.Thread(target=other)
    thread.start()
    inside.wait()
    with quiet():
        os.write(2, b"ALSA lib noise\n")
    leave.set()
    thread.join()
    os.write(2, b"heard\n")
    assert capfd.readouterr().err == "heard\n"


