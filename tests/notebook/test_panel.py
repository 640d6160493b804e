"""A panel: sliders that are heard, meters that move, and what starts, stops and takes another one's place."""

import gc
import sys
import threading
import weakref
from typing import Any

import numpy as np
import pytest
from waiting import wait_until

import flowaudio as fa
from flowaudio.core.errors import GraphError, ParameterError, TargetError
from flowaudio.notebook.pace import Ticker
from flowaudio.notebook.panel import live
from flowaudio.testing import SimulatedCard

widgets = pytest.importorskip("ipywidgets")


def desk() -> fa.Graph:
    graph = fa.Graph()
    graph.add(fa.Equalizer(bands=[fa.Band(kind="peak", frequency_hz=3000, gain_db=4)]), "eq")
    graph.add(fa.Compressor(threshold_db=-30), "comp")
    graph.add(fa.Gain(gain_db=-6), "gain")
    for source, target in (("in", "eq"), ("eq", "comp"), ("comp", "gain"), ("gain", "out")):
        graph.connect(source, target)
    return graph


def panel_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith(("flowaudio-panel", "flowaudio-card"))]


def knob(panel: Any, node: str, name: str) -> Any:
    return panel._records[node].controls[name].widget


def test_a_slider_is_heard(card: SimulatedCard) -> None:
    with live(fa.Gain(gain_db=-6), card, card, paced=False) as panel:
        card.run(4800)
        knob(panel, "gain", "gain_db").value = -20.0
        card.run(4800)
        assert panel.engine["gain"].gain_db == -20
    assert card.recorded[0, 4000] == pytest.approx(0.1 * 10 ** (-6 / 20), rel=1e-5)
    assert card.recorded[0, 9500] == pytest.approx(0.1 * 10 ** (-20 / 20), rel=1e-5)


def test_what_a_cell_sets_is_shown(card: SimulatedCard) -> None:
    with live(desk(), card, card, paced=False) as panel:
        panel.engine["comp"].threshold_db = -12
        assert knob(panel, "comp", "threshold_db").value == -30
        card.run(4800)
        panel.after_cell([])
        assert knob(panel, "comp", "threshold_db").value == -12


def test_what_cannot_be_is_said_and_taken_back(card: SimulatedCard) -> None:
    with live(fa.LoudnessMeter(), card, card, paced=False) as panel:
        layout = knob(panel, "loudness_meter", "layout")
        layout.value = layout.options[-1]           # of more channels than there are
        assert "LoudnessMeter.layout must fit 2 channels" in panel._status.value
        assert panel.graph.nodes["loudness_meter"]["node"].layout == "default"
        assert layout.value == "default"


def test_the_meters_say_what_is_played(card: SimulatedCard) -> None:
    with live(desk(), card, card, paced=False) as panel:
        card.run(48_000)
        panel.refresh()
        page = panel._meters.value
    assert 'data-peak="-20.00"' in page                     # 0.1 comes in
    assert "turns down 7." in page                          # 10 dB above the threshold at 4:1
    assert "LUFS momentary" in page
    assert "xruns 0" in page
    assert "0:01.0" in page


def test_the_graph_is_drawn_with_the_load_of_its_nodes(card: SimulatedCard) -> None:
    with live(desk(), card, card, paced=False) as panel:
        card.run(48_000)
        panel._looks = 0
        panel.refresh()
        assert panel._picture.value.count("load ") == 3
        assert "output level" not in panel._picture.value   # the panel's own meters are none of the user's


def test_time_goes_by_by_itself(card: SimulatedCard) -> None:
    with live(fa.Gain(), card, card) as panel:
        wait_until(lambda: panel.engine.time_s > 0.3)
        before = panel._meters.value
        wait_until(lambda: panel._meters.value != before)


def test_stop_and_play_keep_the_values(card: SimulatedCard) -> None:
    panel = live(desk(), card, card)
    knob(panel, "gain", "gain_db").value = -3.0
    panel._button.value = False
    assert not panel.playing
    assert card.streams == ()
    assert panel_threads() == []
    knob(panel, "comp", "ratio").value = 2.0
    panel._button.value = True
    assert panel.playing
    assert panel.engine["gain"].gain_db == -3
    assert panel.engine["comp"].ratio == 2
    panel.close()
    panel.close()
    assert panel.closed
    assert card.streams == ()
    assert panel_threads() == []
    assert repr(panel) == "<Panel of 3 nodes, closed>"


def test_another_panel_of_the_same_card_takes_the_place_of_the_first(card: SimulatedCard) -> None:
    first = live(fa.Gain(), card, card, paced=False)
    with pytest.raises(GraphError):
        live(fa.Graph(), card, card)
    assert first.playing                        # what cannot play replaces nobody
    second = live(fa.Limiter(), card, card, paced=False)
    assert first.closed
    assert second.playing
    other = SimulatedCard()
    with live(fa.Gain(), other, other, paced=False):
        assert second.playing
    second.close()


def test_a_cell_that_is_run_again_replaces_its_panel(shell: Any) -> None:
    shell.push({"live": live, "fa": fa, "SimulatedCard": SimulatedCard, "panels": []})
    cell = "card = SimulatedCard(); panels.append(live(fa.Gain(), card, card, paced=False))"
    two = "cards = SimulatedCard(), SimulatedCard(); panels += [live(fa.Gain(), c, c, paced=False) for c in cards]"
    for text in (cell, cell, two):
        assert shell.run_cell(text, store_history=True).success
    panels = shell.user_ns["panels"]
    assert [panel.playing for panel in panels] == [False, True, True, True]
    for panel in panels:
        panel.close()


def test_a_panel_that_no_page_shows_any_more_stands_still(card: SimulatedCard) -> None:
    with live(fa.Gain(), card, card, paced=False) as panel:
        panel._meters._view_count = 1
        panel.refresh()
        panel._meters._view_count = 0
        before = panel._meters.value
        card.run(48_000)
        panel.refresh()
        assert panel._meters.value == before
        panel._meters._view_count = 2
        panel.refresh()
        assert panel._meters.value != before


def test_a_ticker_ends_with_its_object() -> None:
    class Thing:
        calls = 0

        def tick(self) -> None:
            self.calls += 1

    def begun() -> tuple[Ticker, weakref.ref[Thing]]:
        thing = Thing()
        made = Ticker(thing.tick, 0.001, "test")
        wait_until(lambda: thing.calls > 2)
        return made, weakref.ref(thing)

    ticker, gone = begun()

    def over() -> bool:
        gc.collect()
        return gone() is None and not ticker.alive

    wait_until(over)


def test_swap_shows_the_new_nodes(card: SimulatedCard) -> None:
    with live(fa.Gain(gain_db=-6), card, card, paced=False) as panel:
        panel.swap(fa.Gain(gain_db=-6) >> fa.Limiter())
        assert list(panel._records) == ["gain", "limiter"]
        card.run(4800)
        panel.refresh()
        assert "limiter" in panel._meters.value             # it turns down, or could
        with pytest.raises(GraphError):
            panel.swap(fa.Graph())
        assert list(panel._records) == ["gain", "limiter"]


def test_mute_and_bypass(card: SimulatedCard) -> None:
    with live(fa.Gain(gain_db=-20), card, card, paced=False) as panel:
        card.run(4800)
        panel._bypass.value = True
        card.run(4800)
        panel._mute.value = True
        card.run(4800)
    np.testing.assert_allclose(card.recorded[0, [4000, 9000, 14_000]], [0.01, 0.1, 0.0], rtol=1e-5, atol=1e-9)


def test_without_ipywidgets_the_cure_is_told(monkeypatch: pytest.MonkeyPatch, card: SimulatedCard) -> None:
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(ParameterError, match=r"pip install 'flowaudio\[notebook\]'"):
        live(fa.Gain(), card, card)


def test_a_card_that_is_gone_says_where_to_go(card: SimulatedCard) -> None:
    card.unplug()
    with pytest.raises(TargetError, match=r"fa\.listen"):
        live(fa.Sine(), None, card)


def test_a_graph_of_sources_needs_no_input() -> None:
    card = SimulatedCard()
    with live(fa.Sine(frequency_hz=440), None, card,
              paced=False):
        card.run(4800)
    assert np.abs(card.recorded).max() > 0.01


def test_a_panel_shows_itself_as_a_widget(card: SimulatedCard) -> None:
    with live(fa.Gain(), card, card, paced=False) as panel:
        assert "application/vnd.jupyter.widget-view+json" in panel._repr_mimebundle_()
