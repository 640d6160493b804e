"""Every error that flowaudio raises on purpose.

A message is one sentence that names the object, the rule, the value and, where known, the cure::

    FlowaudioError
    ├── ParameterError (ValueError)    a value outside its range, of a node, a codec or a setting
    ├── GraphError (ValueError)        a graph that cannot run: cycle, channels, ports, nothing reaches "out"
    │   └── DocumentError              a graph document that cannot be read
    ├── KernelError                    a kernel that cannot be compiled
    ├── SourceError                    an input that cannot be opened, decoded or read to its end
    └── TargetError                    an output that cannot be opened, encoded or written
"""

__all__ = [
    "DocumentError",
    "FlowaudioError",
    "GraphError",
    "KernelError",
    "ParameterError",
    "SourceError",
    "TargetError",
]


class FlowaudioError(Exception):
    """Root of all errors of flowaudio."""


class ParameterError(FlowaudioError, ValueError):
    """A value is outside its range or of the wrong type."""


class GraphError(FlowaudioError, ValueError):
    """A graph cannot run as it is drawn."""


class DocumentError(GraphError):
    """A graph document cannot be read."""


class KernelError(FlowaudioError):
    """A kernel cannot be compiled."""


class SourceError(FlowaudioError):
    """An input cannot be opened, decoded or read to its end."""


class TargetError(FlowaudioError):
    """An output cannot be opened, encoded or written."""
