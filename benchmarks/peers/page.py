"""The page of a comparison, from its saved JSON."""

from pathlib import Path

from encoder_compression.errors import UserError
from peers import figures

START, END = "<!-- peers: written by make peers -->\n", "<!-- end of peers -->"
COLUMNS = (
    "candidate", "typed", "minutes", "accuracy", "change, points", "agreement", "speedup", "by wall clock", "without tokenization",
    "first call", "ms", "MB", "memory MB", "what the tool reports of quality",
)  # fmt: skip


def publish(record: dict, page: Path) -> None:
    """Write the comparison between the markers of a page; UserError where it has none."""
    before, marker, rest = page.read_text(encoding="utf-8").partition(START)
    if not marker or END not in rest:
        raise UserError(f"{page}: there is no place for the table; put '{START.strip()}' and '{END}' where it belongs")
    parts = [machine(record), table(record), environments(record), typed(record)]
    page.write_text(before + START + "\n".join(f"{part}\n" for part in parts) + END + rest.partition(END)[2], encoding="utf-8")


def machine(record: dict) -> str:
    """Return the date, the machine, the test set and how the turns were taken, in sentences."""
    hardware, load = record["hardware"], max(record["foreign_load"])
    return (
        f"{record['date']}. {hardware['processor']}, {hardware['cores']} cores, {hardware['memory_gb']} GB, {', '.join(hardware['isa'])}. "
        f"{len(record['truth']):,} test texts of `{record['study']}`, {record['launches']} starts of each process, "
        f"{record['rounds']} rounds a start. "
        f"Other programs took at most {load:.1%} of the machine's processor time."
    )


def table(record: dict) -> str:
    """Return the comparison as a Markdown table, a row per candidate in the order of the record."""
    speeds = {clock: _speeds(record, clock) for clock in ("processor", "wall", "model", "first")}
    rows = []
    for candidate in record["candidates"]:
        rows.append(_cells(candidate, record, {clock: each.get(candidate["name"]) for clock, each in speeds.items()}))
    return _markdown(COLUMNS, rows, left=(0, 1, len(COLUMNS) - 1))


def _speeds(record: dict, clock: str) -> dict[str, tuple[float, float, float]]:
    """Return the speedup of each measured candidate by a clock, with its interval."""
    measured = {candidate["name"]: candidate["measured"] for candidate in record["candidates"] if "error" not in candidate["measured"]}
    starts = {
        name: [start["ratios"][clock] for start in candidate["starts"] if clock in start["ratios"]] for name, candidate in measured.items()
    }
    return figures.speedups({name: rounds for name, rounds in starts.items() if rounds and name != record["reference"]})


def _cells(candidate: dict, record: dict, speeds: dict) -> list[str]:
    made, measured = candidate["made"], candidate["measured"]
    beginning = [candidate["name"], _typed(candidate), f"{made['minutes']:.2g}" if candidate["commands"] and "error" not in made else ""]
    if "error" in measured:
        return [*beginning, f"failed: {measured['error']}", *[""] * (len(COLUMNS) - 5), candidate["reports"]]
    reference = next(each for each in record["candidates"] if each["name"] == record["reference"])["measured"]["labels"]
    quality = figures.quality(measured["labels"], record["truth"], reference)
    is_reference = candidate["name"] == record["reference"]
    ms = sum(start["ms"]["wall"] for start in measured["starts"]) / len(measured["starts"])
    return [
        *beginning,
        f"{quality['accuracy']:.1%} ({quality['accuracy_low']:.1%}–{quality['accuracy_high']:.1%})",
        "" if is_reference else _points(quality),
        "" if is_reference else f"{quality['agreement']:.1%}",
        *("1" if is_reference else _ratio(speeds[clock]) for clock in ("processor", "wall", "model", "first")),
        f"{ms:.3g}",
        f"{measured['mb']:.3g}",
        f"{measured['memory_mb']:.0f}",
        candidate["reports"],
    ]


def _points(quality: dict[str, float]) -> str:
    change, low, high = (100 * quality[name] for name in ("change", "change_low", "change_high"))
    return f"{change:+.1f} ({low:+.1f} to {high:+.1f})"


def _ratio(speed: tuple[float, float, float] | None) -> str:
    if speed is None:
        return "one call"
    ratio, low, high = speed
    digits = 2 - (ratio >= 10) - (ratio >= 100)
    return f"{ratio:.{digits}f}x ({low:.{digits}f}–{high:.{digits}f})"


def _typed(candidate: dict) -> str:
    """Return how much a user types for a candidate, without the installation."""
    number, lines = len(candidate["commands"]), candidate["lines"]
    parts = [f"{number} command{'s' * (number > 1)}"] if number else []
    parts += [f"{lines} lines of Python"] if lines else []
    return ", ".join([*parts, candidate["call"]] if candidate["call"] else parts)


def environments(record: dict) -> str:
    """Return the versions in each environment and the minutes that its installation took, as a Markdown table."""
    rows = {candidate["environment"]: candidate["made"] for candidate in record["candidates"] if candidate["made"].get("versions")}
    cells = [[name, _versions(made["versions"]), f"{made['install_minutes']:.1f}"] for name, made in rows.items()]
    ours = ["this workflow", _versions(record["packages"]), ""]
    return _markdown(("environment", "versions", "minutes to install"), [*cells, ours], left=(0, 1))


def _versions(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))


def typed(record: dict) -> str:
    """Return what a user types for each candidate, as blocks of shell."""
    blocks = []
    for candidate in (candidate for candidate in record["candidates"] if candidate["commands"]):
        place = f" (environments/{candidate['environment']})" if candidate["environment"] else ""
        blocks.append("\n".join([f"# {candidate['name']}{place}", *candidate["commands"]]))
    return "```sh\n" + "\n\n".join(blocks) + "\n```"


def _markdown(header: tuple[str, ...], rows: list[list[str]], *, left: tuple[int, ...]) -> str:
    rule = ["---" if column in left else "---:" for column in range(len(header))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *rows))
