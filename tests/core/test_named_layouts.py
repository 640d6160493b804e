"""flowaudio.core.named_layouts: against FFmpeg's own table."""

import av
import pytest

from flowaudio.core.errors import ParameterError
from flowaudio.core.named_layouts import DEFAULT, NAMED_LAYOUTS, layout_called, layout_speakers


@pytest.mark.parametrize("layout", NAMED_LAYOUTS)
def test_speakers_are_those_of_ffmpeg(layout: str) -> None:
    names = tuple(channel.name for channel in av.AudioLayout(layout).channels)
    assert NAMED_LAYOUTS[layout] == names
    assert layout_called(names) == layout
    assert layout_speakers(layout, len(names), "it") == names


def test_what_has_no_name() -> None:
    assert layout_called(("FL", "LFE")) == DEFAULT
    assert layout_speakers(DEFAULT, 4, "it") == NAMED_LAYOUTS["quad"]
    assert layout_speakers(DEFAULT, 12, "it") == ("",) * 12
    with pytest.raises(ParameterError, match=r"^it must be one of default, mono, .* \(got 'cinema'\)$"):
        layout_speakers("cinema", 2, "it")
    with pytest.raises(ParameterError, match=r"^it must fit 1 channel: mono \(got 3.1, which has 4\)$"):
        layout_speakers("3.1", 1, "it")
