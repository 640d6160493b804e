"""All recordings and flight recorders of an engine."""

import os
from collections.abc import Mapping

from flowaudio.core.errors import ParameterError
from flowaudio.live.checks import same_file
from flowaudio.live.ends import File
from flowaudio.live.flight import FlightRecorder
from flowaudio.live.recording import Recorded, Recording

__all__ = ["Takes"]


class Takes:
    """Those that are open, and what the others have missed."""

    def __init__(self, engine: Recorded, used: Mapping[str, str]) -> None:
        """:param used: paths that are no recording's, and what they are."""
        self._engine, self._used = engine, used
        self._recordings: list[Recording] = []
        self._memories: list[FlightRecorder] = []
        self._deaf: list[Recording | FlightRecorder] = []
        self._missed = 0                # frames of recordings that are closed

    def record(self, path: str | os.PathLike[str] | File, point: str) -> Recording:
        """Write a point to a file from now on.

        :raises ParameterError: something else is, or is being, written or read under that name.
        """
        file = path if isinstance(path, File) else File(path)
        self._forget_closed()
        for other, what in self._used.items():
            if same_file(file.path, other):
                raise ParameterError(f"{file.path} is the engine's own {what}: choose another name for the recording")
        if any(same_file(file.path, other.path) for other in self._recordings):
            raise ParameterError(f"{file.path} is being recorded already: close that recording, or choose another name")
        made = Recording(self._engine, file, point)
        self._recordings.append(made)
        return made

    def remember(self, seconds: float, point: str) -> FlightRecorder:
        """Keep the last seconds of a point."""
        self._forget_closed()
        made = FlightRecorder(self._engine, seconds, point)
        self._memories.append(made)
        return made

    def check(self) -> None:
        """End what has failed, write what is due. To be called often."""
        for recording in list(self._recordings):
            recording.check()
        for memory in list(self._memories):
            memory.check()
        self._tell_the_deaf()

    def _tell_the_deaf(self) -> None:
        """Say once what goes on as silence, since a swap has taken its node away or changed its channels."""
        engine, taps = self._engine, self._engine.rack.deaf_taps()
        takes: list[Recording | FlightRecorder] = [*self._recordings, *self._memories]
        deaf = [each for each in takes if not each.closed and each.listens_by(taps)]
        for each in deaf:
            if each not in self._deaf:
                engine.log.add("failed", engine.time_s, f"{each!r} goes on as silence: the graph has no {each.point!r} "
                                                        "any more with as many channels")
        self._deaf = deaf

    @property
    def missed_frames(self) -> int:
        """Frames of all recordings that the disk or the encoder was too slow for."""
        return self._missed + sum(recording.missed_frames for recording in self._recordings)

    def finish(self) -> list[BaseException]:
        """End all recordings, whatever happens to one; what has gone wrong that nobody has been told."""
        return [error for recording in list(self._recordings)
                if (error := recording.end()) is not None and not recording.told]

    def forget(self) -> None:
        """Close all flight recorders."""
        for memory in list(self._memories):
            memory.close()

    def _forget_closed(self) -> None:
        self._missed += sum(recording.missed_frames for recording in self._recordings if recording.closed)
        self._recordings = [recording for recording in self._recordings if not recording.closed]
        self._memories = [memory for memory in self._memories if not memory.closed]
