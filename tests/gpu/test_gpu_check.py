"""The GPU check finds on each hardware what the CPU finds; these tests read the one JSON that it writes.

On the CPU they show that the check itself works. Those marked gpu say the same of a card: make test-gpu.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from conftest import ROOT

SCRIPT = ROOT / "benchmarks" / "gpu_check.sh"
NO_CARD = "needs an NVIDIA card that torch can use, and there is none here"
ON_CUDA = pytest.param("cuda", marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason=NO_CARD)])
LOSSES = {"float32": 0.01, "bfloat16": 0.05, "float16": 0.05}  # nats
LOGITS = {"float32": 1e-3, "float16": 0.01, "bfloat16": 0.05}  # relative to the largest logit where that is over 1
WEIGHTS = 1e-4
TRAINED_IN = {"cpu": ["float32", "bfloat16"], "cuda": ["bfloat16", "float16", "float32"]}

pytestmark = pytest.mark.long


def check(hardware: str, folder: Path) -> tuple[int, dict]:
    """Run the check as a user does; return its exit code and what it wrote."""
    output = folder / f"{hardware}.json"
    command = ["sh", str(SCRIPT), "--device", hardware, "--output", str(output)]
    done = subprocess.run(
        command, env=os.environ | {"PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}, capture_output=True, encoding="utf-8"
    )
    assert output.exists(), done.stdout + done.stderr
    return done.returncode, json.loads(output.read_text(encoding="utf-8"))


@pytest.fixture(scope="module", params=["cpu", ON_CUDA])
def hardware(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def checked(hardware, tmp_path_factory) -> tuple[int, dict]:
    return check(hardware, tmp_path_factory.mktemp(hardware))


@pytest.fixture(scope="module")
def parts(checked) -> dict[str, dict]:
    return checked[1]["parts"]


def test_it_ends_well_and_names_machine_versions_and_commit(hardware, checked):
    code, record = checked
    assert record["failed"] == [] and code == 0
    assert record["versions"]["torch"] == torch.__version__
    assert record["commit"] == subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, encoding="utf-8").stdout.strip()
    assert (record["card"] is not None) == (hardware == "cuda")
    assert record["seconds"] < {"cuda": 480, "cpu": 960}[hardware]
    assert 0 < sum(part["seconds"] for part in record["parts"].values()) <= record["seconds"] + 1


def test_training_learns_and_its_losses_are_those_of_the_cpu(hardware, parts):
    expected = parts["preparation"]["losses"]
    assert expected[0] == pytest.approx(0.693, abs=0.01)  # of a random model on two classes, ln 2
    assert sum(expected[-5:]) / 5 < 0.1
    for precision in TRAINED_IN[hardware]:
        losses = parts[f"training {precision}"]["losses"]
        assert len(losses) == len(expected) == 40
        assert abs(losses[0] - expected[0]) <= LOSSES[precision]
        assert abs(sum(losses[-5:]) - sum(expected[-5:])) / 5 <= LOSSES[precision]
        assert min(parts[f"training {precision}"]["tokens_per_second"]) > 0
    assert parts["training bfloat16"]["losses"] != expected  # it was another precision that trained
    assert parts["training bfloat16"]["bfloat16"] and not parts["training float32"]["bfloat16"]


def test_a_killed_training_resumes_to_the_same_weights(parts):
    part = parts["resume after a kill"]
    assert 0 < part["killed_behind_step"] < part["steps"] == 40
    assert part["weights_differ_by"] <= WEIGHTS
    assert part["holds"]["it was resumed"]


def test_torchrun_joins_processes_by_nccl_on_cards_and_gloo_elsewhere(hardware, parts):
    part = parts["torchrun"]
    assert part["backend"] == {"cuda": "nccl", "cpu": "gloo"}[hardware]
    assert part["sum_of_ones"] == part["processes"] == 1
    assert part["weights_differ_by"] <= WEIGHTS


def test_soft_targets_are_those_of_the_cpu_and_were_computed_where_they_should(hardware, parts):
    part = parts["soft targets"]
    assert part["inputs"] == parts["preparation"]["train"] == 36
    assert part["logits_differ_by"] <= LOGITS["float32"]
    assert (part["cuda_memory_mb"] > 0) == (hardware == "cuda")


def test_utilisation_is_speed_times_operations_over_the_peak(hardware, parts):
    for precision in TRAINED_IN[hardware]:
        part = parts[f"utilisation {precision}"]
        used = part["tokens_per_second"] * part["operations_per_token"] / 1e12
        assert part["utilisation"] == pytest.approx(used / max(part["peak_tflops_before_and_after"]), rel=0.05)
        assert 0 < part["utilisation"] < 1
        assert len(part["losses"]) == 3
        for loss, expected in zip(part["losses"], part["losses_of_cpu"], strict=True):
            assert abs(loss - expected) <= LOSSES[precision]


def test_rows_predict_what_the_cpu_predicts(hardware, parts):
    rows = {name: part for name, part in parts.items() if name.startswith("row ") and "not_installed" not in part}
    assert "row float32" in rows and "cpu-pytorch" in parts["measured"]
    for name, row in rows.items():
        precision = next((precision for precision in LOGITS if precision in name), "float32")
        for model in ("trained", "untrained"):
            assert row[model]["logits_differ_by"] <= LOGITS[precision]
        assert row["trained"]["largest_logit_of_cpu"] > 0.3  # so that every tolerance is narrow beside the answers
        assert row["trained"]["agreement"] == 1.0
        assert row["latency_p50_ms"] > 0
        assert all(place.lower().startswith(hardware) for place in row["proof"]["nodes"])
        assert list(row["proof"]["matmuls"]) == [precision]
    assert parts["measured"]["cpu-pytorch"]["memory_load_mb"] > 0


@pytest.mark.parametrize("hardware", [ON_CUDA], indirect=True, scope="module")
@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_half_the_bits_take_half_of_the_cards_memory(parts, precision):
    whole, half = (parts[f"row {name}"]["memory_load_mb"] for name in ("float32", precision))
    assert whole >= 4 * parts["row float32"]["parameters"] / 1e6
    assert 0.4 < half / whole < 0.75
    assert parts["row bfloat16 compiled"]["proof"]["compiled"] > 0


def test_onnxruntime_ran_on_its_provider_for_the_hardware(hardware, parts):
    row = parts["row onnxruntime"]
    if "not_installed" in row:
        assert hardware == "cuda" and row["not_installed"] == "onnxruntime-gpu"
    else:
        assert set(row["proof"]["nodes"]) == {{"cuda": "CUDAExecutionProvider", "cpu": "CPUExecutionProvider"}[hardware]}


def test_weights_of_few_bits_agree_with_float_or_are_not_there(parts):
    for name in ("LLM.int8", "NF4", "FP4"):
        part = parts[f"bits {name}"]
        if "not_installed" not in part:
            assert part["trained"]["agreement"] >= 0.9
            assert part["size_mb"] < parts["measured"]["cpu-pytorch"]["size_mb"]
