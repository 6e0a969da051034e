"""Chains of steps: which are legal, who is whose parent, teacher and partner."""

import json
import re

import pytest

from conftest import ROOT, load_study, load_tiny
from encoder_compression.errors import UserError
from encoder_compression.study.targets import check_target, steps_pattern


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        ("teacher+evn1", "unknown step 'evn1'; did you mean 'even1'?"),
        ("even1", "a chain begins with a finetune or lora or bag_of_words step, but 'even1' is a distill step"),
        ("teacher+int8+magnitude60", "'magnitude60' needs weights, but follows the quantized step 'int8'"),
        ("teacher+magnitude60+even1", "'even1' would fill the zeros of 'magnitude60'; put it first, then prune"),
        ("teacher+magnitude60+magnitude30", "'magnitude30' asks for fewer zeros than 'magnitude60' before it, but zeros stay"),
        ("teacher+teacher", "'teacher' is a finetune step and must come first"),
    ],
)
def test_an_impossible_chain_says_why(tiny, variant, message):
    fewer = tiny.options["prune"]["magnitude60"] | {"sparsity": 0.3}
    study = load_tiny(prune=tiny.options["prune"] | {"magnitude30": fewer})
    with pytest.raises(UserError, match=re.escape(message)):
        study.check(variant)


def test_the_distillation_teacher_is_the_named_step_and_never_the_parent(tiny):
    assert tiny.teacher("teacher+even1") == "teacher"
    assert tiny.teacher("teacher+even1+even1") == "teacher"


def test_a_teacher_that_is_not_in_the_chain_is_refused(tiny):
    distill = {"even1": tiny.options["distill"]["even1"] | {"teacher": "magnitude60"}}
    with pytest.raises(UserError, match="the teacher of 'even1' is 'magnitude60', which does not come before it"):
        load_tiny(distill=distill, variants=["teacher+even1"])


def test_quantized_variants_run_only_where_a_graph_is_read(tiny):
    devices = {device for variant, _, device in tiny.rows() if variant == "teacher+int4"}
    assert devices == {"cpu-onnxruntime"}
    assert {device for variant, _, device in tiny.rows() if variant == "teacher+openvino8"} == {"cpu-openvino"}


def test_a_variant_that_no_device_can_run_is_refused(tiny):
    only_pytorch = {name: device for name, device in tiny.options["devices"].items() if device["runtime"] == "pytorch"}
    with pytest.raises(UserError, match="no device can run"):
        load_tiny(devices=only_pytorch)


def test_a_variant_in_4_bits_of_bitsandbytes_is_refused_where_the_device_compiles(tiny):
    devices = {name: tiny.options["devices"]["cpu-pytorch"] | more for name, more in (("eager", {}), ("fast", {"compile": True}))}
    changes = {"devices": devices, "profile": [], "compare": []}
    with pytest.raises(UserError, match="'teacher\\+nf4' cannot be compiled, and 'fast' compiles; take the device or the variant out"):
        load_study(ROOT, "tiny-distilbert-sst2", **changes, variants=["teacher", "teacher+nf4"])
    study = load_study(ROOT, "tiny-distilbert-sst2", **changes, variants=["teacher", "teacher+torch8"])
    assert ("teacher+torch8", 1, "fast") in study.rows()


def test_a_variant_runs_in_the_runtimes_that_it_names_and_the_others_everywhere():
    study = load_tiny(runtimes={"lora4": ["pytorch"]}, compare=[])
    rows = study.rows()
    assert [device for variant, _, device in rows if variant == "lora4"] == ["cpu-pytorch"]
    assert {device for variant, _, device in rows if variant == "teacher+even1"} == set(study.options["devices"])


@pytest.mark.parametrize(
    ("runtimes", "message"),
    [
        ({"teacher+evn1": ["pytorch"]}, "tiny: runtimes: unknown step 'evn1'; did you mean 'even1'?"),
        ({"teacher+int4": ["pytorch"]}, "tiny: runtimes: 'teacher+int4' runs in onnxruntime alone; name that, or take the line out"),
    ],
)
def test_runtimes_that_cannot_be_are_refused(runtimes, message):
    with pytest.raises(UserError, match=re.escape(message)):
        load_tiny(runtimes=runtimes)


def test_compression_and_runtime_are_measured_as_two_factors(tiny):
    assert tiny.partner("teacher+int4", "cpu-onnxruntime") == ("teacher", "cpu-onnxruntime")
    assert tiny.partner("teacher", "cpu-onnxruntime") == ("teacher", "cpu-pytorch")
    assert tiny.partner("teacher", "cpu-pytorch") is None


def test_the_last_step_decides_which_rule_makes_an_artifact(tiny):
    matches = {
        technique: bool(re.fullmatch(steps_pattern({"tiny": tiny}, technique), "teacher+even1+magnitude60"))
        for technique in ("finetune", "distill", "prune", "quantize")
    }
    assert matches == {"finetune": False, "distill": False, "prune": True, "quantize": False}


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("results/tiny/teacher+evn1/seed1/model", "did you mean 'even1'"),
        ("results/tiny/teacher/seed1/cpu-onxruntime/measurement.json", "did you mean 'cpu-onnxruntime'"),
        ("results/tiny/teacher+int8/seed1/openvino", "is quantized for another runtime; ask for its onnx/"),
        ("results/tiny/teacher/seed4294967296/model", "the largest seed is 4294967295; ask for a smaller one"),
        ("results/tyny/summary.csv", "did you mean 'tiny'"),
        ("results/tiny/teacher/seed1/adapter", "has no adapter; ask for that of a chain that ends in a lora step"),
        (
            "results/tiny/teacher+int8/seed1/cpu-pytorch/profile",
            "cpu-pytorch reads model/, but 'teacher.int8' is quantized and has no weights",
        ),
        ("results/tiny/teacher+evn1/seed1/cpu-pytorch/profile", "did you mean 'even1'"),
        ("results/tiny/teacher/seed1/cpu-pytrch/profile", "did you mean 'cpu-pytorch'"),
        ("results/tiny/teacher+int8/seed1/compressed", "is quantized and has no weights; ask for those of its parent 'teacher'"),
    ],
)
def test_a_target_with_a_typo_is_answered_with_the_nearest_name(tiny, target, message):
    with pytest.raises(UserError, match=message):
        check_target(target, {"tiny": tiny})


@pytest.mark.parametrize(
    ("compare", "message"),
    [
        ([["teacher", "teacher+magnitude60-control"]], "compare: 'teacher+magnitude60-control' is no row, as its control is off; name it"),
        ([["teacher", "teacher+evn1"]], "compare: 'teacher+evn1' is not among the variants; did you mean 'teacher+even1'?"),
        ([["teacher+int4", "teacher+even1-control"]], "compare: no device runs all of teacher+int4, teacher+even1-control"),
    ],
)
def test_variants_that_cannot_be_compared_are_refused(compare, message):
    with pytest.raises(UserError, match=re.escape(message)):
        load_tiny(compare=compare)


@pytest.mark.parametrize(
    ("profile", "message"),
    [
        (["teacher", "teacher+evn1"], "profile: 'teacher+evn1' is not among the variants; did you mean 'teacher+even1'?"),
        (["teacher+magnitude60-control"], "profile: 'teacher+magnitude60-control' is no row, as its control is off; name it under"),
    ],
)
def test_variants_that_cannot_be_profiled_are_refused(profile, message):
    with pytest.raises(UserError, match=re.escape(message)):
        load_tiny(profile=profile)


def test_a_variant_is_profiled_for_the_first_seed_on_all_devices_that_measure_it():
    study = load_tiny(profile=["teacher+int4", "teacher+even1"], runtimes={"teacher+even1": ["openvino", "pytorch"]}, seeds=[2, 3])
    rows = [("teacher+even1", "cpu-pytorch"), ("teacher+even1", "cpu-openvino"), ("teacher+int4", "cpu-onnxruntime")]
    assert study.profiles() == [f"results/tiny/{variant}/seed2/{device}/profile" for variant, device in rows]


def test_good_targets_and_other_arguments_pass(tiny):
    for argument in (
        "--cores",
        "results/tiny/teacher+even1/seed3/model",
        "results/tiny/teacher+even1/seed4294967295/model",
        "results/summary.csv",
        "results/tiny/summary.csv",
        "results/tiny/teacher/seed1/soft_targets",
        "results/tiny/lora4/seed1/adapter/adapter_model.safetensors",
        "results/tiny/teacher/seed1/compressed/model.safetensors.zst",
        "results/tiny/teacher+openvino8/seed1/openvino",
        "results/tiny/teacher/seed1/structure_times/cpu-pytorch/times.json",
        "results/tiny/teacher+even1/seed3/cpu-openvino/profile",
    ):
        check_target(argument, {"tiny": tiny})


def test_a_control_is_measured_where_its_score_can_be_told_and_nowhere_else(tiny):
    assert [device for variant, _, device in tiny.rows() if variant == "teacher+even1-control"] == ["cpu-pytorch"]


def test_a_student_of_layers_that_the_encoder_lacks_is_told_before_its_teacher_is_trained(tiny, tmp_path):
    step = tiny.options["distill"]["even1"]
    random = {"random": tiny.options["encoder"]["random"] | {"layers": 4}}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "distilbert", "n_layers": 4}), encoding="utf-8")
    for encoder in (random, {"files": {"folder": str(tmp_path)}}):
        for change in ({"keep": 3}, {"layers": [5]}, {"layers": "important", "keep": 5}):
            with pytest.raises(UserError, match="'teacher.even1': 'even1': layers .* do not fit a teacher of 4 layers; lower 'keep'"):
                load_tiny(encoder=encoder, distill={"even1": step | change}, variants=["teacher+even1"])
    twice = {"half": step | {"keep": 2}, "even1": step | {"keep": 2}}
    with pytest.raises(UserError, match="'even1': .* do not fit a teacher of 2 layers"):
        load_tiny(encoder=random, distill=twice, variants=["teacher+half+even1"])


def test_a_study_without_the_baseline_says_how_to_name_another():
    with pytest.raises(UserError, match="unknown step 'tacher'.*compared with the baseline 'tacher': name yours in baseline.variant"):
        load_tiny(baseline={"variant": "tacher"})


def test_the_devices_of_the_baseline_come_first(tiny):
    assert [device for variant, _, device in tiny.rows() if variant == "teacher"] == ["cpu-pytorch", "cpu-onnxruntime", "cpu-openvino"]


def test_a_row_names_every_chain_before_it_so_that_each_steps_share_can_be_told():
    study = load_tiny(variants=["teacher+even1+magnitude60+int8"], compare=[])
    row = next(row for row in study.table_rows() if row["variant"] == "teacher+even1+magnitude60+int8")
    assert list(row["chain"].items())[1:] == [
        ("teacher+even1", "distill"),
        ("teacher+even1+magnitude60", "prune"),
        ("teacher+even1+magnitude60+int8", "quantize"),
    ]
    assert row["folder_of"]["teacher+even1"] == "results/tiny/teacher+even1/seed1/cpu-onnxruntime"


def test_only_pruned_variants_are_compressed_and_not_their_controls(tiny):
    prune = {"magnitude60": tiny.options["prune"]["magnitude60"], "magnitude60-control": tiny.options["prune"]["magnitude60"]}
    study = load_tiny(prune=prune, variants=[*tiny.options["variants"], "teacher+magnitude60-control"])
    compressed = [artifact["folder"] for artifact in study.artifacts() if artifact["form"] == "compressed"]
    assert compressed == ["results/tiny/teacher+magnitude60/seed1/compressed"]


def test_every_artifact_behind_a_row_is_known_once(tiny):
    artifacts = {artifact["folder"]: artifact for artifact in tiny.artifacts()}
    assert len(artifacts) == len(tiny.artifacts())
    int8 = artifacts["results/tiny/teacher+words100+int8/seed1/onnx"]
    assert [step["technique"] for step in int8["steps"]] == ["finetune", "trim", "quantize"]
    assert "results/tiny/teacher+words100+int8/seed1/model" not in artifacts
