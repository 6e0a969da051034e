"""Put the table, the answer and the pictures of finished studies into the pages that tell of them, so that no figure is typed by hand.

Run by `make publish` after `make results`, and after local studies. Studies without results here keep what stands there.
"""

import re
import shutil
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = {"reviews": ROOT / "README.md"} | dict.fromkeys(
    ("local-squad", "local-sst2", "local-hate-speech", "unlabelled", "local-reviews-corpus", "reviews-search", "reviews-lora"),
    DOCS / "studies.md",
)
COPIED = ("plots/quality_latency.png", "plots/quality_size.png", "plots/training.png", "summary.md")


def main() -> None:
    """Replace what stands between the markers of each study in its page, and copy its pictures."""
    for study, page in PAGES.items():
        if (ROOT / "results" / study / "summary.md").exists():
            publish(study, page)


def publish(study: str, page: Path) -> None:
    """Write a study's results into its page, its pictures and verdicts into docs/results/{study}/."""
    start, end = f"<!-- {study}: written by make publish -->\n", f"<!-- end of {study} -->"
    before, marker, rest = page.read_text(encoding="utf-8").partition(start)
    if not marker:
        raise SystemExit(f"Error: {page.name} has no place for {study}; put '{start.strip()}' and '{end}' where it belongs")
    folder = DOCS / "results" / study
    folder.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        shutil.copyfile(ROOT / "results" / study / name, folder / Path(name).name)
    page.write_text(before + start + results(study, folder.relative_to(page.parent)) + end + rest.partition(end)[2], encoding="utf-8")


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
