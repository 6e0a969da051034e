"""The columns of the report: names, units, which way is better, and how each figure is measured."""

from pathlib import Path

import pandas as pd
import yaml

from encoder_compression.reporting.page_content import Column


def of_table(table: pd.DataFrame, labels: list[str]) -> list[Column]:
    """Return the columns that a `summary.Table.over_seeds` has, as the page wants them.

    They are those of columns.yaml, and a recall for each of the classes ``labels``.
    """
    listed = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
    recall = {"group": "quality", "show": {"format": "percent", "digits": 1, "better": "high"}}
    listed += [
        recall | {"key": f"recall_{index}", "label": f"recall {name}", "help": f"Share of the {{unit}}s labelled '{name}' that were found."}
        for index, name in enumerate(labels)
    ]
    names = {"{metric}": table["metric"][0].replace("_", " "), "{unit}": table["unit"][0]}
    return [_describe(column, names) for column in listed if column["key"] in table]


def _describe(column: dict, names: dict[str, str]) -> Column:
    """Return a column with its ``names`` filled in and the keys of its interval, or None where it has none."""
    show = {"shown": False, "interval": False} | column["show"]
    has_interval = show.pop("interval")
    low, high = (f"{column['key']}_ci_{end}" if has_interval else None for end in ("low", "high"))
    texts = {name: _fill(column[name], names) for name in ("label", "help")}
    return {name: column[name] for name in ("key", "group")} | texts | show | {"low": low, "high": high}


def _fill(text: str, names: dict[str, str]) -> str:
    for name, word in names.items():
        text = text.replace(name, word)
    return text
