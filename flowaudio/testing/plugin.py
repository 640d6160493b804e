"""A plugin for pytest: the laws as tests of one's own nodes, and simulated sound cards as fixtures.

It is there as soon as flowaudio is installed::

    pytest --flowaudio-nodes mypackage.nodes            # mypackage.nodes::MyNode::cutting, …
    pytest --flowaudio-nodes mypackage.nodes::MyNode    # of one node, and with ::cutting behind it of one law

Nothing of flowaudio is imported before a test asks for it.
"""

import functools
import importlib
import inspect
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from flowaudio.testing.simulated import SimulatedCard

__all__ = ["NodeClass", "NodeLaw", "NodeModule", "check_node", "pytest_addoption", "pytest_collection_modifyitems",
           "simulated_card"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Two options."""
    group = parser.getgroup("flowaudio", "the laws of flowaudio's nodes")
    group.addoption("--flowaudio-nodes", action="append", default=[], metavar="MODULE",
                    help="try every law on every node class of this module; MODULE::Class or MODULE::Class::law for "
                         "less (may be given several times)")
    group.addoption("--flowaudio-effort", type=_effort, default=1.0, metavar="N",
                    help="try N times as much as usual (default: 1)")


def _effort(text: str) -> float:
    value = float(text)
    if not 0.0 < value < 1e6:
        raise ValueError(f"the effort must be above 0 (got {text})")
    return value


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add an item for each node class and law, before others choose among the items."""
    for wanted in config.getoption("flowaudio_nodes"):
        name, *rest = wanted.split("::")
        module = NodeModule.from_parent(session, name=name, nodeid=name)
        found = [item for cls in module.collect() for item in cls.collect()
                 if [cls.name, item.name][:len(rest)] == rest]
        if not found:
            known = ", ".join(cls.name for cls in module.collect()) or "no node class"
            raise pytest.UsageError(f"--flowaudio-nodes {wanted}: there is nothing of that name (the module has: "
                                    f"{known})")
        items += found
        config.hook.pytest_collectreport(report=pytest.CollectReport(name, "passed", None, [*found]))


class NodeModule(pytest.Collector):
    """A module whose nodes are tried."""

    def collect(self) -> list["NodeClass"]:
        """Its node classes, in the order in which they stand there; not those that it only imports."""
        try:
            module = importlib.import_module(self.name)
        except ImportError as error:
            raise pytest.UsageError(f"--flowaudio-nodes {self.name}: it cannot be imported: {error}") from error
        offered = getattr(module, "__all__", None)
        found = [value for name, value in vars(module).items()
                 if isinstance(value, type) and "__declaration__" in vars(value)
                 and (value.__module__ == module.__name__ if offered is None else name in offered)]
        return [NodeClass.from_parent(self, name=cls.__name__, node=cls) for cls in found]


class NodeClass(pytest.Collector):
    """A node class that is tried."""

    def __init__(self, node: type, **rest: Any) -> None:
        super().__init__(**rest)
        self.node = node

    def collect(self) -> list["NodeLaw"]:
        """The laws that speak of such a node."""
        from flowaudio.core.node import declaration
        from flowaudio.testing.laws import LAWS

        declared = declaration(self.node)
        return [NodeLaw.from_parent(self, name=name, node=self.node) for name, law in LAWS.items()
                if law.holds_for(declared)]


class NodeLaw(pytest.Item):
    """One law, tried on one node class."""

    def __init__(self, node: type, **rest: Any) -> None:
        super().__init__(**rest)
        self.node = node

    def runtest(self) -> None:
        """:raises LawBroken: it does not hold."""
        from flowaudio.testing.check import check_node

        check_node(self.node, laws=[self.name], effort=self.config.getoption("flowaudio_effort"))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """One sentence for what is wrong with the node; a traceback for what its own Python does."""
        from flowaudio.core.errors import FlowaudioError
        from flowaudio.testing.check import LawBroken

        if isinstance(excinfo.value, (LawBroken, FlowaudioError)):
            return str(excinfo.value)
        excinfo.traceback = excinfo.traceback.cut(path=inspect.getsourcefile(self.node))
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path | str, int | None, str]:
        """Where the node's class stands."""
        try:
            path, (_, line) = inspect.getsourcefile(self.node), inspect.getsourcelines(self.node)
        except (OSError, TypeError):    # it was made by a function, or in a notebook
            path, line = None, 1
        return path or self.path, line - 1, f"{self.node.__name__}: {self.name}"


@pytest.fixture
def check_node(request: pytest.FixtureRequest) -> Callable[..., None]:
    """:func:`flowaudio.testing.check_node`, with the effort of the command line."""
    from flowaudio.testing.check import check_node

    return functools.partial(check_node, effort=request.config.getoption("flowaudio_effort"))


@pytest.fixture
def simulated_card() -> Iterator[Callable[..., "SimulatedCard"]]:
    """Makes simulated sound cards, ``simulated_card(rate=48_000, block=128)``, all on one virtual clock.

    What is open of them is closed when the test ends, in the order in which it was opened.
    """
    from flowaudio.testing.simulated import SimulatedCard
    from flowaudio.testing.virtual import VirtualClock

    clock = VirtualClock()
    made: list[SimulatedCard] = []

    def make(name: str = "simulated", **settings: Any) -> SimulatedCard:
        made.append(SimulatedCard(name, **{"clock": clock, **settings}))
        return made[-1]

    yield make
    _close(stream for card in made for stream in card.streams)


def _close(streams: Iterable[Any]) -> None:
    for stream in tuple(streams):
        stream.close()
