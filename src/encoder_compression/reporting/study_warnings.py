"""What a reader should know before trusting a table."""

import math
from pathlib import Path

import numpy as np
import pandas as pd

from encoder_compression.reporting.standing import compared_with_constant, is_below_constant, is_better_than_constant
from encoder_compression.reporting.summary import Table
from encoder_compression.run import provenance
from encoder_compression.runtimes import kernels
from encoder_compression.study.chain import is_control, place_of

FEW_EXAMPLES = 200
FEW_GROUPS = 10
HOPELESS = 0.5


def warnings(table: Table, aggregate: pd.DataFrame) -> list[str]:
    """Return sentences about what a reader of the table could be misled by, those of dataset.json among them."""
    found = [
        *dict.fromkeys(cautions(table).values()),
        _revisions(table),
        *table.description.get("warnings", []),
        _cut_texts(table.description),
        _one_class(aggregate),
        _disturbed(aggregate),
        _too_short(aggregate),
        _few_examples(table),
    ]
    found += [_few_groups(table), *_unfit_kernels(table), *_searches(table), *_begun_elsewhere(table), *_ranking(table, aggregate)]
    return [sentence for sentence in found if sentence]


def of_encoder(base: dict) -> list[str]:
    """Return what to know of the encoder's files; ``base`` holds the facts in the provenance of the prepared encoder."""
    settings = base.get("normalised", [])
    if not settings:
        return []
    return [
        f"Settings of the encoder's files that were set to their defaults for all rows: {len(settings)} ({'; '.join(settings)}). "
        "The original encoder still has them."
    ]


def cautions(table: Table) -> dict[str, str]:
    """Return per device a sentence on a baseline that scores no better than the best constant prediction."""
    constant_score, constant = table.best_constant
    compared = {
        device: {"score": score, "constant_score": constant_score, "constant": constant} for device, score in table.baseline_scores.items()
    }
    return {device: _caution(table, device, row) for device, row in compared.items() if not is_better_than_constant(row)}


def _caution(table: Table, device: str, row: dict) -> str:
    """Say of a baseline below a constant what may be wrong with the data, and of one that is a constant that it has learnt nothing."""
    baselines = [saved for (_, place), rows in table.groups.items() if place == device for saved in table.saved(rows, "baseline")]
    name = place_of(baselines[0].folder).chain
    score = f"The baseline {name} scores {row['score']:.1%}, {compared_with_constant(row)}"
    learnt = not any(table.task.is_constant(saved.labels, saved.predictions) for saved in baselines)
    if learnt and is_below_constant(row):
        return f"{score}: check {table.task.SUSPECT} before trusting any row."
    return f"{score}: it has learnt nothing, so no row can show what compression costs; train it longer or with another learning rate."


def _revisions(table: Table) -> str | None:
    modified = "Some models or measurements were made with uncommitted changes." if any(one["modified"] for one in table.origins) else None
    if len(table.revisions) == 1:
        return modified
    several = f"Models and measurements come from different git revisions ({', '.join(table.revisions)}): rows may not be comparable."
    return f"{several} {modified}" if modified else several


def _cut_texts(description: dict) -> str | None:
    """Warn where texts were too long for the encoder, and what they end with was read by no model."""
    cut = {split: count for split, count in description.get("cut", {}).items() if count}
    if not cut:
        return None
    told = ", ".join(f"{count:,} of {description['rows'][split]:,} in {split}" for split, count in cut.items())
    return f"Texts longer than dataset.max_length, {description['max_length']} tokens, were cut: {told}."


def _searches(table: Table) -> list[str]:
    """Say which steps had their options chosen on validation, and what that cost: other rows had no such advantage."""
    facts = {place_of(model).chain.last: provenance.read_facts(model) for model in table.trained_models}
    return [
        f"Options of {step} were searched in {searched['trials']} trials ({searched['seconds']:,.0f} s) on validation; "
        "its training seconds leave that out."
        for step, searched in ((step, own.get("searched")) for step, own in facts.items())
        if searched and not is_control(step)
    ]


def _begun_elsewhere(table: Table) -> list[str]:
    """Say which steps went on from a model of another experiment, so that others are not thought to have cost as much."""
    options = {place_of(model).chain: provenance.read(model)["options"].get("options", {}) for model in table.trained_models}
    starts = {variant: own["start"] for variant, own in options.items() if isinstance(own.get("start"), dict)}
    return [
        f"{variant} begins with {start['variant']} of {start['experiment']}; its training seconds and steps leave that training out."
        for variant, start in starts.items()
    ]


def _disturbed(aggregate: pd.DataFrame) -> str | None:
    noisy = aggregate[aggregate["noisy"]]
    if noisy.empty:
        return None
    share = noisy["foreign_cpu_share"].max()
    rows = "1 row (marked ~) was" if len(noisy) == 1 else f"{len(noisy)} rows (marked ~) were"
    return f"Other programs took up to {share:.0%} of the processors while {rows} measured: do not rely on the times."


def _one_class(aggregate: pd.DataFrame) -> str | None:
    count = int((aggregate["seeds_of_one_class"] > 0).sum())
    if not count:
        return None
    return f"Rows that predict the same for every {aggregate['unit'][0]}, have learnt nothing and cannot win: {count} of {len(aggregate)}."


def _too_short(aggregate: pd.DataFrame) -> str | None:
    count = int(aggregate["foreign_cpu_share"].isna().sum())
    if not count:
        return None
    return f"Rows whose timed calls took less than a second, so that nobody can tell whether other programs disturbed them: {count}."


def _few_examples(table: Table) -> str | None:
    examples = len(next(iter(table.found.values())).labels)
    return f"The test split has {examples} examples: too few to tell variants apart." if examples < FEW_EXAMPLES else None


def _few_groups(table: Table) -> str | None:
    """Warn where the questions belong to so few articles that an interval over articles says little."""
    row = next(iter(table.found.values()))
    if row.group_count is None or row.group_count >= FEW_GROUPS:
        return None
    articles = "one article" if row.group_count == 1 else f"{row.group_count} articles"
    return f"The {row.task.UNIT}s of the test split are on {articles} only: the intervals hold for such texts and no others."


def _unfit_kernels(table: Table) -> list[str]:
    """Warn of variants whose graph was quantized for another instruction set than that of the machine that measured it."""
    found: dict[str, str] = {}
    for row in table.rows:
        graph = Path(row["folder"]).parent / "onnx"
        isa = provenance.read_facts(graph).get("isa") if graph.exists() else None
        misfit = kernels.describe_misfit(isa, table.found[row["folder"]].hardware) if isa else None
        if misfit:
            found[row["variant"]] = f"{row['variant']} has {misfit}; quantize it on the machine that measures, with 'isa: auto'."
    return list(found.values())


def _ranking(table: Table, aggregate: pd.DataFrame) -> list[str]:
    """Say per device how much a ratio differs between two starts, and which rows that leaves unranked."""
    compared = aggregate[~aggregate["is_baseline"]]
    return [
        f"{device}: the ratio of the same two programs differs by {table.speed.spread(device):.1%} from start to start (standard "
        f"deviation): too noisy to rank {_unranked(rows)}."
        for device, rows in compared.groupby("device", sort=False)
    ]


def _unranked(rows: pd.DataFrame) -> str:
    """Name the rows that two intervals of the usual width, √2 apart, cannot tell from each other."""
    names = rows["runtime_alone"].map({True: "speedup_runtime", False: "speedup_compression"})
    ratios = np.array([row[f"{name}_ci_high"] / row[f"{name}_ci_low"] for name, (_, row) in zip(names, rows.iterrows(), strict=True)])
    closest = math.sqrt(2) * (math.sqrt(np.median(np.nan_to_num(ratios, nan=1.0))) - 1)  # without any spread there is no interval
    return "its rows at all" if closest > HOPELESS else f"rows closer than {closest:.0%}"
