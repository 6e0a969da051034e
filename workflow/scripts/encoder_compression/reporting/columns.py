"""The columns of the report: names, units, which way is better, and how each figure is measured."""

from pathlib import Path

import yaml


def of_table(metric: str, labels: list[str]) -> list[dict]:
    """Return the columns as `page.render` wants them: those of columns.yaml, and a recall for each of the classes ``labels``."""
    listed = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text())
    recall = {"group": "quality", "show": {"format": "percent", "digits": 1, "better": "high"}}
    listed += [
        recall | {"key": f"recall_{index}", "label": f"recall {name}", "help": f"Share of the sentences labelled '{name}' that were found."}
        for index, name in enumerate(labels)
    ]
    return [_describe(column) | {"label": column["label"].replace("{metric}", metric.replace("_", " "))} for column in listed]


def _describe(column: dict) -> dict:
    """Return a column with the keys of its interval, or None where it has none."""
    show = {"shown": False, "interval": False} | column["show"]
    low, high = (f"{column['key']}_ci_{end}" if show["interval"] else None for end in ("low", "high"))
    return {name: column[name] for name in ("key", "group", "help")} | show | {"low": low, "high": high}
