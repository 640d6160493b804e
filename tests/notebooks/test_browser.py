"""A notebook in a real Jupyter server and a real browser: its panel moves, and its sliders move the engine."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from need import need_module

ROOT = Path(__file__).parents[2]
HANGS_S = 300.0
"""What has not happened by then never will."""

SETTINGS = {"notebook-extension/tracker": {"windowingMode": "none"},    # or cells out of sight are not in the page
            "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False}}


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    """What `condition` gives as soon as that is something."""
    deadline = time.monotonic() + HANGS_S
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what}: it did not happen"
        time.sleep(0.1)
    return found


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A Jupyter server with a copy of the notebook and nobody's settings: its address, and where its kernels are."""
    need_module("jupyterlab")
    work, runtime, settings = tmp_path / "work", tmp_path / "runtime", tmp_path / "settings"
    work.mkdir()
    shutil.copy(ROOT / "notebooks" / "5-live-engine.ipynb", work)
    for name, values in SETTINGS.items():
        file = settings / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values))
    cache = os.environ.get("FLOWAUDIO_CACHE_DIR")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "JUPYTER_RUNTIME_DIR": str(runtime),
                   "JUPYTER_CONFIG_DIR": str(tmp_path / "config"), "JUPYTER_DATA_DIR": str(tmp_path / "data"),
                   "JUPYTERLAB_SETTINGS_DIR": str(settings), "JUPYTERLAB_WORKSPACES_DIR": str(tmp_path / "workspaces"),
                   **({"FLOWAUDIO_CACHE_DIR": str(Path(cache).absolute())} if cache else {})}
    port = free_port()
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}",
             "--ServerApp.port_retries=0", "--IdentityProvider.token=here", "--LabApp.expose_app_in_browser=True",
             f"--ServerApp.root_dir={work}"], env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        def answers() -> bool:
            assert process.poll() is None, (tmp_path / "server.log").read_text()
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", port)) == 0

        wait_for(answers, "the server answers")
        yield f"http://127.0.0.1:{port}/lab/tree/5-live-engine.ipynb?token=here", runtime
    finally:
        process.terminate()             # it ends its kernels
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Kernel:
    """Another client of the notebook's kernel: it asks what the page cannot know."""

    def __init__(self, runtime: Path) -> None:
        from jupyter_client import BlockingKernelClient

        file = wait_for(lambda: list(runtime.glob("kernel-*.json")), "a kernel")[0]
        self._client = BlockingKernelClient(connection_file=str(file))
        self._client.load_connection_file()
        self._client.start_channels()

    def value(self, expression: str) -> Any:
        """Of a Python expression, a literal."""
        it = f"__import__('json').dumps({expression})"
        asked = self._client.execute("", silent=True, user_expressions={"it": it})
        while True:
            reply = self._client.get_shell_msg(timeout=HANGS_S)
            if reply["parent_header"].get("msg_id") == asked:
                told = reply["content"]["user_expressions"]["it"]
                assert told["status"] == "ok", told
                return json.loads(told["data"]["text/plain"][1:-1])

    def close(self) -> None:
        self._client.stop_channels()


RUN_ALL = """
const [done] = arguments, app = window.jupyterapp;
const panel = app.shell.currentWidget;
panel.context.ready.then(() => panel.sessionContext.ready)
    .then(() => app.commands.execute('notebook:run-all-cells'))
    .then(() => done('ran'), error => done(String(error)));
"""

MARKED = ".jp-OutputArea-output .flowaudio-meters"


def peaks(browser: Any) -> list[float]:
    """What the meters in the page show now, in dB: of the output, channel by channel."""
    return [float(each) for each in browser.execute_script(
        f"return [...document.querySelectorAll('{MARKED} [data-peak]')].map(e => e.dataset.peak)")]


def fold_named(browser: Any, name: str) -> Any:
    """The header of a node's fold; None while there is none."""
    return next((each for each in browser.find_elements("css selector", ".jupyter-widget-Collapse-header")
                 if each.get_property("textContent").strip().startswith(f"{name} ")), None)


def test_the_panel_moves(server: tuple[str, Path], browser: Any, tmp_path: Path) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    address, runtime = server
    browser.get(address)
    wait_for(lambda: browser.execute_script("return !!window.jupyterapp?.shell?.currentWidget?.sessionContext"),
             "the notebook is open")
    assert browser.execute_async_script(RUN_ALL) == "ran"
    kernel = Kernel(runtime)
    try:
        assert kernel.value("engine.alive")
        first = wait_for(lambda: peaks(browser), "a panel with meters")
        assert len(first) == 2
        wait_for(lambda: peaks(browser) not in ([], first), "a meter moves")

        header = wait_for(lambda: fold_named(browser, "level"), "the level's fold")
        fold = header.find_element(By.XPATH, "..")
        browser.execute_script("arguments[0].scrollIntoView({block: 'center'}); arguments[0].click()", header)
        handle = wait_for(lambda: next((each for each in fold.find_elements(By.CSS_SELECTOR, ".noUi-handle")
                                        if each.is_displayed()), None), "the slider")
        assert kernel.value('engine["level"].gain_db') == 0
        handle.send_keys(Keys.ARROW_LEFT * 3)
        wait_for(lambda: kernel.value('engine["level"].gain_db') < 0, "the engine follows the slider")
        shown = float(fold.find_element(By.CSS_SELECTOR, ".widget-readout").text.replace("\N{MINUS SIGN}", "-"))
        wait_for(lambda: kernel.value('engine["level"].gain_db') == shown, "the engine stands where the slider does")

        browser.execute_script(f"document.querySelector('{MARKED}').closest('.widget-vbox').scrollIntoView()")
        browser.save_screenshot(str(tmp_path / "panel.png"))
        handle.send_keys(Keys.HOME)     # all the way down
        wait_for(lambda: max(peaks(browser) or [0.0]) < -60, "the meters follow the engine")
        assert kernel.value("engine.stats.underruns") == 0
    finally:
        kernel.close()
