"""`flowaudio devices`, on a real JACK server and without any."""

import json

import pytest
from cli_tools import Run
from rigs import jack, nowhere, variables

from flowaudio.cli import devices as command
from flowaudio.io.devices import Device, devices
from flowaudio.io.jack import mark_gone


def test_a_server_is_listed(run: Run) -> None:
    mark_gone.linked  # noqa: B018  compiled here, so that nothing is said of it
    with jack(rate=44_100, period=256):
        shown = run("devices", **variables())
        assert (shown.code, shown.err) == (0, "")
        heading, *rows = shown.out.splitlines()
        assert heading.split() == ["Name", "Through", "In", "Out", "Rate", "Latency", "Default"]
        [row] = [row for row in rows if row.startswith("system")]
        assert row.split("  ")[0] == "system"
        for word in ("JACK Audio Connection Kit", "44.1 kHz", "5.8 / 11.6 ms", "input, output"):
            assert word in row

        ran = run("devices", "--json", **variables())
        [device] = [each for each in ran.json if each["name"] == "system"]
        assert device["host"] == "JACK Audio Connection Kit"
        assert (device["input_channels"], device["output_channels"], device["rate"]) == (2, 2, 44_100)
        assert device["is_default_input"] is True
        assert "index" not in device


def test_without_any(run: Run) -> None:
    with nowhere():
        if devices():
            pytest.skip("this machine has a sound card")
        ran = run("devices", **variables())
        assert (ran.code, ran.out) == (3, "")
        assert ran.err.startswith("flowaudio: there is no sound card: ")
        assert ran.err.count("\n") == 1
        ran = run("devices", "--json", **variables())
        assert ran.code == 3
        assert ran.json["kind"] == "source"
        assert "no sound card" in ran.json["error"]


def test_odd_names_stay_in_their_line(call: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = [Device(name="Mic\n\x1b[2JArray", host="MME", input_channels=1, rate=44_100, input_latency_ms=90.0),
           Device(name="[bold]Überlaut[/bold]", host="WASAPI", output_channels=8, is_default_output=True)]
    monkeypatch.setattr(command, "devices", lambda: odd)
    ran = call("devices")
    assert ran.code == 0
    assert len(ran.out.splitlines()) == 3
    assert "\x1b" not in ran.out
    assert "Mic\\n\\x1b[2JArray" in ran.out
    assert "[bold]Überlaut[/bold]" in ran.out
    assert "90.0 / - ms" in ran.out
    assert json.loads(call("devices", "--json").out)[1]["output_channels"] == 8
