"""The command tells the gate's clauses in a line each, and ends with the status that a CI asks for."""

import json
import subprocess
import sys

import pytest

from conftest import COMMAND
from encoder_compression import cli
from encoder_compression.reporting import gate_words
from encoder_compression.reporting.gate import release_gate
from saved_rows import CHOSEN, GATE, ONNX, TORCH, SavedStudy


@pytest.fixture
def call(folder, monkeypatch, capsys):
    """Run the command in this process; returns what it ends with, a status or a message, and what it printed."""

    def run(*arguments: str) -> tuple[int | str | None, str]:
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", ["encoder-compression", "gate", *arguments])
        return cli.main(), capsys.readouterr().out

    return run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the gate of a study whose student on PyTorch fails, and in INT8 leaves the budget open."""
    root = tmp_path_factory.mktemp("gate")
    study = SavedStudy(root, "teacher", "teacher+even1", "teacher+int8")
    for variant, device in study.groups:
        study.save(variant, device, **CHOSEN)
    study.save("teacher+even1", TORCH, wrong=range(60), **CHOSEN)
    study.save("teacher+int8", ONNX, wrong=range(1, 23), **CHOSEN)
    table = study.table(points=2)
    gate = release_gate(table, table.over_seeds, GATE)
    (root / "results/mine/gate.json").write_text(json.dumps(gate), encoding="utf-8")
    return root


@pytest.mark.parametrize(
    ("arguments", "status", "last"),
    [
        (["--variant", "teacher"], 0, "pass: 2 rows, clauses 12 kept, 0 open, 0 exceeded"),
        (["--variant", "teacher+even1", "--device", ONNX], 0, "pass: 1 row, clauses 7 kept, 0 open, 0 exceeded"),
        (["--variant=teacher+int8"], 3, "open: 1 row, clauses 6 kept, 1 open, 0 exceeded"),
        (["--device", ONNX], 3, "open: 3 rows, clauses 20 kept, 1 open, 0 exceeded"),
        (["--variant", "teacher+even1"], 4, "fail: 2 rows, clauses 8 kept, 1 open, 5 exceeded"),
        ([], 4, "fail: 5 rows, clauses 26 kept, 2 open, 5 exceeded"),
    ],
)
def test_a_line_for_each_clause_and_the_status_of_them_all(call, arguments, status, last):
    returned, printed = call("mine", *arguments)
    lines = printed.splitlines()
    assert (returned, lines[-1]) == (status, last)
    counted = [sum(line.endswith(f": {name}") for line in lines) for name in ("kept", "open", "exceeded")]
    assert last.endswith("clauses {} kept, {} open, {} exceeded".format(*counted))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["yours"], "Error: results/yours/gate.json: No such file or directory; snakemake --cores 1 results/yours/gate.json makes it,"),
        (["mine", "--variant", "techer"], "Error: results/mine/gate.json: no row of variant 'techer'; did you mean 'teacher'?"),
        (["mine", "--device", "cpu-onnx"], "no row of device 'cpu-onnx'; did you mean 'cpu-onnxruntime'?"),
        (["mine", "--variant", "teacher+int8", "--device", TORCH], "no row of device 'cpu-pytorch'"),
        (["torn"], "Error: results/torn/gate.json: it is no gate of an experiment; remove it, and snakemake"),
    ],
)
def test_what_is_not_there_is_one_line(call, folder, arguments, message):
    (folder / "results/torn").mkdir(exist_ok=True)
    (folder / "results/torn/gate.json").write_text('{"rows": ', encoding="utf-8")
    returned, printed = call(*arguments)
    assert printed == "" and "\n" not in returned
    assert message in returned


@pytest.mark.parametrize("arguments", [[], ["mine", "--row", "teacher"], ["mine", "yours"]])
def test_a_wrong_command_line_is_argparses_2(call, arguments):
    with pytest.raises(SystemExit, match="^2$"):
        call(*arguments)


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["mine", "--device", TORCH, "--variant", "teacher"], 0), (["mine", "--variant", "teacher+int8"], 3), (["mine"], 4), (["yours"], 1)],
)
def test_a_process_ends_with_0_for_pass_3_for_open_4_for_fail_and_1_for_a_mistake(folder, arguments, status):
    done = subprocess.run([COMMAND, "gate", *arguments], cwd=folder, capture_output=True, encoding="utf-8")
    assert done.returncode == status
    assert done.stderr.count("\n") == (status == 1)


def test_a_line_has_the_figure_the_limit_and_the_bound_that_decides():
    share = {"clause": "metric", "value": 0.9, "lower_bound": 0.8579, "upper_bound": 0.9332}
    at_rate = {"clause": "recall", "label": "good", "false_positive_rate": 0.05, "test_false_positive_rate": 0.041, "log_odds": [1.5]}
    clauses = [
        {"clause": "constant", "value": 0.9, "lower_bound": None, "upper_bound": None, "above": 0.5, "verdict": "kept"},
        {"clause": "budget", "value": -0.012, "lower_bound": -0.031, "upper_bound": 0.007, "at_least": -0.01, "verdict": "open"},
        share | {"at_least": 0.85, "verdict": "kept"},
        share | {"at_least": 0.9333, "verdict": "exceeded"},
        share | at_rate | {"at_least": 0.8, "verdict": "kept"},
        share | {"clause": "calibration_error", "value": 0.03, "at_most": 0.05, "upper_bound": 0.0504, "verdict": "open"},
        share | {"clause": "worst_slice", "at_least": 0.7, "slice": "label: bad", "examples": 100, "verdict": "kept"},
        {"clause": "agreement", "value": None, "lower_bound": None, "upper_bound": None, "at_least": 0.98, "verdict": "open"},
    ]
    lines = gate_words.lines({"variant": "teacher+int8", "device": ONNX, "clauses": clauses})
    assert [line.removeprefix(f"teacher+int8 on {ONNX}: ") for line in lines] == [
        "score above the 50.0 % of the best constant prediction: 90.0 %: kept",
        "budget, a loss of at most 1 point: -1.20 points (above -3.1): open",
        "metric, at least 85 %: 90.0 % (above 85.8): kept",
        "metric, at least 93.33 %: 90.0 % (below 93.3): exceeded",
        "recall of good at 5 % false positives, at least 80 %: 90.0 % (above 85.8), 4.1 % false positives on test: kept",
        "calibration error, at most 5 %: 3.0 % (below 5.04): open",
        "worst slice, at least 70 %: 90.0 % (above 85.8), label: bad, 100 examples: kept",
        "agreement, at least 98 %: not known, as there are too few examples: open",
    ]
