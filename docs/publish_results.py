"""Put the table, the answer and the pictures of finished studies into the pages that tell of them, so that no figure is typed by hand.

Run by `make publish` after `make results`, and after local studies. Studies without results here keep what stands there.
"""

import re
import shutil
from itertools import pairwise
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGE = DOCS / "studies.md"
STUDIES = (
    "reviews", "local-squad", "local-sst2", "local-hate-speech", "unlabelled", "local-reviews-corpus", "reviews-search", "reviews-lora",
)  # fmt: skip
HEADLINE, README = "reviews", ROOT / "README.md"  # the study whose most telling rows the README shows
COLUMNS = ("variant", "device", "accuracy (95 % CI)", "p50 ms", "speedup (95 % CI)", "size MB")
COPIED = ("plots/quality_latency.png", "plots/quality_size.png", "plots/training.png", "summary.md")


def main() -> None:
    """Replace what stands between the markers of each study, and copy its pictures."""
    for study in STUDIES:
        if (ROOT / "results" / study / "summary.md").exists():
            publish(study)
    if (ROOT / "results" / HEADLINE / "aggregate.csv").exists():
        write(README, "headline", headline(pd.read_csv(ROOT / "results" / HEADLINE / "aggregate.csv")))


def publish(study: str) -> None:
    """Write a study's results into docs/studies.md, its pictures and verdicts into docs/results/{study}/."""
    folder = DOCS / "results" / study
    folder.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        shutil.copyfile(ROOT / "results" / study / name, folder / Path(name).name)
    write(PAGE, study, results(study, folder.relative_to(PAGE.parent)))


def write(page: Path, part: str, text: str) -> None:
    """Put a text between the markers of a part of a page."""
    start, end = f"<!-- {part}: written by make publish -->\n", f"<!-- end of {part} -->"
    before, marker, rest = page.read_text(encoding="utf-8").partition(start)
    if not marker:
        raise SystemExit(f"Error: {page.name} has no place for {part}; put '{start.strip()}' and '{end}' where it belongs")
    page.write_text(before + start + text + end + rest.partition(end)[2], encoding="utf-8")


def headline(table: pd.DataFrame) -> str:
    """Return a table of the most telling rows: the baseline, per device the fastest that may win, the worst, and the fastest of all."""
    learned = table[~table["is_control"].astype(bool)]
    winners = learned[learned["can_win"].astype(bool) & ~learned["runtime_alone"].astype(bool) & ~learned["is_baseline"].astype(bool)]
    fastest = winners.loc[winners.groupby("device")["speedup"].idxmax()].sort_values("speedup")
    chosen = [learned[learned["is_baseline"].astype(bool)], fastest, learned.nlargest(1, "speedup"), learned.nsmallest(1, "score")]
    rows = pd.concat(chosen).drop_duplicates(["variant", "device"])
    lines = [f"| {' | '.join(COLUMNS)} |", "| --- | --- | ---: | ---: | ---: | ---: |", *map(row_of, rows.to_dict("records"))]
    return "\n".join(lines) + "\n"


def row_of(row: dict) -> str:
    """Return a row of the headline's table."""
    score = f"{row['score']:.1%} ({row['score_ci_low']:.1%}–{row['score_ci_high']:.1%})"
    interval = "" if pd.isna(row["speedup_ci_low"]) else f" ({row['speedup_ci_low']:.3g}–{row['speedup_ci_high']:.3g})"
    speedup = "1 (baseline)" if row["is_baseline"] else f"{row['speedup']:.3g}x{interval}"
    variant = row["variant"] if row["can_win"] else f"{row['variant']} ✗"
    cells = (variant, row["device"], score, f"{row['latency_ms_p50']:.3g}", speedup, f"{row['size_mb']:.3g}")
    return f"| {' | '.join(cells)} |"


def results(study: str, folder: Path) -> str:
    """Return the summary's machine, answer, table and comparisons, the time that the whole run took, and the pictures in ``folder``."""
    _, machine, table, *rest = (ROOT / "results" / study / "summary.md").read_text(encoding="utf-8").strip().split("\n\n")
    pictures = f"![Quality against latency]({folder}/quality_latency.png)"
    links = (
        f"Also: [verdicts and warnings]({folder}/summary.md), [quality against size]({folder}/quality_size.png), "
        f"[training curves]({folder}/training.png)."
    )
    parts = [f"{machine}.{elapsed(study)}", *section(rest, "At most"), table, *section(rest, "Compared"), pictures, links]
    return "\n\n".join(parts) + "\n\n"


def section(parts: list[str], beginning: str) -> list[str]:
    """Return the title of the summary's section and its text; nothing where there is no such section."""
    for title, text in pairwise(parts):
        if title.startswith(f"## {beginning}"):
            return [f"**{title.removeprefix('## ')}:**", text]
    return []


def elapsed(study: str) -> str:
    """Return in words the wall time of the newest run that made all models of the study, by Snakemake's own log, if one did."""
    models = {str(path.relative_to(ROOT)) for path in (ROOT / "results" / study).glob("*/seed*/model")}
    for log in sorted((ROOT / ".snakemake" / "log").glob("*.log"), reverse=True):
        text = log.read_text(encoding="utf-8")
        found = re.search(r"Elapsed time: (\d+:\d\d:\d\d)", text)
        if found and models and "(100%) done" in text and all(f"output: {model}," in text for model in models):
            return f" The whole run took {found[1]} (h:mm:ss)."
    return ""


if __name__ == "__main__":
    main()
