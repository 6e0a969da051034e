"""What a reader should know before trusting a table."""

import math
from pathlib import Path

import numpy as np
import pandas as pd

from encoder_compression.reporting.findings import Finding
from encoder_compression.reporting.standing import compared_with_constant, is_below_constant, is_better_than_constant
from encoder_compression.reporting.summary import Table
from encoder_compression.run import provenance
from encoder_compression.runtimes import kernels
from encoder_compression.study import teachers
from encoder_compression.study.chain import is_control, place_of

FEW_EXAMPLES = 200
FEW_GROUPS = 10
HOPELESS = 0.5


def warnings(table: Table, aggregate: pd.DataFrame) -> list[Finding]:
    """Return what a reader of the table could be misled by, what dataset.json warns of included."""
    findings = [
        *dict.fromkeys(cautions(table).values()),
        _revisions(table),
        *(Finding("data_set", sentence) for sentence in table.description.get("warnings", [])),
        _cut_texts(table.description),
        _one_answer(aggregate),
        _disturbed(aggregate),
        _too_short(aggregate),
        _few_examples(table),
    ]
    findings += [_few_groups(table), *_unfit_kernels(table), *_searches(table), *_begun_elsewhere(table), *_taught_elsewhere(table)]
    findings += _ranking(table, aggregate)
    return [finding for finding in findings if finding]


def of_encoder(base: dict) -> list[Finding]:
    """Return what to know of the encoder's files; ``base`` holds the facts in the provenance of the prepared encoder."""
    settings = base.get("normalised", [])
    if not settings:
        return []
    text = (
        f"Settings of the encoder's files that were set to their defaults for all rows: {len(settings)} ({'; '.join(settings)}). "
        "The original encoder still has them."
    )
    return [Finding("encoder_settings", text, facts={"settings": settings})]


def cautions(table: Table) -> dict[str, Finding]:
    """Return per device what to know of a baseline that scores no better than the best constant prediction."""
    constant_score, constant = table.best_constant
    compared = {
        device: {"score": score, "constant_score": constant_score, "constant": constant} for device, score in table.baseline_scores.items()
    }
    return {device: _caution(table, device, row) for device, row in compared.items() if not is_better_than_constant(row)}


def _caution(table: Table, device: str, row: dict) -> Finding:
    """Say of a baseline below a constant what may be wrong with the data, and of one that is a constant that it has learnt nothing."""
    baselines = [saved for (_, place), rows in table.groups.items() if place == device for saved in table.saved(rows, "baseline")]
    name = place_of(baselines[0].folder).chain
    score = f"The baseline {name} scores {row['score']:.1%}, {compared_with_constant(row)}"
    facts = {"variant": name, "score": row["score"], "constant_score": row["constant_score"]}
    learnt = not any(table.task.is_constant(saved.labels, saved.predictions) for saved in baselines)
    if learnt and is_below_constant(row):
        return Finding("baseline_suspect", f"{score}: check {table.task.SUSPECT} before trusting any row.", facts=facts)
    remedy = "it has learnt nothing, so no row can show what compression costs; train it longer or with another learning rate."
    return Finding("baseline_not_learnt", f"{score}: {remedy}", facts=facts)


def _revisions(table: Table) -> Finding | None:
    modified = Finding("uncommitted_changes", "Some models or measurements were made with uncommitted changes.")
    is_modified = any(origin["modified"] for origin in table.origins)
    if len(table.revisions) == 1:
        return modified if is_modified else None
    text = f"Models and measurements come from different git revisions ({', '.join(table.revisions)}): rows may not be comparable."
    facts = {"revisions": table.revisions}
    if not is_modified:
        return Finding("revisions_differ", text, facts=facts)
    return Finding("revisions_differ", f"{text} {modified.text}", also=modified.kinds, facts=facts)


def _cut_texts(description: dict) -> Finding | None:
    """Warn where texts were too long for the encoder, and what they end with was read by no model."""
    cut = {split: count for split, count in description.get("cut", {}).items() if count}
    if not cut:
        return None
    counts = ", ".join(f"{count:,} of {description['rows'][split]:,} in {split}" for split, count in cut.items())
    text = f"Texts longer than dataset.max_length, {description['max_length']} tokens, were cut: {counts}."
    return Finding("texts_cut", text, facts={"cut": cut})


def _searches(table: Table) -> list[Finding]:
    """Say which steps had their options chosen on validation, and what that cost: other rows had no such advantage."""
    facts = {place_of(model).chain.last: provenance.read_facts(model) for model in table.trained_models}
    searched = {step: facts_of_step["searched"] for step, facts_of_step in facts.items() if facts_of_step.get("searched")}
    return [
        Finding(
            "searched_options",
            f"Options of {step} were searched in {search['trials']} trials ({search['seconds']:,.0f} s) on {_judges(search)}; "
            "its training seconds leave that out.",
            facts={"step": step} | {name: search[name] for name in ("trials", "seconds", "folds", "examples") if name in search},
        )
        for step, search in searched.items()
        if not is_control(step)
    ]


def _judges(search: dict) -> str:
    """Return what the trials of a search were scored on."""
    if "folds" not in search:
        return "validation"
    return f"the {search['examples']:,} examples of train and validation in {search['folds']} folds"


def _begun_elsewhere(table: Table) -> list[Finding]:
    """Say which steps went on from a model of another experiment, so that others are not thought to have cost as much."""
    options = {place_of(model).chain: provenance.read(model)["options"].get("options", {}) for model in table.trained_models}
    starts = {variant: step["start"] for variant, step in options.items() if isinstance(step.get("start"), dict)}
    return [
        Finding(
            "starts_elsewhere",
            f"{variant} begins with {start['variant']} of {start['experiment']}; its training seconds and steps leave that training out.",
            facts={"variant": variant, "experiment": start["experiment"]},
        )
        for variant, start in starts.items()
    ]


def _taught_elsewhere(table: Table) -> list[Finding]:
    """Say which steps had soft targets from outside of the experiment, whose cost no row counts."""
    options = {place_of(model).chain: provenance.read(model)["options"].get("options", {}) for model in table.trained_models}
    return [_source_of_targets(variant, step) for variant, step in options.items() if _reads_targets_of_elsewhere(step)]


def _reads_targets_of_elsewhere(step: dict) -> bool:
    return "loss" in step and teachers.asks_teacher(step["loss"]) and not teachers.in_chain(step)


def _source_of_targets(variant: str, step: dict) -> Finding:
    teacher = teachers.reference(step)
    if teacher is None:
        files = sorted(step["soft_targets"]["files"].values())
        text = f"{variant} learns from probabilities in {', '.join(files)}; what they cost is not among its training seconds."
        return Finding("taught_elsewhere", text, facts={"variant": variant, "files": files})
    text = f"{variant} learns from {teacher['variant']} of {teacher['experiment']}; its training seconds and steps leave that training out."
    return Finding("taught_elsewhere", text, facts={"variant": variant, "experiment": teacher["experiment"]})


def _disturbed(aggregate: pd.DataFrame) -> Finding | None:
    noisy = aggregate[aggregate["noisy"]]
    if noisy.empty:
        return None
    rows = "1 row (marked ~)" if len(noisy) == 1 else f"{len(noisy)} rows (marked ~)"
    text = f"Other programs disturbed {rows}: do not rely on the latencies, nor, on devices of several threads or a GPU, on the speed-ups."
    return Finding("noisy_rows", text, facts={"rows": len(noisy)})


def _one_answer(aggregate: pd.DataFrame) -> Finding | None:
    count = int((aggregate["seeds_of_one_class"] > 0).sum())
    if not count:
        return None
    text = f"Rows that predict the same for every {aggregate['unit'][0]}, have learnt nothing and cannot win: {count} of {len(aggregate)}."
    return Finding("rows_of_one_answer", text, facts={"rows": count})


def _too_short(aggregate: pd.DataFrame) -> Finding | None:
    count = int((aggregate["foreign_cpu_share"].isna() & aggregate["clock_gap"].isna()).sum())
    if not count:
        return None
    text = f"Rows whose timed calls took less than a second, so that nobody can tell whether other programs disturbed them: {count}."
    return Finding("short_timings", text, facts={"rows": count})


def _few_examples(table: Table) -> Finding | None:
    examples = len(next(iter(table.saved_rows.values())).labels)
    if examples >= FEW_EXAMPLES:
        return None
    text = f"The test split has {examples} examples: too few to tell variants apart."
    return Finding("few_examples", text, facts={"examples": examples})


def _few_groups(table: Table) -> Finding | None:
    """Warn where the questions belong to so few articles that an interval over articles says little."""
    row = next(iter(table.saved_rows.values()))
    if row.group_count is None or row.group_count >= FEW_GROUPS:
        return None
    articles = "one article" if row.group_count == 1 else f"{row.group_count} articles"
    text = f"The {row.task.UNIT}s of the test split are on {articles} only: the intervals hold for such texts and no others."
    return Finding("few_groups", text, facts={"groups": int(row.group_count)})


def _unfit_kernels(table: Table) -> list[Finding]:
    """Warn of variants whose graph was quantized for another instruction set than that of the machine that measured it."""
    misfits: dict[str, str] = {}
    for row in table.rows:
        graph = Path(row["folder"]).parent / "onnx"
        isa = provenance.read_facts(graph).get("isa") if graph.exists() else None
        misfit = kernels.describe_misfit(isa, table.saved_rows[row["folder"]].hardware) if isa else None
        if misfit:
            misfits[row["variant"]] = f"{row['variant']} has {misfit}; quantize it on the machine that measures, with 'isa: auto'."
    return [Finding("kernel_mismatch", text, facts={"variant": variant}) for variant, text in misfits.items()]


def _ranking(table: Table, aggregate: pd.DataFrame) -> list[Finding]:
    """Say per device how much a ratio differs between two starts, and which rows that leaves unranked."""
    compared = aggregate[~aggregate["is_baseline"]]
    return [_ranking_limit(device, table.speed.spread(device), rows) for device, rows in compared.groupby("device", sort=False)]


def _ranking_limit(device: str, spread: float, rows: pd.DataFrame) -> Finding:
    closest = _closest(rows)
    unranked = "its rows at all" if closest > HOPELESS else f"rows closer than {closest:.0%}"
    text = (
        f"{device}: the ratio of the same two programs differs by {spread:.1%} from start to start (standard deviation): "
        f"too noisy to rank {unranked}."
    )
    return Finding("ranking_limit", text, facts={"device": device, "spread": spread, "closest": closest})


def _closest(rows: pd.DataFrame) -> float:
    """Return how far apart two rows must be, as a share, before two intervals of the usual width, √2 apart, tell them from each other."""
    names = rows["runtime_alone"].map({True: "speedup_runtime", False: "speedup_compression"})
    ratios = np.array([row[f"{name}_ci_high"] / row[f"{name}_ci_low"] for name, (_, row) in zip(names, rows.iterrows(), strict=True)])
    return float(math.sqrt(2) * (math.sqrt(np.median(np.nan_to_num(ratios, nan=1.0))) - 1))  # without any spread there is no interval
