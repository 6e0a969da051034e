"""Why a study delivered this row and no other, in a few sentences from its certificate."""

from collections import Counter
from pathlib import Path

from encoder_compression.contract import winner
from encoder_compression.contract.certificate import FILE_NAME
from encoder_compression.contract.certificate_words import KEPT_IN_WORDS, clauses_in_words, exchange_in_words
from encoder_compression.contract.verify import read_certificate
from encoder_compression.errors import UserError

SHOWN = 8  # rows whose reason is told
WHY = {
    "kept": "the fastest that keeps all clauses",
    "open": "the fastest whose figures are within all limits, which the bounds leave open",
    "exceeded": "the nearest miss, by the largest excess over a limit",
}


def explain(name: str) -> int:
    """Print why the delivery of an experiment, or the one in a folder of that name, was chosen; returns 0.

    UserError where there is none.
    """
    places = [Path(name), Path(name) / "delivery", Path("results") / name / "delivery"]
    folder = next((place for place in places if (place / FILE_NAME).is_file()), None)
    if folder is None:
        raise UserError(f"{places[-1]}: there is no delivery; name an experiment that ended with one, or its folder")
    certificate = read_certificate(folder)
    print("\n".join(sentences(certificate)))
    return 0


def sentences(certificate: dict) -> list[str]:
    """Return what was delivered and for which clauses, what was tried, why the others lost, and what more would buy."""
    delivered = certificate["delivered"]
    clauses = clauses_in_words(delivered | {"clauses": certificate["clauses"]}, certificate)
    others = [row for row in certificate["tried"] if row["variant"] != delivered["variant"] and row["source"] == "measured"]
    return [
        f"{delivered['variant']} on {certificate['device']['name']} {KEPT_IN_WORDS[certificate['verdict']]}:",
        *(f"- {clause['asks']}: {clause['figure']}: {clause['verdict']}" for clause in clauses),
        *([f"The budget is open. {certificate['settled']}"] if certificate["settled"] else []),
        *([certificate["disturbed"]] if certificate["disturbed"] else []),
        _tried(certificate),
        *(f"- {row['variant']}: {_why_not(row, certificate)}" for row in others[:SHOWN]),
        *([f"- and {len(others) - SHOWN} more, in certificate.md"] if len(others) > SHOWN else []),
        *(f"{exchange_in_words(each)}.".replace("`", "") for each in certificate["exchanges"]),
    ]


def _tried(certificate: dict) -> str:
    """Return how many rows were tried, and by what the delivered one stands before them."""
    sources = Counter(row["source"] for row in certificate["tried"])
    counted = " and ".join(f"{count} {source}" for source, count in sources.items())
    why = WHY[certificate["verdict"]]
    if certificate["verdict"] == "open" and max(map(winner.excess, certificate["clauses"])) > 0:
        why = "the fastest of which no clause is exceeded, though its own figure is beyond a limit"
    return f"Of {len(certificate['tried'])} rows that were tried, {counted}, it is {why}."


def _why_not(row: dict, certificate: dict) -> str:
    """Return why a row that was measured was not delivered."""
    delivered = next(each for each in certificate["tried"] if each["variant"] == certificate["delivered"]["variant"])
    if row["verdict"] in ("pass", delivered["verdict"]) and row["verdict"] != "fail" and row["latency_ms"] >= delivered["latency_ms"]:
        kept = "keeps all clauses, " if row["verdict"] == "pass" else ""
        return f"{kept}{row['latency_ms']:.2f} ms in place of {delivered['latency_ms']:.2f} ms, at {100 * row['difference']:+.2f} points"
    missed = ", ".join(f"{_plain(name)} {verdict}" for name, verdict in row["missed"].items())
    return f"{missed}, at {100 * row['difference']:+.2f} points, {row['latency_ms']:.2f} ms, {row['size_mb']:.3g} MB"


def _plain(clause: str) -> str:
    """Return the name of a clause as a sentence has it: without its unit."""
    return clause.removesuffix("_ms").removesuffix("_mb").replace("_", " ")
