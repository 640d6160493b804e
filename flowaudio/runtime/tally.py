"""What a rack's plans have found and suffered since the start, also those that are gone."""

from collections.abc import Sequence

from flowaudio.graph.findings import NodeEvent
from flowaudio.runtime.voice import Voice, found

__all__ = ["Tally"]


class Tally:
    """Sums over voices: the audio thread gives them back when others have taken their place."""

    def __init__(self) -> None:
        self._found: list[NodeEvent] = []
        self._lost: dict[str, int] = {}
        self._trouble: dict[str, int] = {}

    def bury(self, gone: Voice, others: Sequence[Voice]) -> None:
        """Keep what a voice has to tell that nobody runs any more."""
        self._found += found([gone, *others])
        _add(self._lost, gone.findings.lost)
        _add(self._trouble, gone.plan.trouble)
        for each in others:
            if each.before is gone:
                each.before = None

    def events(self, voices: Sequence[Voice]) -> list[NodeEvent]:
        """What has been found since it was last asked for."""
        made, self._found = [*self._found, *found(voices)], []
        return made

    def lost(self, voices: Sequence[Voice]) -> dict[str, int]:
        """By node: events that there was no place for."""
        made = dict(self._lost)
        for voice in voices:
            _add(made, voice.findings.lost)
        return made

    def trouble(self, voices: Sequence[Voice]) -> dict[str, int]:
        """By node: blocks that were silenced."""
        made = dict(self._trouble)
        for voice in voices:
            _add(made, voice.plan.trouble)
        return made


def _add(sums: dict[str, int], counts: dict[str, int]) -> None:
    for name, count in counts.items():
        sums[name] = sums.get(name, 0) + count
