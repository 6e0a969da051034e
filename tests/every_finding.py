"""Findings of every code that the report knows, from fixed rows; run as a program, it prints their sentences.

``python tests/every_finding.py > tests/reporting/sentences.txt``, from the top of the repository, writes them anew.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from encoder_compression.reporting import pairs, profiles
from encoder_compression.reporting.answer import answers
from encoder_compression.reporting.findings import Finding
from encoder_compression.reporting.standing import columns, exclusions
from encoder_compression.reporting.study_warnings import of_encoder, warnings
from encoder_compression.reporting.verdicts import verdicts
from saved_rows import ONNX, TORCH, SavedStudy, change, ratio, sample, save_profile

BASELINE = sample(
    variant="teacher", is_baseline=True, runtime_alone=True, agreement=1.0, size_mb=100.0, **ratio("speedup", 1.0, None, None)
)
BASELINE |= change(None, None, None, None) | {"speedup_p_holm": None}
SURE = {"speedup_p_holm": 0.001}
OVER_CONTROL = {"against_control": 0.021, "against_control_ci_low": 0.003, "against_control_ci_high": 0.052, "against_control_p_holm": 0.2}
FASTER = ratio("speedup_compression", 1.94, 1.88, 2.01) | SURE
GAIN, DROP = (0.05, 0.03, 0.07), (-0.05, -0.07, -0.03)
SMALL = sample(variant="small", size_mb=10.0, **ratio("speedup", 1.2, 1.1, 1.3), **change(-0.004, -0.009, 0.001, 0.3))
FAST = sample(variant="fast", size_mb=50.0, **ratio("speedup", 4.0, 3.8, 4.2), **change(-0.008, -0.02, 0.004, 0.3))  # open


def every_finding(folder: Path) -> dict[str, list[Finding]]:
    """Return findings under the headings of the file; studies are saved below ``folder``."""
    return {
        "verdicts": _verdicts(),
        "reasons why a row cannot win": _exclusions(),
        "answers": _answers(),
        "pairs": _pairs(folder / "compared"),
        "profiles": _profiles(folder / "profile"),
        "warnings": [*_warnings(folder), *of_encoder({"normalised": ["hidden_act: gelu_new", "dropout: 0.3"]})],
    }


def in_lines(findings: dict[str, list[Finding]]) -> str:
    """Return a line for each different finding, its codes and its sentence, below its heading."""
    parts = [
        "\n".join([f"# {heading}", *dict.fromkeys(f"{' '.join(finding.kinds)}: {finding.text}" for finding in group)])
        for heading, group in findings.items()
    ]
    return "\n\n".join(parts) + "\n"


def _verdicts() -> list[Finding]:
    poor = sample(score=0.8, **change(-0.1, -0.12, -0.08, 0.001))
    excluded = {name: column[0] for name, column in columns([exclusions(poor)]).items()}
    better = sample(variant="teacher+even1", size_mb=20.0, **ratio("speedup", 1.5, 1.4, 1.6))
    tables = [[row] for row in (BASELINE, *_qualities(), *_against_controls(), *_speeds())]
    tables += [
        [poor | excluded],
        [sample(), better],
        [sample(integer_products_share=0.75)],
        [sample(noisy=True, foreign_cpu_share=0.31)],
        [sample(noisy=True, clock_gap=0.12)],
    ]
    tables += [[sample(changed_by_batches=13.0, batched_score=0.848)], [sample(changed_by_batches=13.333, batched_score=0.848, seeds=3)]]
    tables += [[sample(matrix_zeros_share=0.9, compressed_mb=12.5, **changes)] for changes in ({}, FASTER)]
    return [finding for rows in tables for finding in verdicts(pd.DataFrame(rows))[0]]


def _qualities() -> list[dict]:
    changes = [change(*GAIN, 0.0004), change(*DROP, 0.012), change(-0.004, -0.02, 0.01, 0.44), {"agreement": 1.0}]
    unsure = change(-0.004, -0.02, 0.01, 0.44)
    settled = [{"settled_by": "examples", "settled_times": 3.14}, {"settled_by": "seeds", "settled_times": 2.4, "seeds": 3}]
    return [sample(**each) for each in (*changes, *(unsure | each for each in settled), {"metric": "macro_f1"})]


def _against_controls() -> list[dict]:
    loss = {name: -value for name, value in OVER_CONTROL.items()} | {"against_control_ci_low": -0.052, "against_control_ci_high": -0.003}
    unsure = OVER_CONTROL | {"against_control_ci_low": -0.01}
    rows = [OVER_CONTROL | {"against_control_p_holm": 0.01}, unsure, loss | {"against_control_p_holm": 0.01}]
    return [sample(**row) for row in rows] + [sample(**unsure, technique=name) for name in ("shrink", "lora", "prune", "qat")]


def _speeds() -> list[dict]:
    runtime = ratio("speedup_runtime", 3.0, 2.9, 3.1) | ratio("speedup", 5.82, 5.6, 6.1)
    slower = ratio("speedup_compression", 0.8, 0.75, 0.85) | SURE
    negligible = ratio("speedup_compression", 1.01, 1.008, 1.012) | SURE
    moved = [{"runtime_alone": True} | each for each in ({}, ratio("speedup_runtime", 5.4, 5.1, 5.7) | SURE)]
    return [sample(**row) for row in (FASTER, FASTER | runtime, slower, negligible, {"timed_as": "teacher+magnitude60"}, *moved)]


def _exclusions() -> list[Finding]:
    poor = sample(score=0.8, retained=0.8 / 0.9, **change(-0.1, -0.12, -0.08, 0.001))
    constants = [{"score": 0.5}, {"score": 0.4}, {"seeds_of_one_class": 1}, {"seeds": 3, "seeds_of_one_class": 2}]
    rows = [poor, *(sample(**each) for each in constants)]
    return [finding for row in rows for finding in exclusions(row)]


def _answers() -> list[Finding]:
    tables = [
        [BASELINE, SMALL, FAST],
        [BASELINE, FAST],
        [BASELINE | {"score": 0.95}, FAST | ratio("speedup", 1.2, 0.9, 1.6)],
        [BASELINE, SMALL, FAST | {"agreement": 1.0}, SMALL | {"variant": "better", "score": 0.91}],
        [SMALL | {"score": 0.5}, FAST | {"score": 0.5}],
        [SMALL | {"score": 0.5, "seeds_of_one_class": 1}],
    ]
    given = [_ask(rows) for rows in tables]
    given += [_ask([FAST | {"allowed_points": 0.5}]), _ask([BASELINE, SMALL], {TORCH: Finding("baseline_suspect", "…")})]
    return [answer[name] for answer in given for name in ("smallest", "fastest")]


def _ask(rows: list[dict], cautions: dict[str, Finding] | None = None) -> dict:
    return answers(pd.DataFrame(rows).assign(**columns([exclusions(row) for row in rows])), cautions or {})[0]


def _pairs(folder: Path) -> list[Finding]:
    variants = ["lora4", "teacher", "teacher+even1"]
    study = SavedStudy(folder, *variants)
    study.save("lora4", TORCH, wrong=range(14))
    study.save("teacher+even1", TORCH, wrong=range(42), ratios=2.0, size_mb=3.0)
    table = study.table()
    compared = pairs.pairs(table, table.over_seeds, [variants, variants[::-1]])
    old = compared.iloc[:1].assign(trained_parameters=np.nan)
    return [finding for frame in (compared, old) for row in pairs.verdicts(frame) for finding in row]


def _profiles(folder: Path) -> list[Finding]:
    profile = folder / "teacher+int8" / "seed1" / ONNX / "profile"
    findings = []
    for largest in ("quantize/dequantize", "normalization", "runtime overhead"):
        save_profile(profile, **{"matmul": 2.0, "attention": 0.4, "copies": 0.36, largest: 1.24})
        findings.append(profiles.read(profile)["finding"])
    return findings


def _warnings(folder: Path) -> list[Finding]:
    studies = [_doubtful(folder / "doubtful"), _misled(folder / "misled"), _small(folder / "small")]
    return [finding for table in studies for finding in warnings(table, table.over_seeds)]


def _doubtful(folder: Path):
    """Return a table whose rows come from several revisions, were disturbed, and are too noisy to rank."""
    study = SavedStudy(folder, "teacher", "teacher+even1", "teacher+int8")
    study.save("teacher+even1", TORCH, foreign=0.25, ratios=[1.0, 2.0, 4.0], git={"commit": "f" * 40, "modified": True})
    study.save("teacher+even1", ONNX, ms=0.5)
    study.train("teacher+int8", form="onnx", isa="avx512_vnni")
    study.train("teacher+even1", searched={"trials": 20, "seconds": 1234.4, "options": {}})
    record = Path(study.study.folder("teacher", 1, "model")) / "provenance.json"
    start = {"experiment": "wikitext", "variant": "student6", "seed": 1}
    loss = {"hard": 0.1, "soft": 0.9, "hidden": 0, "relation": 0}
    step = {"start": start, "loss": loss, "teacher": {"experiment": "reviews", "variant": "teacher", "seed": 1}}
    changed = json.loads(record.read_text(encoding="utf-8")) | {"options": {"options": step}}
    record.write_text(json.dumps(changed), encoding="utf-8")
    sizes = {"rows": {"train": 4000, "test": 200}, "cut": {"train": 1200, "test": 3}, "max_length": 128}
    return study.table(**sizes, warnings=["3 of 200 rows of test have a text that validation has too."])


def _misled(folder: Path):
    """Return a table whose baseline has the classes the wrong way round, and was measured with uncommitted changes."""
    study = SavedStudy(folder, "teacher")
    labels = np.where(np.arange(200) < 110, 0, 1)
    for device in (TORCH, ONNX):
        study.save("teacher", device, wrong=range(20, 200), labels=labels, git={"commit": "a1b2c3d" + "0" * 33, "modified": True})
    return study.table()


def _small(folder: Path):
    """Return a table whose baseline predicts one class, on few examples of few articles."""
    study = SavedStudy(folder, "teacher")
    labels = np.where(np.arange(120) < 70, 0, 1)
    for device in (TORCH, ONNX):
        study.save("teacher", device, labels=labels, wrong=range(70))
        path = Path(study.study.folder("teacher", 1, device)) / "predictions.parquet"
        predicted = pd.read_parquet(path)
        predicted.assign(group=[f"article {index // 30}" for index in range(len(predicted))]).to_parquet(path)
    return study.table()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        sys.stdout.write(in_lines(every_finding(Path(temporary))))
