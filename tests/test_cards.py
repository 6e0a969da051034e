"""Each artifact carries a card that the hub can read, whose figures are the measured ones and whose code runs."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
import torch
from huggingface_hub import ModelCard

from encoder_compression import encoders
from encoder_compression.compressed import compress
from encoder_compression.configuration import TECHNIQUES
from encoder_compression.errors import UserError
from encoder_compression.reporting.cards import write_cards
from encoder_compression.techniques import onnx_graph, openvino_model
from encoder_compression.techniques.lora import lora
from encoder_compression.training.train import Goal

DATASET = {"labels": ["dull", "fine"], "rows": {"train": 7940, "validation": 12, "test": 1562}, "dropped": {"train": {"repeated text": 2}}}
BASE = {"weights_sha256": "0" * 64}
FIGURES = {
    "metric": "accuracy", "score": 0.861076, "score_ci_low": 0.84315, "score_ci_high": 0.878361, "retained": 1.0,
    "agreement": 0.97, "latency_ms_p50": 3.5, "speedup": 2.0, "speedup_ci_low": float("nan"), "speedup_ci_high": float("nan"),
    "memory_run_mb": 197.0, "size_mb": 91.0, "compressed_mb": 64.3, "parameters": 22713986, "nonzero_parameters": 16343884,
    "adapter_mb": 0.75, "verdict": "as good as its teacher.", "machine": "AMD EPYC, 2 cores",
}  # fmt: skip
TORCH_ROW = FIGURES | {"variant": "teacher", "seed": 1, "device": "cpu-pytorch", "runtime": "pytorch"}
OFFLINE = {"HF_HUB_OFFLINE": "1", "CI": "true"}  # the second keeps a plain `import openvino` from reporting to a server
OPENVINO_ROW = TORCH_ROW | {"device": "cpu-openvino", "runtime": "openvino", "score": 0.5}
ONNX_ROW = TORCH_ROW | {"device": "cpu-onnxruntime", "runtime": "onnxruntime", "score": 0.75}


@pytest.fixture(scope="module")
def options(tiny) -> dict:
    devices = {"cpu-pytorch": {"runtime": "pytorch", "threads": 1}, "cpu-onnxruntime": {"runtime": "onnxruntime", "threads": 2}}
    devices |= {"cpu-openvino": {"runtime": "openvino", "threads": 1}}
    return tiny.options | {"devices": devices}


@pytest.fixture(scope="module")
def saved(tmp_path_factory, encoder, tiny):
    folder = tmp_path_factory.mktemp("saved")
    torch.manual_seed(0)  # of the new head
    names = {"id2label": dict(enumerate(DATASET["labels"])), "label2id": {name: index for index, name in enumerate(DATASET["labels"])}}
    encoders.save(
        encoders.add_head(encoder, "AutoModelForSequenceClassification", names), encoders.load_tokenizer(encoder), folder / "model"
    )
    onnx_graph.export(model=folder / "model", options=tiny.options["export"], output=folder / "onnx")
    openvino_model.convert(model=folder / "model", graph=folder / "onnx", options=tiny.options["export"], output=folder / "openvino")
    compress(model=folder / "model", output=folder / "compressed")
    (folder / "adapter").mkdir()
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    shutil.copytree(saved, tmp_path / "artifacts")
    return tmp_path / "artifacts"


def card(folder, options, form="model", variant="teacher", rows=(TORCH_ROW, ONNX_ROW, OPENVINO_ROW), **changes) -> ModelCard:
    """Write the card of one artifact and return it as the hub's library parses it."""
    technique = {step: name for name in TECHNIQUES for step in options[name]}
    steps = [{"step": step, "technique": technique[step], "options": options[technique[step]][step]} for step in variant.split("+")]
    artifact = {"folder": str(folder / form), "form": form, "variant": variant, "seed": 1, "steps": steps}
    given = {"experiment": "mine", "options": options, "rows": list(rows), "dataset": DATASET, "base": BASE} | changes
    assert write_cards(artifacts=[artifact], **given) == {"cards": 1}
    return ModelCard.load(folder / form / "README.md")


@pytest.mark.parametrize(
    ("form", "library", "score"),
    [
        ("model", "transformers", 0.861076),
        ("compressed", "safetensors", 0.861076),
        ("adapter", "peft", 0.861076),
        ("onnx", "onnxruntime", 0.75),
        ("openvino", "openvino", 0.5),
    ],
)
def test_the_hub_reads_the_score_of_the_runtime_that_reads_the_artifact(folder, options, form, library, score):
    data = card(folder, options, form).data
    (result,) = data.eval_results
    assert (result.metric_type, result.metric_value, result.dataset_split) == ("accuracy", score, "test")
    assert (data.library_name, data.pipeline_tag, data.metrics) == (library, "text-classification", ["accuracy"])


def test_the_text_has_the_scores_with_intervals_the_costs_and_the_verdict(folder, options):
    text = card(folder, options).text
    assert "| cpu-pytorch | 86.1% (84.3%–87.8%) | 100.0% | 97.0% |" in text
    assert "| cpu-pytorch | 3.50 | 2.00 | 197 | 91 | 22.7 | 16.3 |" in text
    assert "- cpu-pytorch: 1 thread, measured on AMD EPYC, 2 cores\n" in text
    assert "- cpu-pytorch: as good as its teacher.\n" in text
    assert "7,940 sentences for training" in text


def test_the_card_of_compressed_weights_has_their_size_and_says_where_the_rest_was_measured(folder, options):
    text = card(folder, options, "compressed", "teacher+magnitude60", rows=[TORCH_ROW | {"variant": "teacher+magnitude60"}]).text
    assert text.startswith("\n# mine: teacher+magnitude60, seed 1 (compressed)\n")
    assert "| cpu-pytorch | 3.50 | 2.00 | 197 | 64.3 | 22.7 | 16.3 |" in text
    assert "All but the size was measured on the same weights in `model/`." in text
    assert "The zeros of pruning save space in this file alone" in text


@pytest.mark.parametrize("form", ["model", "compressed", "onnx", "openvino"])
def test_the_code_of_the_card_runs_offline_and_answers_what_the_saved_model_answers(folder, options, form):
    (code,) = re.findall(r"```python\n(.*?)```", card(folder, options, form).text, re.DOTALL)
    environment = os.environ | OFFLINE | {"CUDA_VISIBLE_DEVICES": ""}
    shown = code + "\nprint(logits.tolist())"
    done = subprocess.run([sys.executable, "-c", shown], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (sentence,) = re.findall(r'^text = "(.*)"$', code, re.MULTILINE)
    inputs = encoders.load_tokenizer(folder / "model")(sentence, return_tensors="pt")
    with torch.inference_mode():
        expected = encoders.load_model(folder / "model").eval()(**inputs).logits[0]
    probability, label = expected.softmax(-1).max(0)
    answer, logits = done.stdout.splitlines()
    assert json.loads(logits) == pytest.approx(expected.tolist(), rel=0, abs=1e-4 if form in ("onnx", "openvino") else 0)
    name, printed = answer.split(": ")
    assert name == DATASET["labels"][int(label)]
    assert float(printed.rstrip("%")) == pytest.approx(100 * float(probability), abs=0.1)


@pytest.mark.parametrize("form", ["model", "onnx"])
@pytest.mark.parametrize("threshold", [-100, 100])
def test_the_code_answers_by_the_threshold_that_validation_chose(folder, options, form, threshold):
    rows = [row | {"class_threshold": threshold} for row in (TORCH_ROW, ONNX_ROW)]
    (code,) = re.findall(r"```python\n(.*?)```", card(folder, options, form, rows=rows).text, re.DOTALL)
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=os.environ | OFFLINE, capture_output=True, text=True)
    assert done.stdout.split(":")[0] == DATASET["labels"][threshold < 0], done.stderr


@pytest.mark.parametrize("form", ["onnx", "openvino"])
def test_the_code_for_the_graph_needs_no_torch(folder, options, form):
    (code,) = re.findall(r"```python\n(.*?)```", card(folder, options, form).text, re.DOTALL)
    without = "import sys; sys.modules['torch'] = None\n" + code
    done = subprocess.run([sys.executable, "-c", without], cwd=folder, env=os.environ | OFFLINE, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("parent", ["base", "student"])
def test_the_code_of_an_adapters_card_finds_the_model_below_it_and_answers_as_the_merged_one(
    tmp_path, encoder, saved, dataset, options, parent
):
    """The folders lie as in results/: an adapter of the base at its first step, or of the chain before it."""
    variant = "lora4" if parent == "base" else "teacher+lora4"
    folder, below = tmp_path / variant / "seed1", tmp_path / ("base" if parent == "base" else "teacher/seed1/model")
    shutil.copytree(encoder if parent == "base" else saved / "model", below)
    lora(
        parent=None if parent == "base" else below,
        encoder=below,
        teacher=None,
        soft_targets=None,
        goal=Goal(dataset=dataset, metric="accuracy", seed=1, name="test"),
        options=options["lora"]["lora4"],
        model=folder / "model",
        adapter=folder / "adapter",
        curve=folder / "training.csv",
    )
    text = card(folder, options, "adapter", variant, rows=[TORCH_ROW | {"variant": variant}]).text
    assert "| cpu-pytorch | 3.50 | 2.00 | 197 | 0.75 | 22.7 | 16.3 |" in text
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-c", code + "\nprint(logits.tolist())"], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    inputs = encoders.load_tokenizer(below)("This is an example sentence.", return_tensors="pt")
    with torch.inference_mode():
        expected = encoders.load_model(folder / "model").eval()(**inputs).logits[0]
    answer, logits = done.stdout.splitlines()
    assert json.loads(logits) == pytest.approx(expected.tolist(), abs=1e-5)
    assert answer.split(":")[0] == DATASET["labels"][int(expected.argmax())]


def test_updates_stand_in_words_and_tags(folder, options):
    written = card(folder, options, variant="lora4")
    assert "updates of rank 4 for the linear layers of the encoder and its head, trained for at most 1 epoch with all other" in written.text
    assert written.data.tags == ["lora", "encoder-compression"]
    step = options["lora"]["lora4"] | {"start": "pretrained", "targets": ["query", "value"], "training": {"steps": 300}}
    soft = {"hard": 0, "soft": 1, "hidden": 0, "relation": 0}
    taught = card(folder, options | {"lora": {"lora4": step | {"loss": soft}}}, variant="teacher+lora4").text
    assert "for the query, value layers of the encoder and a new head, trained for 300 steps on the labels and on what “teacher”" in taught


def test_an_artifact_without_a_row_says_that_it_was_not_measured(folder, options):
    written = card(folder, options, "model", rows=[ONNX_ROW])
    assert "**This artifact was not measured itself.**" in written.text
    assert written.data.eval_results is None
    assert "75.0%" not in written.text


def test_the_steps_stand_in_words_and_tags_and_bring_their_limits(folder, options):
    written = card(folder, options, "onnx", "teacher+even1+magnitude60+int8")
    assert "a student that keeps 1 layer (even), trained for at most 1 epoch on the labels and on what “teacher” answers" in written.text
    assert "answers, with further texts that have no labels" in written.text
    assert "also learnt what its teacher answers on the local files tiny\\_more.csv, without labels" in written.text
    assert "the least important 60% of the weights of its encoder set to zero little by little" in written.text
    assert "loss.soft: 0.8" in written.text
    assert "by themselves they save no time, and space only where the file is compressed" in written.text
    assert "the scores say nothing about real models" in written.text
    assert written.data.tags == ["knowledge-distillation", "pruning", "quantization", "int8", "onnx", "encoder-compression"]


def test_the_card_of_an_openvino_form_tells_how_it_was_quantized_and_what_its_times_hold_for(folder, options):
    written = card(folder, options, "openvino", "teacher+openvino8")
    assert "their scales fixed on 16 inputs of the training data (NNCF)" in written.text
    assert "padded to a multiple of 8 tokens" in written.text
    assert "depend on the batch" not in written.text
    assert written.data.tags == ["quantization", "int8", "openvino", "encoder-compression"]


def test_bits_and_products_in_float_are_told(folder, options):
    few = card(folder, options, "onnx", "teacher+int4")
    assert "weights of its layers as 4-bit integers with a scale for every 16 inputs" in few.text
    assert "int4" in few.data.tags
    assert "The scales of activations depend on the batch" not in few.text
    assert "sensitivity.csv" not in few.text
    (folder / "onnx" / "sensitivity.csv").write_text("product,loss,kept_in_float\ncontraction.1,0.2,True\nquery.1,0.1,False\n")
    try:
        mixed = card(folder, options, "onnx", "teacher+mixed").text
    finally:
        (folder / "onnx" / "sensitivity.csv").unlink()
    assert "outliers of both evened out before" in mixed
    assert "those that stayed in float: contraction.1.\n" in mixed
    assert "The scales of activations depend on the batch" in mixed


def test_a_removal_is_told_by_its_share_or_by_its_target(folder, options):
    assert (
        "heads and neurons with 40% of the encoder's multiplications taken out, the rest"
        in card(folder, options, variant="teacher+width40").text
    )
    width = {name: value for name, value in options["shrink"]["width40"].items() if name != "remove"}
    fast = width | {"target": {"speedup": 1.5, "device": "cpu-pytorch"}}
    written = card(folder, options | {"shrink": {"fast": fast}}, variant="teacher+fast")
    assert "so many heads and neurons taken out that it should be 1.5 times as fast on “cpu-pytorch”, the rest trained" in written.text
    whole = {name: value for name, value in fast.items() if name != "target"} | {"remove": 0}
    assert "the whole model, trained for" in card(folder, options | {"shrink": {"fast": whole}}, variant="teacher+fast").text


def test_a_control_is_not_found_as_a_distilled_model(folder, options):
    written = card(folder, options, variant="teacher+even1-control")
    assert written.data.tags == ["encoder-compression"]
    assert "on the labels alone, without the teacher: a control" in written.text


def test_only_what_the_hub_has_is_named_by_its_id(folder, options):
    local = card(folder, options).data
    assert (local.base_model, local.datasets, local.license) == (None, None, None)
    hub = {"id": "org/name", "revision": "a" * 40}
    source = options["dataset"] | {"hub": hub | {"name": "sst2", "splits": {"train": "train", "test": "validation"}}}
    changed = options | {"encoder": {"hub": hub}, "dataset": source, "metric": "matthews"}
    data = card(folder, changed, rows=[TORCH_ROW | {"metric": "matthews"}], base=BASE | {"license": "mit"}).data
    assert (data.base_model, data.datasets, data.license, data.metrics) == ("org/name", ["org/name"], "mit", ["matthews_correlation"])
    (result,) = data.eval_results
    assert (result.dataset_type, result.dataset_config, result.dataset_split) == ("org/name", "sst2", "validation")


def test_names_with_special_characters_break_neither_header_nor_tables(folder, options):
    odd = "a|b: `#1` *{{ 7 * 7 }}* <b>\n---"
    devices = {odd: {"runtime": "pytorch", "threads": 1}}
    dataset = DATASET | {"labels": [odd, "[x](y)"]}
    rows = [TORCH_ROW | {"device": odd, "machine": odd, "verdict": odd}]
    written = card(folder, options | {"devices": devices}, rows=rows, experiment=odd, dataset=dataset)
    (result,) = written.data.eval_results
    assert (result.dataset_name, result.metric_name) == (odd, f"accuracy on {odd}")
    shown = r"a\|b: \`\#1\` \*{{ 7 \* 7 }}\* \<b\> ---"
    assert written.text.startswith(f"\n# {shown}: teacher, seed 1\n")
    assert f"| {shown} | 86.1% (84.3%–87.8%) |" in written.text
    assert r"Labels: " + shown + r", \[x\](y)" in written.text


def test_no_card_tells_where_on_this_machine_something_lies(folder, options):
    source = options["dataset"] | {"files": {"train": "/home/me/private/texts.csv"}}
    text = card(folder, options | {"encoder": {"files": {"folder": "/home/me/encoders/mine"}}, "dataset": source}).content
    assert "/home" not in text
    assert str(folder) not in text
    assert "texts.csv" in text
    assert "the local folder “mine”" in text


def test_writing_twice_gives_the_same_bytes_and_touches_nothing_else(folder, options):
    before = {path.name for path in (folder / "model").iterdir()}
    contents = {(card(folder, options), (folder / "model" / "README.md").read_bytes())[1] for _ in range(2)}
    assert len(contents) == 1
    assert {path.name for path in (folder / "model").iterdir()} == before | {"README.md"}


def test_a_folder_that_is_gone_is_an_error_before_any_card_is_written(folder, options):
    named = {"form": "model", "variant": "teacher", "seed": 1, "steps": []}
    artifacts = [named | {"folder": str(folder / name)} for name in ("model", "gone")]
    with pytest.raises(UserError, match="gone.*the folder is gone; run the workflow again"):
        write_cards(experiment="mine", options=options, artifacts=artifacts, rows=[], dataset=DATASET, base=BASE)
    assert not (folder / "model" / "README.md").exists()


def test_a_model_that_learnt_with_rounding_says_for_how_many_bits_and_its_control_that_it_did_not(folder, options):
    said = card(folder, options, variant="teacher+aware8", rows=[]).text
    assert (
        "trained further for at most 1 epoch on the labels and on what “teacher” answers, rounded at each step as 8-bit quantization"
        in said
    )
    step = options["qat"]["aware8"] | {"bits": 32}
    control = options | {"qat": {"aware8-control": step}}
    assert "answers, without rounding: a control" in card(folder, control, variant="teacher+aware8-control", rows=[]).text
