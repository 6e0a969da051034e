"""The report of an experiment: one HTML file that opens offline, with its tables, plots and the code that moves them."""

import base64
import hashlib
from itertools import groupby
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from encoder_compression.reporting.gate_words import NOTE as GATE_NOTE
from encoder_compression.reporting.page_content import Column, PageContent, Row
from encoder_compression.reporting.processes import NOTE as PROCESSES_NOTE

PARTS = Path(__file__).parent / "page"
SCRIPTS = ("table.js", "plots.js", "report.js")
FINDINGS = ("warnings", "answers", "comparisons", "profiles")
EMBEDDED = ("metric", "gate", "baseline_score", "columns", "rows", "curves", *FINDINGS)  # for scripts
NAMES = ("variant", "device")  # drawn by the template itself, before the columns
AXES = {"latency_ms_p50": "p50 latency, ms", "size_mb": "size on disk, MB", "memory_run_mb": "run memory, MB"}
UNITS = {"ms": "ms", "mb": "MB", "seconds": "s", "millions": "M"}
FORMATS = {
    "percent": lambda value, digits: f"{value:.{digits}%}",
    "ratio": lambda value, digits: f"{value:.{digits}f}×",
    "millions": lambda value, digits: f"{value / 1e6:,.{digits}f}",
    "count": lambda value, digits: f"{value:,.0f}",
    "p": lambda value, digits: "<0.001" if value < 0.001 else f"{value:.2g}",
    "text": lambda value, digits: str(value),
}  # number, ms, mb and seconds are plain numbers


def render(data: PageContent, output: Path) -> None:
    """Write the page of ``data`` to ``output``.

    Raises ValueError where a number is not finite, and KeyError, TypeError or ``jinja2.UndefinedError`` where a key is missing.
    """
    columns = [column for column in data["columns"] if column["key"] not in NAMES]
    data = data | {"columns": columns}
    scripts = [(PARTS / name).read_text(encoding="utf-8") for name in SCRIPTS]
    code = Markup("\n".join(scripts))  # our own files: nothing in them needs escaping
    plotly = Markup(get_plotlyjs())
    text = (
        _environment()
        .get_template("template.html")
        .render(
            **data,
            groups=_groups(columns),
            axes=_axes(data),
            slice_tables=[(kind, *_pivot(rows, ("slice",))) for kind, rows in _by(data["slices"], "kind")],
            grid_table=_pivot(data["grid"], ("batch_size", "length")),
            processes_note=PROCESSES_NOTE,
            gate_note=GATE_NOTE,
            embedded={key: data[key] for key in EMBEDDED},
            policy=_policy(plotly, code),
            style=Markup((PARTS / "report.css").read_text(encoding="utf-8")),
            plotly=plotly,
            code=code,
        )
    )
    Path(output).write_text(text, encoding="utf-8", newline="\n")


def figure(value, kind: str, digits: int = 1) -> str:
    """Return ``value`` as text in the column format ``kind``; its unit, if it has one, stands in the column's head."""
    return FORMATS.get(kind, lambda number, places: f"{number:,.{places}f}")(value, digits)


def interval(row: Row, column: Column) -> str:
    """Return the 95 % interval of ``column`` in ``row``, such as ``84.3–87.8%``, or nothing where it was not measured."""
    low, high = (row.get(column.get(side)) for side in ("low", "high"))
    if low is None or high is None:
        return ""
    first, last = (figure(value, column["format"], column["digits"]) for value in (low, high))
    return f"{first.rstrip('%×')}{' to ' if low < 0 else '–'}{last}"


def unit(column: Column) -> str:
    """Return the unit of ``column`` unless its label already ends with it."""
    name = UNITS.get(column["format"], "")
    return "" if name in column["label"].split() else name


def _environment() -> Environment:
    lines = {"trim_blocks": True, "lstrip_blocks": True}  # no empty line where a tag of the template stood
    environment = Environment(loader=FileSystemLoader(PARTS), autoescape=True, undefined=StrictUndefined, **lines)
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False}  # NaN is not JSON: the browser would refuse all of it
    environment.filters |= {"figure": figure, "unit": unit}
    environment.globals |= {"interval": interval}
    return environment


def _policy(*scripts: str) -> str:
    """Return a Content-Security-Policy under which nothing is loaded and only ``scripts`` run, not what data may smuggle in."""
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{value}'" for value in hashes)
    return f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def _by(rows: list[dict], *keys: str) -> list[tuple]:
    """Return (value of the keys, its rows) in the order in which the values first occur."""
    values = [tuple(row[key] for key in keys) for row in rows]
    first = {value: values.index(value) for value in dict.fromkeys(values)}
    ordered = sorted(zip(values, rows, strict=True), key=lambda pair: first[pair[0]])
    grouped = groupby(ordered, key=lambda pair: pair[0])
    return [(value[0] if len(keys) == 1 else value, [row for _, row in pairs]) for value, pairs in grouped]


def _groups(columns: list[Column]) -> list[tuple[str, list[Column], bool]]:
    """Return (group, its columns, whether some are hidden at first)."""
    return [(name, members, not all(column["shown"] for column in members)) for name, members in _by(columns, "group")]


def _axes(data: PageContent) -> list[tuple[str, str]]:
    """Return (key, label) of the costs that some row has, to choose the plot's x from."""
    return [(key, label) for key, label in AXES.items() if any(row.get(key) is not None for row in data["rows"])]


def _pivot(rows: list[dict], keys: tuple[str, ...]) -> tuple[list[dict], list[tuple]]:
    """Turn long ``rows`` into a table: (the first row of each value of ``keys``, (variant, device, one row or None for each of those))."""
    heads = [members[0] for _, members in _by(rows, *keys)]
    order = [tuple(head[key] for key in keys) for head in heads]
    lines = []
    for (variant, device), members in _by(rows, *NAMES):
        by_key = {tuple(row[key] for key in keys): row for row in members}
        lines.append((variant, device, [by_key.get(value) for value in order]))
    return heads, lines
