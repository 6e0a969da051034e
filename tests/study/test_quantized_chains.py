"""Steps that quantize for PyTorch end chains, leave no weights to go on from, and are refused where they cannot work."""

import re

import pytest

from conftest import load_tiny
from encoder_compression.errors import UserError
from encoder_compression.run import environment, gpu
from encoder_compression.study import option_checks
from encoder_compression.study.inputs import Experiment
from encoder_compression.study.step_checks import BLOCK
from encoder_compression.study.study import Study
from own_experiments import TINY, load, mistakes

ENCODER = {"random": TINY["encoder"]["random"] | {"hidden_size": 64}}
STEPS = {
    "nf4": {"method": "bitsandbytes", "bits": 4},
    "llm8": {"method": "bitsandbytes"},
    "torch8": {"method": "torchao"},
    "int4": {"method": "weights", "bits": 4},
}


def experiment(*variants: str, **changes) -> dict:
    named = {"variants": ["teacher", *variants], "quantize": STEPS, "runtimes": {}, "compare": [], "encoder": ENCODER}
    return TINY | named | changes


def study(tmp_path, *variants: str, **changes) -> Study:
    return Study("mine", load(tmp_path, experiment(*variants, **changes)))


def test_options_of_a_method_have_their_defaults_and_those_of_others_are_absent(tmp_path):
    steps = study(tmp_path, "teacher+nf4").options["quantize"]
    assert steps["nf4"] == STEPS["nf4"] | {"type": "nf4", "double": True, "version": 2}
    assert steps["llm8"] == STEPS["llm8"] | {"bits": 8, "threshold": 6.0, "version": 2}
    assert steps["torch8"] == STEPS["torch8"] | {"bits": 8, "activations": "int8", "version": 2}
    assert not {"type", "double", "threshold", "activations"} & steps["int4"].keys()
    assert steps["int8"]["embeddings"] == "int8"


def test_only_pytorch_runs_them_and_their_folder_is_a_model(tmp_path):
    rows = [(variant, device) for variant, _, device in study(tmp_path, "teacher+nf4", "teacher+width40+llm8").rows() if "+" in variant]
    assert rows == [("teacher+nf4", "cpu-pytorch"), ("teacher+width40+llm8", "cpu-pytorch")]
    assert study(tmp_path, "teacher+nf4").forms("teacher+nf4") == ("model",)


def test_no_row_counts_them_among_the_trained_models(tmp_path):
    (row,) = (row for row in study(tmp_path, "teacher+nf4").table_rows() if row["variant"] == "teacher+nf4")
    assert row["trained"] == ["results/mine/teacher/seed1/model"]


@pytest.mark.parametrize(
    ("variant", "changes", "message"),
    [
        ("teacher+nf4+int8", {}, "'int8' needs weights, but follows the quantized step 'nf4'"),
        ("teacher+nf4+magnitude60", {}, "'magnitude60' needs weights, but follows the quantized step 'nf4'"),
        ("teacher+aware4+nf4", {"qat": {"aware4": {"bits": 4, "gate": 0}}}, "'aware4' trains for 4 bits, but 'nf4' stores others"),
        ("teacher+aware8+nf4", {}, "'aware8' trains for 8 bits, but 'nf4' stores others"),
        (
            "teacher+nf4",
            {"encoder": TINY["encoder"]},
            "'nf4' needs rows of whole blocks of 64 weights, but the hidden states have 32; take bits: 8",
        ),
        ("teacher+soup", {"average": {"soup": {"with": ["teacher+nf4"]}}}, "'soup' averages with 'teacher+nf4', which must have weights"),
    ],
)
def test_a_chain_that_cannot_work_is_refused(tmp_path, variant, changes, message):
    with pytest.raises(UserError, match=re.escape(message)):
        study(tmp_path, variant, **changes)


def test_eight_bits_may_follow_a_training_for_eight_bits_and_any_width(tmp_path):
    assert study(tmp_path, "teacher+aware8+llm8", "teacher+aware8+torch8", encoder=TINY["encoder"]).rows()


def test_a_quantized_baseline_is_refused(tmp_path):
    with pytest.raises(UserError, match="the baseline 'teacher\\+nf4' must have weights, but ends in a quantized step"):
        study(tmp_path, "teacher+nf4", baseline={"variant": "teacher+nf4"})


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"method": "bitsandbytes", "isa": "avx2"}, "'isa: avx2' is for the method dynamic; name that, or take it out"),
        ({"method": "bitsandbytes", "calibration": 100}, "'calibration: 100' is for the method dynamic or weights or openvino; name that"),
        ({"method": "torchao", "bits": 4}, "'bits: 4' is for the method weights or bitsandbytes; name that, or take it out"),
        ({"method": "torchao", "exclude": ["query"]}, "'exclude' is for the method dynamic or weights; name that, or take it out"),
        ({"type": "nf4"}, "'type: nf4' is for the method bitsandbytes; name that, or take it out"),
        ({"method": "bitsandbytes", "type": "fp4"}, "'type' is for bits: 4; say so, or take it out"),
        ({"method": "bitsandbytes", "bits": 4, "threshold": 3}, "'threshold' is for bits: 8; say so, or take it out"),
    ],
)
def test_an_option_of_another_method_is_one_line(tmp_path, step, message):
    (line,) = mistakes(tmp_path, experiment(quantize={"mine": step}))
    assert f"quantize.mine: {message}" in line


@pytest.mark.parametrize("package", ["bitsandbytes", "torchao"])
def test_a_missing_library_is_told_before_anything_runs(tmp_path, monkeypatch, package):
    monkeypatch.setattr(option_checks.environment, "is_installed", lambda name: name != package)
    (line,) = mistakes(tmp_path, experiment(quantize={"mine": {"method": package}}))
    assert f"quantize.mine: the package {package} is not installed; make the environment anew with 'make .venv/ready'" in line


def test_what_is_installed_is_known_without_importing_it():
    assert environment.is_installed("bitsandbytes")
    assert not environment.is_installed("no-such-package")


def test_a_device_on_cuda_needs_kernels_of_the_library(tmp_path, monkeypatch):
    devices = {"processor": {"runtime": "pytorch"}, "card": {"runtime": "pytorch", "hardware": "cuda"}}
    changed = experiment(quantize={"mine": {"method": "bitsandbytes"}}, devices=devices)
    monkeypatch.setattr(gpu, "cuda_of_torch", lambda: (12, 2))
    (line,) = mistakes(tmp_path, changed)
    assert "quantize.mine: bitsandbytes has no kernels for CUDA 12.2, which torch was built for; install one that has, or" in line
    monkeypatch.setattr(gpu, "cuda_of_torch", lambda: None)
    (line,) = mistakes(tmp_path, changed)
    assert "bitsandbytes needs CUDA here, but torch is a build for the CPU; install one that has, or take the device 'card' out" in line
    monkeypatch.setattr(gpu, "cuda_of_torch", lambda: (12, 8))
    assert load(tmp_path, changed)


def test_the_job_that_fetches_the_encoder_is_told_of_blocks_only_where_a_step_cuts_them(tmp_path):
    whole = study(tmp_path, "teacher+llm8", "teacher+int4")
    assert Experiment({"mine": whole}, "mine").encoder_options == whole.options["encoder"]
    cut = study(tmp_path, "teacher+nf4")
    assert Experiment({"mine": cut}, "mine").encoder_options == cut.options["encoder"] | {"blocks": BLOCK}
    assert not load_tiny().cuts_blocks()


def test_an_encoder_whose_rows_are_no_whole_blocks_is_told_when_it_is_fetched(encoder):
    from encoder_compression.encoders.encoder_facts import require_whole_blocks

    require_whole_blocks(encoder, 32)
    with pytest.raises(
        UserError, match="a step of the experiment needs rows of whole blocks of 64 weights, but the encoder has 32; take bits: 8"
    ):
        require_whole_blocks(encoder, 64)
