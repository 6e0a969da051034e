"""What every candidate starts from: the teacher of a finished study, its three splits as tables, and how they are read."""

import csv
import json
import shutil
from pathlib import Path

from pyarrow import parquet

from encoder_compression.errors import UserError

SPLITS = ("train", "validation", "test")


def export(study: Path, seed: int, folder: Path) -> None:
    """Write ``model/``, ``{split}.csv`` with columns text and label, and ``facts.json`` with the classes and the most tokens of an input.

    UserError where the study is not one of single texts and classes, or has no finished teacher.
    """
    teacher, dataset = study / "teacher" / f"seed{seed}" / "model", study / "dataset"
    for path in (teacher / "config.json", dataset / "dataset.json"):
        if not path.exists():
            raise UserError(f"{path}: there is no such file; finish the study first: snakemake --cores all")
    described = json.loads((dataset / "dataset.json").read_text(encoding="utf-8"))
    if described["task"] != "classification" or "text_pair" in parquet.read_schema(dataset / "test.parquet").names:
        raise UserError(f"{dataset}: peers are compared on single texts with classes; name a study of such")
    shutil.copytree(teacher, folder / "model", dirs_exist_ok=True)
    for split in SPLITS:
        rows = parquet.read_table(dataset / f"{split}.parquet", columns=["text", "label"]).to_pylist()
        _write(rows, described["labels"], folder / f"{split}.csv")
    facts = {name: described[name] for name in ("labels", "max_length", "rows")}
    (folder / "facts.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def _write(rows: list[dict], labels: list[str], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows([row["text"], labels[int(row["label"])]] for row in rows)


def read(path: Path) -> tuple[list[str], list[str]]:
    """Return the texts and the labels of a split that `export` wrote."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [row["text"] for row in rows], [row["label"] for row in rows]
