"""Write a delivery: the row of a study that keeps its contract, with what is needed to run it and what it is certified for."""

import json
from pathlib import Path

import pandas as pd

from encoder_compression.contract import (
    certificate_words,
    delivered_folder,
    delivered_settings,
    frontier,
    raw_inputs,
    served,
    tried,
    winner,
)
from encoder_compression.contract.certificate import FILE_NAME, certify
from encoder_compression.data import tasks
from encoder_compression.errors import UserError
from encoder_compression.reporting.gate_content import GateRow


def deliver(*, experiment: str, options: dict, gate: Path, aggregate: Path, summary: Path, screening: Path | None, output: Path) -> dict:
    """Write the folder ``output`` with artifact, code, settings, requirements, Dockerfile and certificate; returns facts.

    ``options`` is `study.inputs.Experiment.delivery_options`; ``gate``, ``aggregate`` and ``summary`` are files of `summarize`,
    ``screening`` the table of what was screened before, if there is one. UserError where no row runs on the contract's device.
    """
    table = _on_device(aggregate, options)
    order = _order(Path(gate), options, table)
    figures = table.loc[table["variant"] == order[0]["variant"]].to_dict("records")[0]
    row = _delivered_row(order[0]["variant"], options, _on_device(summary, options))
    measurement = json.loads((Path(row["results"]) / "measurement.json").read_text(encoding="utf-8"))
    size = int(figures["throughput_batch_size"])
    settings = delivered_settings.of_row(row, experiment=experiment, device=options["device"], measurement=measurement, batch_size=size)
    settings = delivered_folder.write(Path(output), row=row, settings=settings)
    tried_rows = tried.rows(table, order, screening)
    certificate = certify(
        experiment=experiment,
        options=options | {"test_examples": tasks.describe(row["dataset"])["rows"]["test"]},
        order=order,
        figures=figures,
        tried_rows=tried_rows,
        exchanges=tried.exchanges(tried.comparable(tried_rows, screening), row["variant"], tried.noise(table, screening)),
        row=row,
        settings=settings,
        measurement=measurement,
        served=served.measure(Path(output), raw_inputs.of_split(row["dataset"], "test"), calls=options["calls"]),
        folder=Path(output),
    )
    _write_certificate(certificate, Path(output))
    return {"variant": row["variant"], "seed": row["seed"], "verdict": certificate["verdict"]}


def _on_device(table: Path, options: dict) -> pd.DataFrame:
    frame = pd.read_csv(table)
    return frame[frame["device"] == options["device"]["name"]]


def _order(gate: Path, options: dict, table: pd.DataFrame) -> list[GateRow]:
    """Return the rows of the gate that may be delivered, the first one to be."""
    possible = {(row["variant"], options["device"]["name"]) for row in options["rows"]}
    rows = [row for row in json.loads(gate.read_text(encoding="utf-8"))["rows"] if (row["variant"], row["device"]) in possible]
    if not rows:
        raise UserError(f"contract.device: no variant was measured on {options['device']['name']}; name another device")
    latency_ms = dict(zip(table["variant"], table["latency_ms_p50"], strict=True))
    return winner.rank(rows, latency_ms, baseline=options["baseline"]["variant"])


def _delivered_row(variant: str, options: dict, summary: pd.DataFrame) -> dict:
    """Return the row of the seed with the best score on validation, of equal ones and where none is known the first."""
    scores = summary[summary["variant"] == variant].set_index("seed")["validation_score"].fillna(-1)
    return max((row for row in options["rows"] if row["variant"] == variant), key=lambda row: scores[row["seed"]])


def _write_certificate(certificate: dict, folder: Path) -> None:
    text = json.dumps(certificate, indent=2, ensure_ascii=False, allow_nan=False)
    (folder / FILE_NAME).write_text(text + "\n", encoding="utf-8")
    frontier.draw(certificate, folder / "frontier")
    (folder / "certificate.md").write_text(certificate_words.markdown(certificate), encoding="utf-8")
