"""`live`: a running engine with sliders and meters in a notebook."""

import contextlib
import dataclasses
import functools
import sys
import weakref
from typing import Any

from flowaudio.core.errors import FlowaudioError, KernelError, TargetError
from flowaudio.core.node import is_node
from flowaudio.graph.graph import IN, OUT, Graph
from flowaudio.graph.wiring import read
from flowaudio.live.engine import Engine
from flowaudio.live.streams import is_card
from flowaudio.notebook import cells
from flowaudio.notebook.controls import Record
from flowaudio.notebook.drawing import drawn
from flowaudio.notebook.failure import KernelFailure, explained
from flowaudio.notebook.meterview import MeterView
from flowaudio.notebook.needs import widgets
from flowaudio.notebook.pace import Ticker, card_time
from flowaudio.notebook.svg import escaped
from flowaudio.stream.metering import metered, takes_input

__all__ = ["Panel", "live"]

METERS_S = 0.1
"""Between two looks at the meters."""

PICTURE_EVERY = 20
"""Looks at the meters between two pictures of the graph."""

_panels: "weakref.WeakSet[Panel]" = weakref.WeakSet()


def live(graph: Any, input: Any = None, output: Any = None, *, paced: bool = True, **settings: Any) -> "Panel":
    """Play a graph, and show a panel with a slider for every parameter, and meters::

        panel = fa.live(fa.Compressor() >> fa.Limiter())
        panel                               # the last line of a cell shows it

    Another panel of the same cell, or of the same sound card, is closed first: a cell can be run again. After each
    cell, nodes whose class it has defined again are replaced while all goes on; a class that does not compile leaves
    the old one playing.

    :param input: as for :class:`flowaudio.Engine`; None is the default sound card, if the graph takes any input.
    :param output: None is the default sound card.
    :param paced: let a simulated card's time go by as the real one does; False: whoever made the card runs it.
    :param settings: any other of the engine's.
    :raises ParameterError: no ipywidgets, or a value is wrong. GraphError, KernelError: what is wrong with the graph.
        SourceError, TargetError: what a device or a file has against it.
    """
    widgets()
    graph = graph if not is_node(graph) else Graph.chain(graph)
    read(graph)                         # a graph that cannot run closes nobody's panel
    if output is None:
        output = _default_card()
    if input is None and takes_input(graph):
        input = output if is_card(output) else _default_card()
    place = _cell()
    for other in list(_panels):
        if other.replaced_by(place, (input, output)):
            other.close()
    panel = Panel(graph, input, output, paced=paced, **settings)
    panel.place = place
    _panels.add(panel)
    cells.follow(panel)
    return panel


def _default_card() -> Any:
    from flowaudio.io.soundcard import SoundCard

    return SoundCard()


def _cell() -> tuple[str, int]:
    """The cell that runs now: what tells it from others, and the number of this run. ("", 0) outside of notebooks."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None:
        return "", 0
    cell = ""
    with contextlib.suppress(Exception):        # shells without a kernel have no parent
        cell = str(shell.get_parent()["metadata"].get("cellId") or "")
    history = shell.history_manager.input_hist_raw if shell.history_manager is not None else []
    return cell or (history[-1] if history else ""), shell.execution_count


class Panel:
    """A running graph in the hands of somebody in a notebook. `live` makes one."""

    def __init__(self, graph: Any, input: Any, output: Any, *, paced: bool = True, **settings: Any) -> None:
        """It plays when this returns. See :func:`live`."""
        self._graph: Graph = graph.copy()
        self._ends, self._settings, self._paced = (input, output), settings, paced
        self.place: tuple[str, int] = ("", 0)
        """The cell that has made it."""
        self._engine: Engine | None = None
        self._view: MeterView | None = None
        self._tickers: list[Any] = []
        self._looks = 0
        self._seen = False              # whether a page has ever shown it
        self._closed = False
        self._failure: KernelFailure | str = ""
        self._build()
        try:
            self.start()
        except KernelError as error:
            self.close()
            raise error from None
        except BaseException:
            self.close()
            raise

    # Beginning and end.

    def start(self) -> None:
        """Play, from the beginning of the source; nothing happens if it plays already.

        :raises SourceError, TargetError: what a device has against it. ParameterError: a value is wrong.
        """
        if self._closed or self.playing:
            return
        names = metered(self._graph)
        try:
            engine = Engine(names.graph, *self._ends, **self._settings)
            engine.start()
        except TargetError as error:
            if is_card(self._ends[1]):
                raise TargetError(f"{error}; where there is no sound card, fa.listen(graph, x) renders and plays in "
                                  "the page") from error
            raise
        self._engine, self._view = engine, MeterView(engine, names)
        self._tickers = [*(card_time(*self._ends) if self._paced else ()),
                         Ticker(self.refresh, METERS_S, "flowaudio-panel")]
        self._button.value = True
        self._show_controls()
        self.refresh()

    def stop(self) -> None:
        """Fade out and let go of the devices. The panel stays, and can be started again."""
        engine = self._engine
        if engine is None:
            return
        self._graph = self.graph        # the values of now
        meters, *clocks = reversed(self._tickers)
        meters.stop()
        try:
            engine.close()
        except FlowaudioError as error:
            self._say(str(error))
        finally:
            for clock in clocks:
                clock.stop()
            self._tickers = []
            self._engine = None
            self._button.value = False

    def close(self) -> None:
        """Stop, and take the panel off the page. More than once does no harm."""
        if self._closed:
            return
        self.stop()
        self._closed = True
        cells.forget(self)
        _panels.discard(self)
        self.widget.close()

    def __enter__(self) -> "Panel":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def playing(self) -> bool:
        """Whether an engine is at work."""
        return self._engine is not None

    @property
    def closed(self) -> bool:
        """Whether it plays no more, and never will."""
        return self._closed

    @property
    def engine(self) -> Engine | None:
        """The engine at work; None while it is stopped."""
        return self._engine

    def replaced_by(self, place: tuple[str, int], ends: tuple[Any, Any]) -> bool:
        """Whether a panel of another run of its cell, or of the same sound card, takes its place."""
        again = bool(place[0]) and place[0] == self.place[0] and place[1] != self.place[1]
        return again or any(is_card(mine) and is_card(theirs) and mine.same_device(theirs)
                            for mine in self._ends for theirs in ends)

    # The graph.

    @property
    def graph(self) -> Graph:
        """A copy of the graph as it plays, with the values of now."""
        made = self._graph.copy()
        if self._engine is not None:
            now = self._engine.graph
            for name, data in made.nodes(data=True):
                if name not in (IN, OUT) and name in now:
                    data["node"] = now.nodes[name]["node"]
        return made

    def swap(self, graph: Any) -> None:
        """Put another graph in this one's place, without a gap.

        :raises GraphError, ParameterError, KernelError: what is wrong with it; the old one plays on.
        """
        graph = graph if not is_node(graph) else Graph.chain(graph)
        names = metered(graph)
        if self._engine is not None and self._view is not None:
            self._engine.swap(names.graph)
            self._view.meters.names = names
        self._graph = graph.copy()
        self._show_controls()

    def watch(self) -> list[str]:
        """Look now whether node classes have been defined again, and swap them in; what there is to say of it.

        After each cell this happens by itself.
        """
        told = cells.look(self, vars(sys.modules["__main__"]))
        self.after_cell(told)
        return [str(each) for each in told]

    def after_cell(self, told: list[Any]) -> None:
        """A cell has run: take over the values that it has set, and show what was said of it."""
        for each in told:
            self._say(each)
        graph = self.graph
        for name, record in self._records.items():
            if name in graph:
                record.show(graph.nodes[name]["node"])

    # The page.

    def _build(self) -> None:
        w = widgets()
        self._button = w.ToggleButton(value=False, description="play", icon="play", tooltip="play, or stop")
        self._button.observe(self._pressed, names="value")
        self._mute = w.ToggleButton(value=False, description="mute", icon="volume-off")
        self._mute.observe(self._muted, names="value")
        self._bypass = w.ToggleButton(value=False, description="bypass", icon="exchange")
        self._bypass.observe(self._bypassed, names="value")
        self._meters, self._status, self._picture = w.HTML(), w.HTML(), w.HTML()
        self._controls = w.Accordion([])
        self._records: dict[str, Record] = {}
        self._meters._view_count = 0    # let pages count how often it is on them
        graph = w.Accordion([self._picture], titles=["graph"])
        self.widget = w.VBox([w.HBox([self._button, self._mute, self._bypass]), self._meters, self._status,
                              self._controls, graph])
        """The panel itself, a widget of ipywidgets."""

    def _show_controls(self) -> None:
        """A fold for each node."""
        graph = self.graph
        self._records = {name: Record(data["node"], functools.partial(self._set, name))
                         for name, data in graph.nodes(data=True) if name not in (IN, OUT)}
        opened = self._controls.selected_index
        self._controls.children = [record.widget for record in self._records.values()]
        self._controls.titles = [f"{name}  ({type(graph.nodes[name]['node']).__name__})" for name in self._records]
        if self._records:
            self._controls.selected_index = opened if opened is not None and opened < len(self._records) else 0
        self._looks = 0

    def _set(self, name: str, values: dict[str, Any]) -> None:
        """The user has moved something."""
        try:
            if self._engine is not None:
                self._engine[name].set(**values)
            else:
                data = self._graph.nodes[name]
                data["node"] = dataclasses.replace(data["node"], **values)
        except FlowaudioError as error:
            self._say(str(error))
            with contextlib.suppress(FlowaudioError):
                self._records[name].show(self.graph.nodes[name]["node"])
            return
        self._say("")

    def _pressed(self, change: Any) -> None:
        if change["new"] == self.playing:
            self._button.description, self._button.icon = ("stop", "stop") if change["new"] else ("play", "play")
            return
        try:
            (self.start if change["new"] else self.stop)()
        except KernelError as error:
            self._say(explained(error))
        except FlowaudioError as error:
            self._say(str(error))
        playing = self.playing
        self._button.value = playing
        self._button.description, self._button.icon = ("stop", "stop") if playing else ("play", "play")

    def _muted(self, change: Any) -> None:
        if self._engine is not None:
            self._engine.mute(change["new"])

    def _bypassed(self, change: Any) -> None:
        if self._engine is not None:
            try:
                self._engine.bypass(change["new"])
            except FlowaudioError as error:
                self._bypass.value = False
                self._say(str(error))

    def _say(self, what: KernelFailure | str) -> None:
        self._status.value = what._repr_html_() if isinstance(what, KernelFailure) else (
            f'<div style="color:#d97706">{escaped(what)}</div>' if what else "")

    @property
    def on_a_page(self) -> bool:
        """Whether any page shows it. A notebook without a browser counts as one."""
        count = self._meters._view_count
        self._seen = self._seen or bool(count)
        return bool(count) or not self._seen

    def refresh(self) -> None:
        """Bring the meters up to date; nothing is done while no page shows them. Ten times a second by itself."""
        engine, view = self._engine, self._view
        if engine is None or view is None or self._closed or not self.on_a_page:
            return
        self._meters.value = view.html()
        if self._looks % PICTURE_EVERY == 0:
            with contextlib.suppress(FlowaudioError):
                self._picture.value = drawn(self._graph, engine.rate, engine.rack.channels, engine.stats.node_loads)
        self._looks += 1

    def _repr_mimebundle_(self, **settings: Any) -> Any:
        return self.widget._repr_mimebundle_(**settings)

    def __repr__(self) -> str:
        state = "closed" if self._closed else "playing" if self.playing else "stopped"
        return f"<Panel of {len(self._records)} nodes, {state}>"
