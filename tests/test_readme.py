"""The README's Python runs, from top to bottom, as a reader would run it."""

import re
from pathlib import Path

import numpy as np
import pytest
from rigs import jack

import flowaudio as fa

README = Path(__file__).parent.parent / "README.md"


def test_every_python_block_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                 capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    speech = 0.05 * rng.standard_normal((1, 5 * 48_000)).astype(np.float32)
    with fa.Encoder("talk.wav", fa.WAV(), 48_000, 1) as encoder:
        encoder.write(speech)
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(blocks) >= 3
    scope: dict[str, object] = {"__name__": "readme"}
    with jack():                        # the sound card that the README finds
        for block in blocks:
            exec(compile(block, str(README), "exec"), scope)
    x, y, z = (np.asarray(scope[name]) for name in "xyz")
    assert x.shape == y.shape == z.shape
    assert np.abs(y - x).max() > 0.01
    assert np.array_equal(z, fa.render(fa.load("dub.toml"), x, rate=48_000, block=999))
    assert "-16.0 LUFS" in capsys.readouterr().out
    assert Path("talk.mp3").stat().st_size > 10_000
    with fa.Decoder("take.flac") as take, fa.Decoder("just-now.flac") as memory:
        for decoder in (take, memory):
            assert sum(block.shape[1] for block in decoder.blocks()) > 48_000

