"""`flowaudio live --on` and `--hook`: commands and messages when something happens. From a file to nowhere."""

import http.server
import json
import shlex
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_tools import Run

SHOW = "import json, os, sys; print(json.dumps(sys.argv[2:]), file=open(sys.argv[1], 'a'))"


@pytest.fixture
def posts(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[dict[str, object]]]]:
    """A server's address, and what was posted to it."""
    got: list[dict[str, object]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/hook", got
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_command_and_a_message(run: Run, speech: Path, tmp_path: Path,
                                 posts: tuple[str, list[dict[str, object]]]) -> None:
    url, got = posts
    out = tmp_path / "out"
    command = shlex.join([sys.executable, "-c", SHOW, str(out), "{kind}; $HOME", "{at_s:.0f}"])
    ran = run("live", "-i", speech, "-o", "none", "--json", "--on", f"ended={command}", "--hook", url,
              no_proxy="127.0.0.1")
    assert ran.code == 0, ran.err
    assert json.loads(out.read_text()) == ["ended; $HOME", "4"]
    assert [(each["kind"], each["node"]) for each in got] == [("ended", "")]
    lines = [json.loads(line) for line in ran.out.splitlines()]
    assert [line["kind"] for line in lines if line["type"] == "event"] == ["ended"]


def test_a_file_that_is_not_there_is_no_sound_card(run: Run, tmp_path: Path) -> None:
    for name in (tmp_path / "nothing", "nothing.wav", "./nothing"):
        ran = run("live", "-i", name, "-o", "none")
        assert ran.code == 3
        assert ran.sentence == f"flowaudio: there is no file {name}: name one that is there, a URL or a sound card"


def test_a_command_that_fails_is_told(run: Run, speech: Path) -> None:
    command = shlex.join([sys.executable, "-c", "import sys; sys.exit('no luck')"])
    ran = run("live", "-i", speech, "-o", "none", "--on", f"any={command}", "--quiet")
    assert ran.code == 0
    assert "on ended failed: it ended with 1: no luck" in ran.sentence


@pytest.mark.parametrize(("options", "parts"), [
    (["--on", "ended"], ["--on takes KIND=COMMAND"]), (["--on", "=ls"], ["--on takes KIND=COMMAND"]),
    (["--on", "ended= "], ["--on takes KIND=COMMAND"]),
    (["--on", "ended=ls 'x"], ["No closing quotation", "close every quotation"]),
    (["--on", "ended=no-such-program"], ["--on ended: there is no program 'no-such-program'"]),
    (["--on", "endde=ls"], ["nothing here tells of 'endde'", "ended"]),
    (["--on", "ended=ls {when}"], ["nothing is known of '{when}'"]),
    (["--hook", "ftp://host"], ["http and https only"]),
])
def test_what_is_wrong_is_said_before_it_begins(call: Run, speech: Path, tmp_path: Path, options: list[str],
                                                parts: list[str]) -> None:
    ran = call("live", "-i", speech, "-o", tmp_path / "out.wav", *options)
    assert ran.code == 2
    for part in parts:
        assert part in ran.sentence
    assert list(tmp_path.iterdir()) == []
