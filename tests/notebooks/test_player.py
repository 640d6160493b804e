"""The player of a `Signal` in a real browser: it takes what stands in the page, and hears every sample of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowaudio as fa

PLAY = """
const [done] = arguments, player = document.querySelector('audio');
player.muted = true;
player.addEventListener('error', () => done({error: player.error.message}));
player.addEventListener('ended', () => done({seconds: player.duration, at: player.currentTime}));
player.play().catch(error => done({error: String(error)}));
"""

DECODE = """
const [rate, done] = arguments, player = document.querySelector('audio');
const context = new OfflineAudioContext(2, 1, rate);
fetch(player.src).then(reply => reply.arrayBuffer()).then(content => context.decodeAudioData(content))
    .then(sound => done({rate: sound.sampleRate, channels: [0, 1].map(c => [...sound.getChannelData(c)])}),
          error => done({error: String(error)}));
"""


@pytest.mark.parametrize("rate", [8000, 48_000])
def test_the_browser_plays_the_samples_of_a_signal(rate: int, browser: Any, tmp_path: Path) -> None:
    frames = rate // 2
    x = (np.random.default_rng(3).integers(-9000, 9000, (2, frames)) / 32768).astype(np.float32)
    page = tmp_path / "page.html"
    page.write_text(f"<!doctype html><meta charset=utf-8>{fa.Signal(x, rate)._repr_html_()}")
    browser.get(page.as_uri())
    played = browser.execute_async_script(PLAY)
    assert "error" not in played, played
    assert played["seconds"] == pytest.approx(0.5, abs=1e-3)
    assert played["at"] == pytest.approx(0.5, abs=0.02)
    heard = browser.execute_async_script(DECODE, rate)
    assert "error" not in heard, heard
    assert heard["rate"] == rate
    # Chromium takes 32767, not 32768, for full scale above 0: less than half a step away each step is told.
    np.testing.assert_allclose(np.array(heard["channels"]), x, rtol=0, atol=0.49 / 32768)
