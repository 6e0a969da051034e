"""A card tells every step that made its artifact in words and tags, with the limits that the step brings."""

import pytest

from written_cards import DEVICES, ONNX_ROW, TORCH_ROW, card, empty_artifacts


@pytest.fixture(scope="module")
def options(tiny) -> dict:
    return tiny.options | {"devices": DEVICES}


@pytest.fixture
def folder(tmp_path):
    return empty_artifacts(tmp_path)


def test_updates_stand_in_words_and_tags(folder, options):
    written = card(folder, options, variant="lora4")
    assert "updates of rank 4 for the linear layers of the encoder and its head, trained for at most 1 epoch with all other" in written.text
    assert written.data.tags == ["lora", "encoder-compression"]
    step = options["lora"]["lora4"] | {"start": "pretrained", "targets": ["query", "value"], "training": {"steps": 300}}
    soft = {"hard": 0, "soft": 1, "hidden": 0, "relation": 0}
    taught = card(folder, options | {"lora": {"lora4": step | {"loss": soft}}}, variant="teacher+lora4").text
    assert "for the query, value layers of the encoder and a new head, trained for 300 steps on the labels and on what “teacher”" in taught


def test_the_steps_stand_in_words_and_tags_and_bring_their_limits(folder, options):
    written = card(folder, options, "onnx", "teacher+even1+magnitude60+int8")
    assert "a student that keeps 1 layer (even), trained for at most 1 epoch on the labels and on what “teacher” answers" in written.text
    assert "answers, with unlabeled text" in written.text
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
    (folder / "onnx" / "sensitivity.csv").write_text(
        "product,loss,kept_in_float\ncontraction.1,0.2,True\nquery.1,0.1,False\n", encoding="utf-8"
    )
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


def test_a_model_that_learnt_with_rounding_says_for_how_many_bits_and_its_control_that_it_did_not(folder, options):
    said = card(folder, options, variant="teacher+aware8", rows=[]).text
    assert (
        "trained further for at most 1 epoch on the labels and on what “teacher” answers, rounded at each step as 8-bit quantization"
        in said
    )
    step = options["qat"]["aware8"] | {"bits": 32}
    control = options | {"qat": {"aware8-control": step}}
    assert "answers, without rounding: a control" in card(folder, control, variant="teacher+aware8-control", rows=[]).text


UNTRAINED = {"training": {"epochs": 0}}


def untrained(options: dict) -> dict:
    """Return options whose teacher keeps the head that its encoder came with."""
    return options | {"finetune": {"teacher": options["finetune"]["teacher"] | UNTRAINED}}


@pytest.mark.parametrize(("form", "variant"), [("model", "teacher"), ("onnx", "teacher+int8")])
def test_the_card_of_a_model_that_was_only_measured_does_not_speak_of_its_training(folder, options, form, variant):
    hub = {"id": "org/name", "revision": "a" * 40, "name": "sst2", "splits": {"train": "train", "test": "validation"}}
    given = untrained(options) | {"dataset": options["dataset"] | {"hub": hub}}
    written = card(folder, given, form, variant, rows=[ONNX_ROW | {"variant": variant}] if form == "onnx" else (TORCH_ROW,))
    assert "1. **teacher**: the encoder with the head that it came with.\n" in written.text
    assert "No weight of this artifact was trained on these data" in written.text
    assert "7,940 sentences of the split for training" in written.text
    assert "- Tested on this one data set" in written.text
    assert "- No training run of this study: the interval of the score says what other test texts could change.\n" in written.text
    assert written.data.datasets is None
    for claim in ("## Training data", "Trained", "trained on the labels", "training run, with", "new head"):
        assert claim not in written.text


def test_a_step_that_fits_weights_makes_the_data_training_data_again(folder, options):
    written = card(folder, untrained(options), variant="teacher+even1", rows=[])
    assert "## Training data" in written.text and "- Trained on this one data set" in written.text
    assert "One training run, with seed 1" in written.text
