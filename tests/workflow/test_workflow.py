"""The workflow as its user runs it: from a clone to tables, again after an edit, again after a kill."""

import json
import math
import os
import shutil
import signal
import subprocess
import time
import zipfile
from pathlib import PurePath

import pandas as pd
import pytest
from safetensors.numpy import load_file

from conftest import COMMAND, Workspace
from encoder_compression.reporting.verdicts import NO_GAIN
from encoder_compression.run import provenance
from encoder_compression.study.study import Study

pytestmark = pytest.mark.slow
SPEEDUPS = ("speedup", "speedup_runtime", "speedup_compression", "end_to_end_speedup")


def test_the_tiny_study_runs_to_its_tables_and_pictures(finished):
    table = pd.read_csv(finished.folder / "results/tiny/summary.csv")
    study = finished.study()
    rows = list(zip(table["variant"], table["seed"], table["device"], strict=True))
    assert sorted(rows) == sorted(study.rows())
    assert {"teacher+even1", "teacher+even1-control", "teacher+words100+int8"} <= set(table["variant"])
    unknown = {name for name in table if table[name].isna().any()}
    of_identities = {f"{part}_ci_{end}" for part in SPEEDUPS for end in ("low", "high")}
    assert unknown <= of_identities | {"energy_j_per_example", "foreign_cpu_share", "clock_gap", "commit", "adapter_mb", "timed_as"}
    assert table.loc[table["adapter_mb"].notna(), "variant"].unique().tolist() == ["lora4"]
    assert len(pd.read_csv(finished.folder / "results/tiny/pairs.csv")) == count_pairs(study)
    assert (finished.folder / "results/tiny/teacher+mixed/seed1/onnx/sensitivity.csv").exists()
    pictures = {path.name for path in (finished.folder / "results/tiny/plots").iterdir()}
    names = ("quality_latency", "quality_size", "profile", "training", "training_terms")
    assert {f"{name}.{kind}" for name in names for kind in ("png", "svg")} <= pictures
    certificate = json.loads((finished.folder / "results/tiny/delivery/certificate.json").read_text(encoding="utf-8"))
    assert certificate["delivered"]["variant"] in study.options["variants"]


def count_pairs(study: Study) -> int:
    """Return how many pairs of variants 'compare' names that have a row on one and the same device."""
    rows = {(variant, device) for variant, _, device in study.rows()}
    groups = [[(variant, device) for variant in group] for group in study.options["compare"] for device in study.options["devices"]]
    return sum(math.comb(len(rows.intersection(group)), 2) for group in groups)


def test_every_figure_of_the_table_stands_in_every_form_of_it(finished):
    folder = finished.folder / "results/tiny"
    aggregate = pd.read_csv(folder / "aggregate.csv")
    texts = {name: (folder / name).read_text(encoding="utf-8") for name in ("summary.md", "summary.tex", "report.html")}
    for row in aggregate.itertuples():
        assert all(row.variant in text for text in texts.values())
        assert f"{row.speedup:.2f}" in texts["summary.md"]
        assert f"{row.score:.1%}" in texts["summary.md"]
        assert row.verdict in texts["summary.md"]
    assert pd.read_csv(finished.folder / "results/summary.csv").equals(pd.read_csv(folder / "summary.csv"))


def test_the_release_gate_judges_every_row_and_its_command_ends_with_the_verdict(finished):
    gate = json.loads((finished.folder / "results/tiny/gate.json").read_text(encoding="utf-8"))
    assert sorted((row["variant"], row["seeds"], row["device"]) for row in gate["rows"]) == sorted(
        (variant, [seed], device) for variant, seed, device in finished.study().rows()
    )
    asked = ["constant", "budget", *finished.study().options["gate"]]
    named = {tuple(clause["clause"] for clause in row["clauses"]) for row in gate["rows"] if not row["is_baseline"]}
    assert [sorted(names) for names in named] == [sorted(asked)]
    assert all(clause["log_odds"] for row in gate["rows"] for clause in row["clauses"] if clause["clause"] == "recall")
    done = subprocess.run([COMMAND, "gate", "tiny"], cwd=finished.folder, capture_output=True, encoding="utf-8")
    assert done.returncode == {"pass": 0, "open": 3, "fail": 4}[gate["verdict"]], done.stderr
    assert len(done.stdout.splitlines()) == sum(len(row["clauses"]) for row in gate["rows"]) + 1


def test_every_artifact_has_a_card_and_a_card_is_no_change_of_the_artifact(finished):
    configs = [path for name in ("config.json", "adapter_config.json") for path in (finished.folder / "results/tiny").rglob(name)]
    folders = {path.parent for path in configs if path.parent.name != "base" and path.parts[-3] != "delivery"}
    assert {str(folder.relative_to(finished.folder)) for folder in folders} == {made["folder"] for made in finished.study().artifacts()}
    for folder in folders:
        before = provenance.fingerprint(folder)
        card = (folder / "README.md").read_text(encoding="utf-8")
        assert card.startswith("---\n")
        (folder / "README.md").unlink()
        assert provenance.fingerprint(folder) == before
        (folder / "README.md").write_text(card, encoding="utf-8")


@pytest.mark.long
def test_the_same_artifact_under_two_names_is_not_told_apart(tmp_path):
    """Training is exact, so 'twin' is 'teacher' again: every gain or loss that the report claimed would be false.

    One interval of 20 leaves 1 out by chance, so a difference in speed may be significant, but must then be called negligible.
    """
    workspace = Workspace(tmp_path, experiment="self_check")
    shutil.copy(workspace.folder / "tests/data/self_check.yaml", workspace.folder / "config/experiments")
    done = workspace.run("--cores", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    table = pd.read_csv(workspace.folder / "results/self_check/aggregate.csv").set_index(["variant", "device"])
    twin = table.loc[("twin", "cpu-pytorch")]
    kinds = table["verdict_kinds"].str.split()
    assert {"same_predictions", "by_compression"} <= set(kinds["twin", "cpu-pytorch"])
    assert {"speed_not_significant", "speed_negligible"} & set(kinds["twin", "cpu-pytorch"])
    assert twin["speedup_compression_ci_low"] < 1 + NO_GAIN and twin["speedup_compression_ci_high"] > 1 - NO_GAIN
    assert {"faster", "by_runtime"} <= set(kinds["teacher", "cpu-onnxruntime"])


def test_snakemakes_own_report_holds_the_tables_and_pictures(finished):
    done = finished.run("--report", "snakemake-report.zip")
    assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(finished.folder / "snakemake-report.zip") as archive:
        names = {PurePath(name).name for name in archive.namelist()}
    assert {"report.html", "summary.csv", "aggregate.csv", "quality_latency.svg"} <= names


def test_every_artifact_tells_where_it_comes_from(finished):
    study = finished.study()
    folders = [artifact["folder"] for artifact in study.artifacts()] + [study.folder(*row) for row in study.rows()]
    folders += study.profiles()
    for folder in [*folders, "results/tiny", "results/tiny/base", "results/tiny/dataset"]:
        record = json.loads((finished.folder / folder / "provenance.json").read_text(encoding="utf-8"))
        assert record["packages"]["torch"].startswith("2.")
        assert record["hardware"]["cores"] >= 1
        assert record["seconds"] >= 0
        assert {"commit", "modified"} == set(record["git"])
    student = json.loads((finished.folder / "results/tiny/teacher+even1/seed1/model/provenance.json").read_text(encoding="utf-8"))
    assert student["options"]["options"]["layers"] == "even"
    assert "results/tiny/teacher/seed1/model" in student["inputs"]


def test_every_job_leaves_a_log_and_no_checkpoints(finished):
    logs = {path.stem for path in (finished.folder / "logs").rglob("*.log")}
    techniques = {"finetune", "lora", "distill", "shrink", "prune", "trim", "quantize"}
    exports = {"export", "export_openvino", "quantize_openvino"}
    assert techniques | exports | {"prepare_encoder", "compress", "measure_cpu-pytorch", "profile_cpu-pytorch", "summarize", "plot"} <= logs
    assert not list((finished.folder / "results").rglob("checkpoints"))


def test_a_second_run_has_nothing_to_do_and_imports_no_torch(finished):
    command = finished.command("-n", "--cores", "2")
    done = subprocess.run([command[0], "-X", "importtime", *command[1:]], cwd=finished.folder, capture_output=True, encoding="utf-8")
    assert "Nothing to be done" in done.stdout + done.stderr
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "snakemake" in imported
    assert not imported & {"torch", "transformers", "onnxruntime", "openvino", "nncf", "datasets", "sklearn", "optuna"}


TINY = "config/experiments/tiny.yaml"
INT8_ROW = "teacher+words100+int8"


@pytest.mark.parametrize(
    ("path", "old", "new", "reruns"),
    [
        (TINY, "# The twin", "# A comment.\n# The twin", set()),
        (TINY, "split: {validation: 0.2, test: 0.25}", "split: {test: 0.25, validation: 0.2}", set()),
        (TINY, "prune:\n", "prune:\n  unused: {sparsity: 0.1}\n", set()),
        ("config/config.yaml", "int8: {}", "int8: {}\n  int8_unused: {per_channel: false}", set()),
        (
            "config/config.yaml",
            "int8: {}",
            "int8: {per_channel: false}",
            {"summarize", "plot", "deliver", "collect_summaries", f"quantize {INT8_ROW}", f"measure {INT8_ROW}"},
        ),
        (
            TINY,
            "magnitude60: {sparsity: 0.6",
            "magnitude60: {sparsity: 0.5",
            {"summarize", "plot", "deliver", "collect_summaries"}
            | {f"{rule} teacher+magnitude60" for rule in ("prune", "compress", "measure")},
        ),
        (
            TINY,
            "files: {train: tests/data/tiny_more.csv}",
            "files: {train: tests/data/tiny_more.csv, test: tests/data/tiny.csv}",
            {"summarize", "plot", "deliver", "collect_summaries", "prepare_unlabelled", "predict_unlabelled_targets teacher"}
            | {f"{rule} teacher+even1" for rule in ("distill", "measure")}
            | {f"{rule} teacher+even1-control" for rule in ("distill", "measure")},
        ),
        (TINY, "  - teacher+int4\n", "", {"summarize", "plot", "deliver", "collect_summaries"}),
        (
            TINY,
            "measure: {calls: 20",
            "measure: {calls: 30",
            {"summarize", "plot", "deliver", "collect_summaries", "measure", "profile teacher", "profile teacher+mixed"},
        ),
        (TINY, "metric: {at_least: 0.5}", "metric: {at_least: 0.6}", {"summarize", "plot", "deliver", "collect_summaries"}),
        (
            TINY,
            "profile: [teacher, teacher+mixed]",
            "profile: [teacher, teacher+int4]",
            {"summarize", "plot", "deliver", "collect_summaries", "profile teacher+int4"},
        ),
    ],
    ids=[
        "comment",
        "key order",
        "unused step",
        "unused quantize",
        "quantize option",
        "prune option",
        "other texts",
        "row less",
        "measure",
        "limit of the gate",
        "profile",
    ],
)
def test_an_edit_reruns_what_depends_on_it_and_nothing_else(finished, path, old, new, reruns):
    file = finished.folder / path
    before = file.read_bytes()
    times = file.stat()
    try:
        finished.edit(path, old, new)
        found = finished.reruns() - {"all"}
    finally:
        file.write_bytes(before)
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    if "measure" in reruns:
        assert {job for job in found if not job.startswith("measure ")} == reruns - {"measure"}
        measured = {chain for row in finished.study().table_rows() for chain in row["chain"]}
        assert {job for job in found if job.startswith("measure ")} == {f"measure {chain}" for chain in measured}
    else:
        assert found == reruns


@pytest.mark.parametrize(
    ("edit", "arguments", "message"),
    [
        (
            (TINY, "epochs: 2", "epoch: 2"),
            [],
            TINY + ":{line}: finetune.teacher.training: unknown key 'epoch'; did you mean 'epochs'?",
        ),
        ((TINY, "words100+int8", "words100+int"), [], TINY + ":{line}: variants: unknown step 'int'; did you mean 'int8'?"),
        (
            (TINY, "train: tests/data/tiny.csv", "train: tests/data/tyny.csv"),
            [],
            TINY + ":{line}: dataset.files.train: 'tests/data/tyny.csv' does not exist; did you mean 'tests/data/tiny.csv'?",
        ),
        (
            (TINY, "train: tests/data/tiny.csv", "train: $NOWHERE/tiny.csv"),
            [],
            TINY
            + ":{line}: dataset.files.train: '$NOWHERE/tiny.csv' needs the environment variable NOWHERE; set it to the folder of the data",
        ),
        (None, ["results/tiny/teacher+evn1/seed1/model"], "tiny: unknown step 'evn1'; did you mean 'even1'?"),
    ],
)
def test_a_users_mistake_is_one_line_without_a_traceback(workspace, edit, arguments, message):
    line = 0
    if edit:
        workspace.edit(*edit)
        text = (workspace.folder / TINY).read_text(encoding="utf-8")
        line = 1 + text[: text.index(edit[2])].count("\n")
    done = workspace.run("-n", "--cores", "2", *arguments)
    assert done.returncode != 0
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line and not line.startswith(("Using ", "Config file "))]
    assert lines == ["Error: " + message.format(line=line)]


def test_a_mistake_found_by_a_job_is_one_line_too(workspace):
    workspace.edit(TINY, "files: {train: tests/data/tiny.csv}", "files: {train: tests/data/tiny.csv}\n  columns: {label: lable}")
    done = workspace.run("--cores", "2", "results/tiny/dataset")
    assert done.returncode != 0
    line = "Error: dataset: split 'train' (tests/data/tiny.csv) has no column 'lable' for the label; did you mean 'label'?"
    assert f"{line}; columns.label names the column (log: logs/tiny/prepare_dataset.log)" in done.stdout + done.stderr
    assert "Traceback" not in (workspace.folder / "logs/tiny/prepare_dataset.log").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "target", ["teacher+even1+int8/seed7/cpu-onnxruntime/measurement.json", "teacher+even1/seed7/compressed", "teacher/seed7/compressed"]
)
def test_any_chain_can_be_asked_for_as_a_target(finished, target):
    done = finished.run("-n", "--cores", "2", f"results/tiny/{target}")
    assert done.returncode == 0, done.stderr
    assert f"variant={target.split('/')[0]}, seed=7" in done.stdout + done.stderr


def test_the_pruned_variant_and_no_other_is_compressed_to_the_size_in_the_table(finished):
    (file,) = (finished.folder / "results/tiny").rglob("*.zst")
    assert file.relative_to(finished.folder / "results/tiny").parts[:2] == ("teacher+magnitude60", "seed1")
    row = json.loads((file.parents[1] / "cpu-pytorch" / "measurement.json").read_text(encoding="utf-8"))
    assert row["compressed_mb"] == file.stat().st_size / 1e6


@pytest.mark.long
def test_a_run_killed_while_it_trains_goes_on_to_the_same_weights(tmp_path):
    """SIGKILL for Snakemake and the training process at once, as when a machine goes down."""
    model = "results/tiny/teacher/seed1/model"
    weights = []
    for name, kill in (("whole", False), ("killed", True)):
        workspace = Workspace(tmp_path / name)
        workspace.edit(TINY, "epochs: 2, learning_rate: 1.0e-3", "epochs: 60, patience: 60, learning_rate: 1.0e-3")
        if kill:
            kill_after_some_epochs(workspace, model)
        done = workspace.run("--cores", "2", model)
        assert done.returncode == 0, done.stdout + done.stderr
        facts = json.loads((workspace.folder / model / "provenance.json").read_text(encoding="utf-8"))["facts"]
        assert facts["resumed"] == kill
        weights.append(load_file(workspace.folder / model / "model.safetensors"))
    whole, resumed = weights
    assert all((whole[name] == resumed[name]).all() for name in whole)


def kill_after_some_epochs(workspace: Workspace, target: str) -> None:
    process = subprocess.Popen(
        workspace.command("--cores", "2", target), cwd=workspace.folder, start_new_session=True, stderr=subprocess.DEVNULL
    )
    checkpoints = workspace.folder / target / ".." / "checkpoints"
    deadline = time.monotonic() + 120
    while not any(int(path.name.split("-")[1]) > 50 for path in checkpoints.resolve().glob("checkpoint-*")):
        assert process.poll() is None, "training ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (workspace.folder / target / "provenance.json").exists()
