"""A certificate in words: certificate.md, and the sentences that say why this row was delivered."""

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from encoder_compression.reporting import gate_words
from encoder_compression.reporting.text import figure, short

IN_WORDS = {
    "difference": lambda value: f"{100 * value:.2f} points of the score",
    "latency_ms": lambda value: f"{value:.2f} ms",
    "size_mb": lambda value: f"{short(value)} MB on disk",
    "memory_mb": lambda value: f"{short(value)} MB of memory",
}
KEPT_IN_WORDS = {"kept": "keeps the contract", "open": "leaves the contract open", "exceeded": "exceeds the contract"}
NAMED = ("variant", "device", "gate")  # columns of `gate_words.table` before those of the clauses


def markdown(certificate: dict) -> str:
    """Return certificate.md for the content of certificate.json."""
    clauses = clauses_in_words(certificate["delivered"] | {"clauses": certificate["clauses"]}, certificate)
    exchanges = [exchange_in_words(each) for each in certificate["exchanges"]]
    return _template().render(c=certificate, clauses=clauses, exchanges=exchanges, contract=KEPT_IN_WORDS[certificate["verdict"]])


def clauses_in_words(row: dict, certificate: dict) -> list[dict]:
    """Return per clause of a row what it asks, its figure with the bound that decides, and the verdict, each as a text."""
    gate_row = {"variant": row["variant"], "device": certificate["device"]["name"], "verdict": row["verdict"], "clauses": row["clauses"]}
    table = gate_words.table({"rows": [gate_row]})
    split = [cell.rpartition(": ") for cell in table["rows"][0][len(NAMED) :]]
    asked = map(gate_words.title, row["clauses"])
    return [{"asks": asks, "figure": figure, "verdict": verdict} for asks, (figure, _, verdict) in zip(asked, split, strict=True)]


def exchange_in_words(exchange: dict) -> str:
    """Return what a sacrifice on one axis buys on the others."""
    gains = " and ".join(IN_WORDS[name](gain) + (" more" if name == "difference" else " less") for name, gain in exchange["gains"].items())
    costs = IN_WORDS[exchange["axis"]](exchange["costs"]) + (" less" if exchange["axis"] == "difference" else " more")
    screened = ", which was screened and not measured on test" if exchange["source"] == "screened" else ""
    return f"{costs} would buy {gains}: `{exchange['variant']}`{screened}"


@cache
def _template() -> Template:
    loader = FileSystemLoader(Path(__file__).parent / "delivered")
    environment = Environment(loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    environment.filters |= {"figure": figure}
    return environment.get_template("certificate.md.j2")
