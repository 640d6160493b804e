"""The ready graphs that come with flowaudio, and finding one by its name."""

from importlib.resources import files
from pathlib import Path

from flowaudio.core.errors import DocumentError
from flowaudio.core.params import shown
from flowaudio.graph.encoding import FORMATS
from flowaudio.graph.known import close_to

__all__ = ["find", "shipped"]


def shipped() -> dict[str, Path]:
    """The documents of the ready graphs by name: in a wheel they stand in the package, in a checkout beside it."""
    folder = _folder()
    documents = sorted(p for p in folder.iterdir() if p.suffix[1:] in FORMATS) if folder else []
    return {path.stem: path for path in documents}


def find(name_or_path: str | Path) -> Path:
    """The file of a document: a path, or the name of a ready graph. DocumentError if there is neither."""
    text = str(name_or_path)
    path = Path(text)
    try:
        if path.is_file():
            return path
    except (OSError, ValueError):       # a name that is too long, or with a zero in it
        pass
    ready = shipped()
    if text in ready:
        return ready[text]
    if path.suffix[1:].lower() in FORMATS or len(path.parts) > 1:
        raise DocumentError(f"there is no file {shown(text)}")
    raise DocumentError(f"there is neither a file nor a ready graph called {shown(text)}; {close_to(text, ready)}")


def _folder() -> Path | None:
    package = Path(str(files("flowaudio")))
    inside, beside = package / "_graphs", package.parent / "graphs"
    if inside.is_dir():
        return inside
    # Beside an installed package stand the packages of others: only a checkout has this file there.
    return beside if beside.is_dir() and (package.parent / "pyproject.toml").is_file() else None
