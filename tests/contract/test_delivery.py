"""A study with a contract ends with a delivery: certified, the row that keeps it, and verified on the same rows with the same score."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import jsonschema
import pandas as pd
import pytest
import yaml

from conftest import COMMAND, ROOT, Workspace
from encoder_compression.contract import raw_inputs, winner
from small_deliveries import predict

pytestmark = pytest.mark.long
EXPERIMENT = {
    "extends": "tiny",
    "variants": ["teacher", "teacher+int8"],
    "devices": {name: {"runtime": name.removeprefix("cpu-"), "hardware": "cpu"} for name in ("cpu-pytorch", "cpu-onnxruntime")},
    "runtimes": {},
    "compare": [],
    "profile": [],
    "contract": {"device": "cpu-onnxruntime"},
    "budget": {"points": 100},
    "gate": {"latency_ms": {"at_most": 1000}, "size_mb": {"at_most": 100}, "agreement": {"at_least": 0.0}},
}
COLUMNS = ("variant", "score", "change", "change_above", "trained", "latency_ms", "size_mb", "memory_mb")
SCREENED = [
    ("teacher", 0.7, 0.0, 0.0, True, 1.0, 1.0, 9.0),
    ("teacher+int8", 0.7, 0.0, -0.01, True, 0.5, 0.5, 5.0),
    ("teacher+width40+int8", 0.5, -0.2, -0.21, True, 0.01, 0.001, 1.0),
]


def schema(name: str) -> dict:
    return yaml.safe_load((ROOT / "workflow/schemas" / name).read_text(encoding="utf-8"))


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([COMMAND, *arguments], cwd=folder, capture_output=True, encoding="utf-8")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Workspace:
    """A workspace in which the study has run to its delivery, with a table of what was screened before."""
    workspace = Workspace(tmp_path_factory.mktemp("study"), experiment="mine")
    (workspace.folder / "config/experiments/mine.yaml").write_text(yaml.safe_dump(EXPERIMENT), encoding="utf-8")
    results = workspace.folder / "results/mine"
    results.mkdir(parents=True)
    pd.DataFrame(SCREENED, columns=COLUMNS).to_csv(results / "screening.csv", index=False)
    done = workspace.run("--cores", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    return workspace


@pytest.fixture(scope="module")
def delivery(workspace) -> Path:
    return workspace.folder / "results/mine/delivery"


@pytest.fixture(scope="module")
def certificate(delivery) -> dict:
    return json.loads((delivery / "certificate.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def rows(workspace) -> Path:
    """The test split as a table of texts and labels, under names of its own."""
    table = pd.read_parquet(workspace.folder / "results/mine/dataset/test.parquet")
    path = workspace.folder / "fresh.csv"
    table.rename(columns={"text": "opinion", "label": "mood"})[["opinion", "mood"]].to_csv(path, index=False, sep=";")
    return path


def test_a_certificate_follows_its_schema_and_holds_the_row_of_the_gate_that_is_delivered(workspace, certificate):
    jsonschema.validate(certificate, schema("certificate.schema.yaml"), jsonschema.Draft202012Validator)
    gate = json.loads((workspace.folder / "results/mine/gate.json").read_text(encoding="utf-8"))
    table = pd.read_csv(workspace.folder / "results/mine/aggregate.csv").query("device == 'cpu-onnxruntime'").set_index("variant")
    rows = [row for row in gate["rows"] if row["device"] == "cpu-onnxruntime"]
    first, second = winner.rank(rows, table["latency_ms_p50"].to_dict(), baseline="teacher")
    assert certificate["delivered"]["variant"] == first["variant"]
    assert certificate["runner_up"]["variant"] == second["variant"]
    assert certificate["clauses"] == first["clauses"]
    assert {"latency_ms", "size_mb", "budget", "constant"} <= {clause["clause"] for clause in certificate["clauses"]}
    assert certificate["verdict"] == {"pass": "kept", "open": "open", "fail": "exceeded"}[first["verdict"]]
    assert certificate["figures"]["latency_ms_p50"] == table.loc[first["variant"], "latency_ms_p50"]


def test_what_was_tried_and_the_latency_of_the_server_stand_in_the_certificate(certificate, delivery):
    assert [(row["variant"], row["source"]) for row in certificate["tried"]] == [
        ("teacher", "measured"),
        ("teacher+int8", "measured"),
        ("teacher+width40+int8", "screened"),
    ]
    cheaper = {offer["axis"]: offer for offer in certificate["exchanges"]}["difference"]
    assert (cheaper["variant"], "latency_ms" in cheaper["gains"]) == ("teacher+width40+int8", True)
    assert [level["clients"] for level in certificate["served"]["levels"]] == [1, 4, 16]
    text = (delivery / "certificate.md").read_text(encoding="utf-8")
    for clause in certificate["clauses"]:
        assert f"| {clause['verdict']} |" in text
    for level in certificate["served"]["levels"]:
        assert f"| {level['clients']} | {level['requests']} | {level['p50_ms']:.2f} |" in text
    assert all((delivery / name).stat().st_size > 1000 for name in ("frontier.png", "frontier.svg"))


def test_the_delivered_code_gives_the_predictions_that_were_scored(workspace, delivery, certificate):
    row = workspace.folder / f"results/mine/{certificate['delivered']['variant']}/seed1/cpu-onnxruntime/predictions.parquet"
    answers = predict(delivery, raw_inputs.of_split(workspace.folder / "results/mine/dataset", "test"))
    assert [int(answer["label"]) for answer in answers] == pd.read_parquet(row)["prediction"].tolist()
    held = {path.name for path in delivery.iterdir()}
    assert {"predict.py", "server.py", "settings.json", "requirements.txt", "Dockerfile", "onnx", "provenance.json"} <= held
    assert (delivery / "onnx/README.md").read_text(encoding="utf-8").startswith("---\n")


def test_the_same_rows_verify_with_the_same_score_and_each_clause_has_a_line(workspace, delivery, certificate, rows):
    done = run(workspace.folder, "verify", str(delivery), "--data", str(rows), "--text", "opinion", "--label", "mood")
    lines = done.stdout.splitlines()
    assert (
        f"accuracy {certificate['figures']['score']:.1%} (" in lines[0] and f"certified {certificate['figures']['score']:.1%};" in lines[0]
    )
    judged = [line for line in lines[1:] if line.startswith(f"{certificate['delivered']['variant']} on cpu-onnxruntime: ")]
    unmeasured = [line for line in lines if ": not measured, as " in line]
    assert len(judged) + len(unmeasured) == len(certificate["clauses"])
    verdict = lines[-1].partition(":")[0]
    assert done.returncode == {"kept": 0, "open": 3, "exceeded": 4}[verdict], done.stderr
    ends = {line.rpartition(": ")[2] for line in judged}
    assert verdict == ("exceeded" if "exceeded" in ends else "open" if "open" in ends else "kept")


def test_labels_that_are_all_wrong_exceed_the_contract(workspace, delivery, rows, tmp_path):
    answers = predict(delivery, pd.read_csv(rows, sep=";")["opinion"].tolist())
    table = pd.read_csv(rows, sep=";").assign(mood=[1 - int(answer["label"]) for answer in answers])
    table.to_csv(tmp_path / "wrong.csv", index=False)
    done = run(workspace.folder, "verify", str(delivery), "--data", str(tmp_path / "wrong.csv"), "--text", "opinion", "--label", "mood")
    assert done.returncode == 4, done.stdout + done.stderr
    assert "accuracy 0.0% (" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("exceeded: ")


@pytest.mark.parametrize(
    ("break_it", "arguments", "message"),
    [
        (lambda copy: (copy / "certificate.json").unlink(), (), "certificate.json: it is no certificate"),
        (lambda copy: (copy / "onnx/model.onnx").write_bytes(b"?"), (), "onnx/model.onnx: it is not the file that was certified"),
        (lambda copy: None, ("--label", "moods"), "has no column 'moods'"),
        (lambda copy: None, ("--label", "opinion"), "are not the model's classes 0, 1"),
    ],
    ids=["no certificate", "other graph", "no column", "other labels"],
)
def test_what_cannot_be_verified_is_one_line(workspace, delivery, rows, tmp_path, break_it, arguments, message):
    copy = shutil.copytree(delivery, tmp_path / "delivery")
    break_it(copy)
    named = {"--text": "opinion", "--label": "mood"} | dict(zip(arguments[::2], arguments[1::2], strict=True))
    done = run(workspace.folder, "verify", str(copy), "--data", str(rows), *(part for pair in named.items() for part in pair))
    assert done.returncode == 1
    assert message in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_the_choice_is_explained_in_a_few_sentences(workspace, certificate):
    done = run(workspace.folder, "explain", "mine")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert run(workspace.folder, "explain", "results/mine").stdout == done.stdout
    assert lines[0].startswith(f"{certificate['delivered']['variant']} on cpu-onnxruntime ")
    assert "Of 3 rows that were tried, 2 measured and 1 screened, it is " in done.stdout
    assert re.search(rf"^- {re.escape(certificate['runner_up']['variant'])}: .+", done.stdout, re.MULTILINE)
    assert "would buy" in lines[-1]
    read_in_part = subprocess.run(
        ["bash", "-c", f"{COMMAND} explain mine | head -1; echo ${{PIPESTATUS[0]}}"],
        cwd=workspace.folder,
        capture_output=True,
        encoding="utf-8",
    )
    assert read_in_part.stdout.splitlines()[0] == lines[0]
    assert read_in_part.stdout.splitlines()[1] in ("0", "141") and not read_in_part.stderr  # the pipe may hold all
    assert run(workspace.folder, "explain", "other").stderr.startswith(
        "Error: results/other/delivery: there is no delivery; name an experiment that ended with one, or its folder"
    )


def test_a_finished_delivery_is_not_made_again(workspace):
    done = workspace.run("-n", "--cores", "2")
    assert "Nothing to be done" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("device: cpu-onnxruntime", "device: cpu-onxruntime", "contract.device: 'devices' has no 'cpu-onxruntime'; did you mean"),
        ("contract:\n  device: cpu-onnxruntime\n", "", "target 'results/mine/delivery': the experiment has no 'contract'"),
    ],
)  # fmt: skip
def test_a_contract_that_cannot_be_is_one_line_before_anything_runs(workspace, old, new, message):
    path = workspace.folder / "config/experiments/mine.yaml"
    before = path.read_text(encoding="utf-8")
    try:
        assert old in before
        path.write_text(before.replace(old, new).replace("extends: tiny", "extends: tiny" if new else "extends: reviews"), encoding="utf-8")
        done = workspace.run("-n", "--cores", "2", "results/mine/delivery")
    finally:
        path.write_text(before, encoding="utf-8")
    assert done.returncode != 0
    assert message in done.stderr
