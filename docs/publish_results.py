"""Put the table, the verdicts and the pictures of a finished study into the README, so that no figure there is typed by hand.

Run by `make publish` after `make results`.
"""

import re
import shutil
from pathlib import Path

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "results" / "reviews"
PICTURES = ROOT / "docs" / "results"
START, END = "<!-- results: written by make publish -->\n", "<!-- end of results -->"


def main() -> None:
    """Replace what stands between the markers of the README and copy the pictures."""
    PICTURES.mkdir(exist_ok=True)
    for name in ("quality_latency.png", "quality_size.png", "training.png"):
        shutil.copyfile(RESULTS / "plots" / name, PICTURES / name)
    shutil.copyfile(RESULTS / "summary.md", PICTURES / "summary.md")
    readme = ROOT / "README.md"
    before, _, rest = readme.read_text().partition(START)
    after = rest.partition(END)[2]
    readme.write_text(before + START + results() + END + after)


def results() -> str:
    """Return the summary's machine, answer and table, with the time that the whole run took and the pictures."""
    _, machine, table, *rest = (RESULTS / "summary.md").read_text().strip().split("\n\n")
    answer = rest[next(index for index, part in enumerate(rest) if part.startswith("## At most")) :][:2]
    title = f"**{answer[0].removeprefix('## ')}:**"
    pictures = "![Quality against latency](docs/results/quality_latency.png)"
    links = (
        "Also: [verdicts and warnings](docs/results/summary.md), [quality against size](docs/results/quality_size.png), "
        "[training curves](docs/results/training.png)."
    )
    return "\n\n".join([f"{machine}. The whole run took {elapsed()} (h:mm:ss).", title, answer[1], table, pictures, links]) + "\n\n"


def elapsed() -> str:
    """Return the wall time of the newest run that made the whole study, from Snakemake's own log."""
    for log in sorted((ROOT / ".snakemake" / "log").glob("*.log"), reverse=True):
        text = log.read_text()
        if (
            "output: results/reviews/teacher/seed3/model" in text
            and "(100%) done" in text
            and (found := re.search(r"Elapsed time: (\d+:\d\d:\d\d)", text))
        ):
            return found[1]
    raise SystemExit("Error: no log of a run that made the whole study; run: rm -rf results && make results")


if __name__ == "__main__":
    main()
