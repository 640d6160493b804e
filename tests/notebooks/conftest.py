"""A browser without a window, for tests of what a page does."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from need import need, need_module

HANGS_S = 300.0
"""A script that has not ended by then never will."""

CHROMIUM = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--disable-dev-shm-usage", "--window-size=1400,1400",
            "--autoplay-policy=no-user-gesture-required")


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    """Chromium without a window."""
    need_module("selenium")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = need("chromium")
    for argument in (*CHROMIUM, f"--user-data-dir={tmp_path / 'chromium'}"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options, webdriver.ChromeService(need("chromedriver")))
    driver.set_script_timeout(HANGS_S)
    try:
        yield driver
    finally:
        driver.quit()
