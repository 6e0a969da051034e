"""Everything that an experiment's measurements say, written once: tables, sentences, report, model cards."""

import json
from pathlib import Path

import pandas as pd

from encoder_compression.reporting import answer, details, findings, gate_words, html_report, pairs, profiles, report_data, text, verdicts
from encoder_compression.reporting import processes as several
from encoder_compression.reporting.cards import write_cards
from encoder_compression.reporting.gate import release_gate
from encoder_compression.reporting.latex import latex
from encoder_compression.reporting.page_content import Conclusions, PageContent
from encoder_compression.reporting.standing import Limits
from encoder_compression.reporting.study_warnings import cautions, of_encoder, warnings
from encoder_compression.reporting.summary import Table
from encoder_compression.run import provenance
from encoder_compression.statistics.pareto import pareto_front
from encoder_compression.study.chain import Chain
from encoder_compression.study.nested import put
from encoder_compression.study.techniques import TECHNIQUES

NOTES = {"processes": several.NOTE, "release_gate": gate_words.NOTE}  # of tables of texts


def summarize(
    *, experiment: str, options: dict, dataset: Path, encoder: Path, processes: Path | None, profiled: list[Path], output: dict[str, Path]
) -> dict:
    """Write the tables, the report and a card beside each artifact; returns facts.

    ``processes`` is what a training took in one process and in several, where the experiment asks.
    ``options`` holds task, metric, budget, compare, encoder and dataset of the experiment, quality_gate and gate if they are set,
    its "rows" and "artifacts" (both of `study.Study`); ``profiled`` are the folders of profiles. ``output`` names the files: summary,
    aggregate, pairs, slices, grid, markdown, latex, page, gate.
    """
    limits = Limits(points=options["budget"]["points"], retained=options.get("quality_gate", {}).get("retained"))
    description = json.loads((Path(dataset) / "dataset.json").read_text(encoding="utf-8"))
    base = provenance.read_facts(encoder)
    learnt = {name: options[name] for name in ("task", "metric", "rows")}
    table = Table(experiment=experiment, limits=limits, description=description, **learnt)
    aggregate = _judge(table)
    asked = options.get("gate", {})
    gate = release_gate(table, aggregate, asked)
    Path(output["gate"]).write_text(json.dumps(gate, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    if asked:
        aggregate = aggregate.assign(gate=[row["verdict"] for row in gate["rows"]])
    frames = {"aggregate": aggregate, "slices": details.slices(table), "grid": details.grid(table)}
    compared = pairs.pairs(table, aggregate, options["compare"])
    comparisons = pairs.verdicts(compared)
    compared = compared.assign(**findings.columns(comparisons))
    for name, frame in ({"summary": table.by_seed, "pairs": compared} | frames).items():
        frame.to_csv(output[name], index=False, float_format="%.6g")
    conclusions = {
        "machine": _machines(table),
        "warnings": warnings(table, aggregate) + of_encoder(base),
        "answers": answer.answers(aggregate, cautions(table)),
        "comparisons": comparisons,
        "profiles": [profiles.read(folder) for folder in profiled],
    }
    gated = gate_words.table(gate) if asked else gate_words.NOTHING
    shown = {"data": text.splits(description), "processes": several.read(processes), "release_gate": gated}
    shown_in_words = shown | {name: text.text_table(shown[name], note) for name, note in NOTES.items()}
    Path(output["markdown"]).write_text(
        text.markdown(experiment=experiment, budget=limits.points, table=aggregate, **shown_in_words, **conclusions), encoding="utf-8"
    )
    Path(output["latex"]).write_text(latex(aggregate, compared), encoding="utf-8")
    plain: Conclusions = findings.as_json(conclusions)
    html_report.render(PageContent(**report_data.collect(table=table, **frames), **plain, **shown), output["page"])
    cards = write_cards(
        experiment=experiment,
        options=options,
        artifacts=[_as_trained(artifact) for artifact in options["artifacts"]],
        rows=_rows_of_cards(table, aggregate),
        dataset=description,
        base=base,
    )
    return plain | cards | {"rows": len(table.rows)}


def _as_trained(artifact: dict) -> dict:
    """Return the artifact with the options that a search found in place of those that its steps began with."""
    study, seed = Path(artifact["folder"]).parents[2], f"seed{artifact['seed']}"
    chains = Chain(artifact["variant"]).prefixes
    models = [study / chain / seed / "model" for chain in chains]
    return artifact | {"steps": [_with_searched(step, model) for step, model in zip(artifact["steps"], models, strict=True)]}


def _with_searched(step: dict, model: Path) -> dict:
    searched = provenance.read_facts(model).get("searched", {}) if TECHNIQUES[step["technique"]].searchable else {}
    return step | {"options": put(step["options"], searched.get("options", {}))}


def _judge(table: Table) -> pd.DataFrame:
    """Return the rows over all seeds with their verdicts, and whether any other beats them in both latency and score."""
    aggregate = table.over_seeds
    passing = aggregate[aggregate["can_win"]]
    winners = passing.index[pareto_front(passing["latency_ms_p50"].to_numpy(), passing["score"].to_numpy())]
    return aggregate.assign(on_front=aggregate.index.isin(winners), **findings.columns(verdicts.verdicts(aggregate)))


def _machines(table: Table) -> str:
    """Return the machines on which the rows were measured, as their provenance names them."""
    return "; ".join(dict.fromkeys(row.machine for rows in table.groups.values() for row in table.saved(rows)))


def _rows_of_cards(table: Table, aggregate: pd.DataFrame) -> list[dict]:
    verdict = aggregate[["variant", "device", "verdict"]]
    measured = table.saved(table.rows)
    origins = {"machine": [row.machine for row in measured], "packages": [row.packages for row in measured]}
    return table.by_seed.assign(**origins).merge(verdict, on=["variant", "device"]).to_dict("records")


def collect_summaries(*, summaries: list[Path], output: Path) -> dict:
    """Write the rows of several experiments' summary.csv into one; returns facts."""
    table = pd.concat([pd.read_csv(path) for path in summaries])
    table.to_csv(output, index=False, float_format="%.6g")
    return {"rows": len(table)}
