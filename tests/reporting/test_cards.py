"""Each artifact carries a card that the hub can read, whose figures are the measured ones."""

import pytest

from encoder_compression.errors import UserError
from encoder_compression.reporting.cards import write_cards
from written_cards import BASE, DATASET, DEVICES, ONNX_ROW, TORCH_ROW, card, empty_artifacts


@pytest.fixture(scope="module")
def options(tiny) -> dict:
    return tiny.options | {"devices": DEVICES}


@pytest.fixture
def folder(tmp_path):
    return empty_artifacts(tmp_path)


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
    assert "| cpu-pytorch | 3.50 | 3.60 | 2.00 | 197 | 91 | 22.7 | 16.3 |" in text
    assert "- cpu-pytorch: 1 thread, measured on AMD EPYC, 2 cores\n" in text
    assert "- cpu-pytorch: as good as its teacher.\n" in text
    assert "7,940 sentences for training" in text


def test_the_card_of_compressed_weights_has_their_size_and_says_where_the_rest_was_measured(folder, options):
    text = card(folder, options, "compressed", "teacher+magnitude60", rows=[TORCH_ROW | {"variant": "teacher+magnitude60"}]).text
    assert text.startswith("\n# mine: teacher+magnitude60, seed 1 (compressed)\n")
    assert "| cpu-pytorch | 3.50 | 3.60 | 2.00 | 197 | 64.3 | 22.7 | 16.3 |" in text
    assert "All but the size was measured on the same weights in `model/`." in text
    assert "The zeros of pruning save space in this file alone" in text


def test_an_artifact_without_a_row_says_that_it_was_not_measured(folder, options):
    written = card(folder, options, "model", rows=[ONNX_ROW])
    assert "**This artifact was not measured itself.**" in written.text
    assert written.data.eval_results is None
    assert "75.0%" not in written.text


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
