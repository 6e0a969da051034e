"""Put the tables and pictures of a finished default study into the README, so that no figure there is typed by hand.

Run by `make publish` after `make run`.
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
    readme = ROOT / "README.md"
    before, _, rest = readme.read_text().partition(START)
    after = rest.partition(END)[2]
    readme.write_text(before + START + results() + END + after)


def results() -> str:
    """Return the summary without its title, with the time that the whole run took and the pictures."""
    _, machine, table, *rest = (RESULTS / "summary.md").read_text().strip().split("\n\n")
    pictures = "![Quality against latency](docs/results/quality_latency.png)"
    links = "Also: [quality against size](docs/results/quality_size.png), [training curves](docs/results/training.png)."
    text = "\n\n".join(rest).replace("## What it shows", "**What it shows**")
    return "\n\n".join([f"{machine} The whole run took {elapsed()} (h:mm:ss).", table, pictures, links, text]) + "\n\n"


def elapsed() -> str:
    """Return the wall time of the newest run that made the whole study, from Snakemake's own log."""
    for log in sorted((ROOT / ".snakemake" / "log").glob("*.log"), reverse=True):
        text = log.read_text()
        if "rule finetune" in text and "(100%) done" in text and (found := re.search(r"Elapsed time: (\d+:\d\d:\d\d)", text)):
            return found[1]
    raise SystemExit("Error: no log of a run that made the whole study; run: rm -rf results && make run")


if __name__ == "__main__":
    main()
