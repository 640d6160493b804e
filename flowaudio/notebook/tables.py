"""Tables in a page: what a node declares, what a report found."""

from collections.abc import Iterable, Sequence
from typing import Any

from flowaudio.core.described import RATE, default_text, describe
from flowaudio.core.docstrings import blocks, plain
from flowaudio.notebook.svg import escaped

__all__ = ["node_page", "report_page", "table"]

CELL = "text-align:left;vertical-align:top;padding:2px 14px 2px 0"
MOST_EVENTS = 30


def table(rows: Iterable[Sequence[str]], header: Sequence[str] = ()) -> str:
    """Rows of plain text. The first column is set in a typewriter's letters, as names are."""
    head = "".join(f'<th style="{CELL};opacity:.7;font-weight:600">{escaped(name)}</th>' for name in header)
    body = "".join("<tr>" + "".join(
        f'<td style="{CELL}{";font-family:monospace;white-space:nowrap" if k == 0 else ""}">{escaped(cell)}</td>'
        for k, cell in enumerate(row)) + "</tr>" for row in rows)
    return (f'<table style="border-collapse:collapse;font-size:13px;margin:4px 0">'
            f'{f"<thead><tr>{head}</tr></thead>" if head else ""}<tbody>{body}</tbody></table>')


def node_page(cls: type) -> str:
    """A node's class: its documentation, ports and latency, and its parameters as a table."""
    told = describe(cls.__name__, cls)
    parts = [f'<div class="flowaudio-node" style="max-width:960px"><div style="font-size:16px;font-weight:600">'
             f'{escaped(told["name"])}</div>',
             f'<div style="font-size:12px;opacity:.75;margin-bottom:4px">{escaped(_facts(told))}</div>']
    for kind, text in blocks(told["doc"]):
        if kind == "literal":
            parts.append(f'<pre style="margin:4px 0 4px 12px;font-size:12px">{escaped(text)}</pre>')
        else:
            margin, dot = ("4px 0 4px 12px", "• ") if kind == "item" else ("4px 0", "")
            parts.append(f'<p style="margin:{margin}">{dot}{escaped(plain(text))}</p>')
    if told["parameters"]:
        parts.append(table([_parameter(each) for each in told["parameters"]],
                           ("parameter", "type", "default", "range", "")))
    return "".join([*parts, "</div>"])


def _facts(told: dict[str, Any]) -> str:
    frames = told["latency_frames"]
    parts = [f"{', '.join(told['inputs']) or 'a source'} → {', '.join(told['outputs']) or 'nothing'}",
             "latency unknown" if frames is None else f"latency {frames} frames at {RATE // 1000} kHz" if frames
             else "no latency"]
    parts += [f"{verb} {', '.join(told[key])}" for verb, key in (("measures", "measures"), ("finds", "events"))
              if told[key]]
    return "; ".join(parts)


def _parameter(each: dict[str, Any]) -> tuple[str, ...]:
    name = each["name"]
    indented = "\u00a0\u00a0" + name.rpartition("[].")[2] if "[]." in name else name
    return indented, each["type"], default_text(each), each["range"], each["doc"]


def report_page(report: Any) -> str:
    """An analysis: its picture, its numbers as a table, what was found."""
    from flowaudio.stream.faults import many
    from flowaudio.stream.summary import lines

    parts = ['<div class="flowaudio-report" style="max-width:1100px">', _report_picture(report),
             f'<div style="font-weight:600">{escaped(report.source)}</div>', table(lines(report))]
    if report.events:
        rows = [(f"{each.start_s:.3f} s", each.kind.replace("_", " "), each.sentence)
                for each in report.events[:MOST_EVENTS]]
        count = len(report.events) + report.events_left_out
        more = count - len(rows)
        parts.append(f"<details><summary>{many(count, 'event')}</summary>"
                     f'{table(rows, ("when", "what", ""))}'
                     f'{f"<div>and {more} more</div>" if more else ""}</details>')
    return "".join([*parts, "</div>"])


def _report_picture(report: Any) -> str:
    """With matplotlib as it is drawn into files; a sentence on the cure without it."""
    if report.overview is None:
        return ""
    import importlib.util
    import io
    import warnings

    from flowaudio.notebook.pixels import data_uri

    if importlib.util.find_spec("matplotlib") is None:
        return '<div style="opacity:.75">Its picture needs matplotlib: pip install \'flowaudio[notebook]\'</div>'
    from flowaudio.stream.picture import figure

    made = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)    # a name may have letters that the font has not
        figure(report).savefig(made, format="png", dpi=90)
    return f'<img style="max-width:100%" alt="report" src="{data_uri(made.getvalue(), "image/png")}">'
