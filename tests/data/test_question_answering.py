"""Questions on a text: the answers are found where the file says, trained, distilled, measured and counted as whole questions."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional

from conftest import ROOT, make_encoder
from encoder_compression.data import tasks
from encoder_compression.data.dataset import prepare_dataset
from encoder_compression.data.tasks import question_answering
from encoder_compression.encoders import pretrained
from encoder_compression.errors import UserError
from encoder_compression.export import onnx_graph, openvino_model
from encoder_compression.measurement.measure import measure
from encoder_compression.runtimes.workload import Workload
from encoder_compression.statistics import quality
from encoder_compression.teaching.soft_targets import predict_soft_targets
from encoder_compression.techniques.finetune import finetune
from encoder_compression.training.losses import soft_target_loss, span_loss
from encoder_compression.training.train import Goal
from measuring_options import ONNX, OPTIONS, PYTORCH
from short_training import TRAINING
from trained_students import run_distill

TINY = ROOT / "tests/data/tiny_squad.json"
COLUMNS = {name: name for name in ("id", "question", "context", "answers")} | {"group": "title"}


def prepare(folder, encoder, source=TINY, **changes) -> dict:
    options = {"files": {"train": str(source)}, "format": {}, "columns": COLUMNS, "split": {"validation": 0.2, "test": 0.25}}
    prepare_dataset(options=options | {"max_length": 64, "stride": 16} | changes, task="question-answering", encoder=encoder, output=folder)
    return json.loads((folder / "dataset.json").read_text(encoding="utf-8"))


def questions(**changes) -> pd.DataFrame:
    """Return the small questions as a table with the hub's columns."""
    rows = [
        {"id": question["id"], "title": article["title"], "context": paragraph["context"], "question": question["question"]}
        | {"answers": {name: [answer[name] for answer in question["answers"]] for name in ("text", "answer_start")}}
        for article in json.loads(TINY.read_text(encoding="utf-8"))["data"]
        for paragraph in article["paragraphs"]
        for question in paragraph["qas"]
    ]
    return pd.DataFrame(rows).assign(**changes)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return make_encoder(tmp_path_factory.mktemp("base"), positions=80)


@pytest.fixture(scope="module")
def study(tmp_path_factory, base):
    """A teacher, its soft targets and a student distilled from logits and hidden states."""
    folder = tmp_path_factory.mktemp("questions")
    prepare(folder / "dataset", base)
    goal = Goal(dataset=folder / "dataset", metric="f1", seed=1, name="test")
    teacher = {"training": TRAINING}
    finetune(encoder=base, goal=goal, options=teacher, model=folder / "model", curve=folder / "training.csv")
    (folder / "model/provenance.json").write_text(json.dumps({"facts": {"validation_score": 1.0}}), encoding="utf-8")
    predict_soft_targets(teacher=folder / "model", dataset=goal.dataset, output=folder / "soft_targets", name="test")
    options = {"layers": "even", "keep": 1, "start": "finetuned", "gate": 0, "temperature": 2.0, "training": TRAINING}
    run_distill(
        teacher=folder / "model",
        encoder=base,
        goal=goal,
        options=options | {"loss": {"hard": 0.2, "soft": 0.7, "hidden": 0.1, "relation": 0}},
        folder=folder / "student",
        soft_targets=folder / "soft_targets",
    )
    return folder


def test_every_form_of_squad_gives_the_same_data_set(tmp_path, base):
    table = questions()
    table.to_parquet(tmp_path / "hub.parquet")
    table.to_json(tmp_path / "lines.jsonl", orient="records", lines=True)
    for index, source in enumerate((TINY, tmp_path / "hub.parquet", tmp_path / "lines.jsonl")):
        prepare(tmp_path / f"dataset{index}", base, source)
        for name in ("train.parquet", "test_questions.parquet"):
            expected = pd.read_parquet(tmp_path / "dataset0" / name)
            pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / f"dataset{index}" / name), expected)


def test_the_labelled_tokens_of_every_window_are_the_answer(study):
    text = pd.read_parquet(study / "dataset/train_questions.parquet").set_index("id")
    windows = pd.read_parquet(study / "dataset/train.parquet")
    held = windows[windows["start_position"] > 0]
    assert len(windows) > len(text) and held["id"].nunique() == len(text)  # long contexts were cut, no answer was lost
    for row in held.itertuples():
        first, last = row.start_position - row.context_first, row.end_position - row.context_first
        assert text["context"][row.id][row.token_starts[first] : row.token_ends[last]] == text["answers"][row.id][0]


def test_an_article_is_in_one_split_only(study):
    groups = [set(pd.read_parquet(study / f"dataset/{split}_questions.parquet")["group"]) for split in ("train", "validation", "test")]
    assert sum(map(len, groups)) == len(set().union(*groups)) == 8


def test_questions_on_a_text_of_the_test_split_are_taken_out_of_train(tmp_path, base):
    table = questions()
    shared = table["context"] == table["context"][0]
    table[shared].head(1).to_parquet(tmp_path / "test.parquet")
    files = {"train": str(TINY), "test": str(tmp_path / "test.parquet")}
    described = prepare(tmp_path / "dataset", base, files=files)
    assert described["dropped"]["train"]["also in test"] == shared.sum()
    assert described["rows"]["test"] == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"context": lambda rows: " " + rows["context"]},
            "have an answer that is not at its offset in the context: {0}, {1}, {2}; mend them",
        ),
        ({"id": "same"}, "have the id of an earlier one: same, same, same; mend them"),
        ({"question": ""}, "have an empty question or context: {0}, {1}, {2}; mend them"),
        ({"answers": "in the text"}, "split 'train' has answers such as 'in the text'; give {{text: […], answer_start: […]}}"),
        ({"answers": None}, "has no answers in 'answers', not even empty ones"),
    ],
)
def test_wrong_questions_are_one_line_with_their_count_and_the_first_three(tmp_path, base, changes, message):
    questions(**changes).to_json(tmp_path / "table.jsonl", orient="records", lines=True)
    with pytest.raises(UserError) as error:
        prepare(tmp_path / "dataset", base, tmp_path / "table.jsonl")
    assert message.format(*questions()["id"]) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_column_is_told_with_what_there_is(tmp_path, base):
    with pytest.raises(UserError) as error:
        prepare(tmp_path / "dataset", base, columns=COLUMNS | {"group": "titel"})
    told = "no column 'titel' for the group; did you mean 'title'?; where there are no groups, take the column of the context"
    assert told in str(error.value)


def test_padding_is_no_choice_in_the_loss_towards_labels():
    logits, positions = torch.randn(3, 2, 9), torch.tensor([[1, 2], [0, 0], [4, 4]])
    attention_mask = torch.tensor([[1] * 5 + [0] * 4] * 3)
    expected = functional.cross_entropy(logits[..., :5].reshape(6, 5), positions.flatten())
    assert span_loss(logits, positions, attention_mask) == pytest.approx(expected.item())
    logits[..., 5:] += 50
    assert span_loss(logits, positions, attention_mask) == pytest.approx(expected.item())


def test_soft_targets_count_over_valid_positions_alone():
    student, teacher = torch.randn(3, 2, 9, requires_grad=True), torch.randn(3, 2, 9)
    valid = torch.tensor([0, 4, 5, 6])
    masked = torch.full_like(teacher, -torch.inf).index_copy(2, valid, teacher[..., valid])
    loss = soft_target_loss(student, masked, 2.0)
    short, reference = (functional.log_softmax(one[..., valid].reshape(6, 4) / 2, -1) for one in (student, teacher))
    assert loss.item() == pytest.approx(4 * functional.kl_div(short, reference, reduction="batchmean", log_target=True).item(), rel=1e-5)
    loss.backward()
    assert (student.grad[..., [1, 2, 3, 7, 8]] == 0).all() and student.grad.isfinite().all()


def test_a_teacher_gives_soft_targets_where_an_answer_can_be_and_nowhere_else(study):
    windows = pd.read_parquet(study / "dataset/train.parquet")
    targets = pd.read_parquet(study / "soft_targets/logits.parquet")
    assert targets["id"].tolist() == windows["id"].tolist()
    for row, logits in zip(windows.itertuples(), targets["logits"], strict=True):
        logits = np.stack(logits)
        context = np.arange(row.context_first, row.context_first + len(row.token_starts))
        assert logits.shape == (2, len(row.input_ids))
        assert np.flatnonzero(np.isfinite(logits).all(axis=0)).tolist() == [0, *context]


def test_a_student_learns_from_starts_ends_and_hidden_states(study):
    curve = pd.read_csv(study / "student/training.csv")
    assert curve[["loss_hard", "loss_soft", "loss_hidden"]].dropna().gt(0).all(axis=None)
    student = pretrained.load_model(study / "student/model")
    assert student.config.num_hidden_layers == 1 and hasattr(student, "qa_outputs")


def test_one_call_answers_one_question_with_all_its_windows(study):
    work = Workload(study / "dataset")
    windows = pd.read_parquet(study / "dataset/test.parquet")
    counts = windows.groupby("id", sort=False).size()
    assert counts.max() > 1
    assert [len(work.single(index)["input_ids"]) for index in range(len(counts))] == counts.tolist()
    assert sorted(np.concatenate(work.sample(len(counts)))) == list(range(len(windows)))


@pytest.fixture(scope="module")
def row(study, tmp_path_factory):
    """The measurement and the predictions of the teacher in PyTorch."""
    return measure_row(study, tmp_path_factory.mktemp("row"), "model", PYTORCH)


def test_throughput_counts_questions_and_not_windows(study, row):
    measured, predicted = row
    counts = pd.read_parquet(study / "dataset/test.parquet").groupby("id").size()
    assert [one["examples"] for one in measured["throughput"]] == [8, 8]
    assert len(predicted) == len(counts) < counts.sum()
    assert predicted["tokens"].sum() == pd.read_parquet(study / "dataset/test.parquet")["input_ids"].map(len).sum()


def test_runtimes_give_the_same_answers(study, row, tmp_path):
    _, torch_rows = row
    onnx_graph.export(model=study / "model", options={"opset": 18, "tolerance": 1e-4}, output=tmp_path / "onnx")
    openvino_model.convert(model=study / "model", graph=tmp_path / "onnx", options={"tolerance": 1e-4}, output=tmp_path / "openvino")
    for form, device in (("onnx", ONNX), ("openvino", ONNX | {"runtime": "openvino"})):
        _, rows = measure_row(study, tmp_path, tmp_path / form, device)
        assert torch_rows["prediction"].tolist() == rows["prediction"].tolist()


def measure_row(study, folder, form, device) -> tuple[dict, pd.DataFrame]:
    measure(
        artifact=study / form,
        device=device,
        partner=None,
        dataset=study / "dataset",
        options=OPTIONS | {"metric": "f1", "grid": OPTIONS["grid"] | {"batch_sizes": []}},
        timed_as=None,
        measurement=folder / "measurement.json",
        predictions=folder / "predictions.parquet",
        name="test",
    )
    return json.loads((folder / "measurement.json").read_text(encoding="utf-8")), pd.read_parquet(folder / "predictions.parquet")


def test_where_some_questions_have_no_answer_validation_chooses_the_threshold(study, base, tmp_path):
    table = questions()
    none = {"text": [], "answer_start": []}
    table["answers"] = [none if index % 2 else answers for index, answers in enumerate(table["answers"])]
    table.to_json(tmp_path / "table.jsonl", orient="records", lines=True)
    described = prepare(tmp_path / "dataset", base, tmp_path / "table.jsonl")
    assert described["unanswerable"]
    (tmp_path / "model").symlink_to(study / "model")
    measured, predicted = measure_row(tmp_path, tmp_path, "model", PYTORCH)
    silent = predicted["prediction"] == ""
    assert (predicted["null_odds"][silent] > measured["null_threshold"]).all()
    assert (predicted["null_odds"][~silent] <= measured["null_threshold"]).all()
    validation = tasks.describe(tmp_path / "dataset")["rows"]["validation"]
    assert quality.score(question_answering, "f1", [[]] * validation, [""] * validation) == 1


def test_the_threshold_is_the_best_of_validation_and_is_applied_to_test():
    validation = {"label": [["a b"], [], ["c"]], "prediction": ["a b", "x", "c"], "null_odds": [-3.0, 2.0, -1.0]}
    test = {"label": [[], ["d"]], "prediction": ["x", "d"], "null_odds": [0.4, 0.6]}
    tuned, facts = question_answering.tune(test, validation, "f1")
    assert -1 <= facts["null_threshold"] < 2
    assert tuned["prediction"] == ["x" if facts["null_threshold"] >= 0.4 else "", "d" if facts["null_threshold"] >= 0.6 else ""]


def test_questions_on_one_article_are_resampled_together():
    labels, groups = [["x"]] * 40, np.repeat(["one", "two", "three", "four"], 10)
    alike = ["x"] * 20 + ["y"] * 20  # an article is all right or all wrong
    together = quality.score_replicates(question_answering, "f1", labels, alike, groups=groups)
    alone = quality.score_replicates(question_answering, "f1", labels, alike, groups=np.arange(40))
    assert together.mean() == pytest.approx(0.5, abs=0.03) and set(together) == {0, 0.25, 0.5, 0.75, 1}
    assert together.std() > 2.5 * alone.std()
