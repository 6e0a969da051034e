"""The data of the report: everything a page needs to show an experiment, from its tables and artifacts."""

import json
import math
from pathlib import Path

import pandas as pd

from encoder_compression.reporting import columns, curves, details
from encoder_compression.reporting.page_content import Collected, Curve, Origin
from encoder_compression.reporting.summary import Table
from encoder_compression.reporting.text import notes
from encoder_compression.run import provenance
from encoder_compression.study.chain import place_of


def collect(*, table: Table, aggregate: pd.DataFrame, slices: pd.DataFrame, grid: pd.DataFrame) -> Collected:
    """Return what `html_report.render` shows of a table. NaN and infinities become None."""
    models = sorted({model for row in table.rows for model in row["trained"]})
    return _plain(
        {
            "experiment": table.experiment,
            "metric": table.metric,
            "seeds": sorted({row["seed"] for row in table.rows}),
            "test_examples": len(next(iter(table.saved_rows.values())).labels),
            "revisions": table.revisions,
            "gate": None if table.limits.retained is None else {"retained": table.limits.retained},
            "budget_points": table.limits.points,
            "unit": table.task.UNIT,
            "right": table.task.RIGHT,
            "columns": columns.of_table(aggregate, table.description.get("labels", [])),
            "rows": aggregate.to_dict("records"),
            "baseline_score": table.baseline_scores,
            "slices": slices.to_dict("records"),
            "grid": grid.to_dict("records"),
            "curves": sorted(map(_curve, map(Path, models)), key=lambda curve: (curve["variant"], int(curve["seed"]))),
            "proofs": details.proofs(table),
            "provenance": [_origin(Path(folder)) for folder in sorted({*models, *_artifacts(table)})],
            "method": [["how to read it", " ".join(notes(aggregate).replace("*", "").removeprefix("How to read it: ").split())]],
        }
    )


def _artifacts(table: Table) -> set[str]:
    """Return the measured artifacts' folders, by the inputs that the measurements recorded."""
    records = [provenance.read(row["folder"]) for row in table.rows]
    return {path for record in records for path in record["inputs"] if (Path(path) / "provenance.json").exists()}


def _curve(model: Path) -> Curve:
    return {"variant": place_of(model).chain, "seed": str(place_of(model).seed), "points": curves.read(model).to_dict("records")}


def _origin(folder: Path) -> Origin:
    record = provenance.read(folder)
    wildcards = record["options"]["wildcards"]
    return {
        "variant": wildcards.get("variant", "all variants"),
        "seed": wildcards.get("seed", "all"),
        "artifact": str(folder),
        "commit": str(record["git"]["commit"])[:7],
        "modified": record["git"]["modified"],
        "seconds": record["seconds"],
        "inputs": ", ".join(f"{path} {fingerprint[:12]}" for path, fingerprint in record["inputs"].items()),
        "options": json.dumps({name: value for name, value in record["options"].items() if name != "wildcards"}, sort_keys=True),
    }


def _plain(value):
    """Return the value with plain Python numbers, and None for NaN and infinities, which JSON does not know."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
