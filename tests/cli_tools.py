"""What the tests of the command share: what a run came to, folders, graph documents."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


@dataclasses.dataclass
class Ran:
    """What a run of the command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which has to be JSON and nothing else."""
        return json.loads(self.out)

    @property
    def sentence(self) -> str:
        """The last line on standard error."""
        return self.err.strip().splitlines()[-1]


Run = Callable[..., Ran]


def listing(folder: Path) -> list[str]:
    """Everything in a folder, hidden files too."""
    return sorted(path.name for path in folder.iterdir())


def document(folder: Path, connections: str, **nodes: str) -> Path:
    """A graph document; each node a type, with further lines behind a line break."""
    path = folder / "graph.toml"
    tables = []
    for name, spelled in nodes.items():
        kind, _, rest = spelled.partition("\n")
        tables.append(f'[nodes.{name}]\ntype = "{kind}"\n{rest}\n')
    path.write_text(f"flowaudio = 1\n{connections}\n" + "".join(tables))
    return path
