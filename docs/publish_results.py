"""Put the table, the answer and the pictures of finished studies into the README, so that no figure there is typed by hand.

Run by `make publish` after `make results`, and after local studies. Studies without results here keep what stands there.
"""

import re
import shutil
from pathlib import Path

ROOT = Path(__file__).parent.parent
STUDIES = ("reviews", "local-squad", "local-sst2", "local-hate-speech")
COPIED = ("plots/quality_latency.png", "plots/quality_size.png", "plots/training.png", "summary.md")


def main() -> None:
    """Replace what stands between the markers of each study in the README, and copy its pictures."""
    readme = ROOT / "README.md"
    text = readme.read_text()
    for study in (study for study in STUDIES if (ROOT / "results" / study / "summary.md").exists()):
        start, end = f"<!-- {study}: written by make publish -->\n", f"<!-- end of {study} -->"
        before, marker, rest = text.partition(start)
        if not marker:
            raise SystemExit(f"Error: README.md has no place for {study}; put '{start.strip()}' and '{end}' where it belongs")
        text = before + start + results(study) + end + rest.partition(end)[2]
        copy(study)
    readme.write_text(text)


def copy(study: str) -> None:
    """Copy a study's pictures and verdicts into docs/results/{study}/."""
    folder = ROOT / "docs" / "results" / study
    folder.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        shutil.copyfile(ROOT / "results" / study / name, folder / Path(name).name)


def results(study: str) -> str:
    """Return the summary's machine, answer and table, with the time that the whole run took and the pictures."""
    _, machine, table, *rest = (ROOT / "results" / study / "summary.md").read_text().strip().split("\n\n")
    answer = rest[next(index for index, part in enumerate(rest) if part.startswith("## At most")) :][:2]
    title = f"**{answer[0].removeprefix('## ')}:**"
    pictures = f"![Quality against latency](docs/results/{study}/quality_latency.png)"
    links = (
        f"Also: [verdicts and warnings](docs/results/{study}/summary.md), [quality against size](docs/results/{study}/quality_size.png), "
        f"[training curves](docs/results/{study}/training.png)."
    )
    return "\n\n".join([f"{machine}.{elapsed(study)}", title, answer[1], table, pictures, links]) + "\n\n"


def elapsed(study: str) -> str:
    """Return in words the wall time of the newest run that made all models of the study, by Snakemake's own log, if one did."""
    models = {str(path.relative_to(ROOT)) for path in (ROOT / "results" / study).glob("*/seed*/model")}
    for log in sorted((ROOT / ".snakemake" / "log").glob("*.log"), reverse=True):
        text = log.read_text()
        found = re.search(r"Elapsed time: (\d+:\d\d:\d\d)", text)
        if found and "(100%) done" in text and all(f"output: {model}," in text for model in models):
            return f" The whole run took {found[1]} (h:mm:ss)."
    return ""


if __name__ == "__main__":
    main()
