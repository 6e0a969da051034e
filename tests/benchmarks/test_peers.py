"""A candidate's process answers in its own environment, and what a peer leaves or fails with is kept."""

import json
import math
import re
import sys
from pathlib import Path

import joblib
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline

from conftest import TINY_CSV
from encoder_compression.errors import UserError
from peers import candidates, inputs, making, measuring, ours
from peers.candidates import PEERS, REFERENCE, Candidate
from peers.making import Failed
from peers.remote import Worker

GOOD, BAD = "a fine film", "a dull film"


def fitted(folder: Path) -> Path:
    """Return the folder of a pipeline that knows one word of each class."""
    folder.mkdir()
    pipeline = make_pipeline(CountVectorizer(), MultinomialNB()).fit(["fine", "dull"], ["good", "bad"])
    joblib.dump(pipeline, folder / "pipeline.joblib")
    return folder


def worker(artifact: Path, *, loader: str = "sklearn_pipeline") -> Worker:
    return Worker(python=Path(sys.executable), loader=loader, artifact=artifact, inputs=artifact.parent, log=artifact.with_suffix(".log"))


@pytest.fixture
def environments(tmp_path, monkeypatch) -> Path:
    """A folder of environments, one of which needs no package and has a script."""
    folder = tmp_path / "described"
    (folder / "bare").mkdir(parents=True)
    (folder / "bare" / "requirements.txt").write_text("", encoding="utf-8")
    (folder / "bare" / "count.py").write_text("print(sum(1 for _ in open('train.csv')), file=open('rows', 'w'))\n", encoding="utf-8")
    monkeypatch.setattr(making, "ENVIRONMENTS", folder)
    monkeypatch.setattr(candidates, "ENVIRONMENTS", folder)
    return folder


@pytest.fixture
def study(tmp_path, dataset, encoder) -> Path:
    """A study of which the teacher and the data set are finished."""
    folder = tmp_path / "results" / "small"
    (folder / "teacher" / "seed1").mkdir(parents=True)
    (folder / "teacher" / "seed1" / "model").symlink_to(encoder)
    (folder / "dataset").symlink_to(dataset)
    return folder


def test_a_worker_labels_each_text_and_says_what_it_took(tmp_path):
    artifact = fitted(tmp_path / "fitted")
    with worker(artifact) as process:
        assert process.loaded(0) == pytest.approx((artifact / "pipeline.joblib").stat().st_size / 1e6)
        answer = process.ask([GOOD, BAD, GOOD])
        status = Path(f"/proc/{process.process.pid}/status").read_text(encoding="utf-8")
    assert answer["labels"] == ["good", "bad", "good"]
    assert all(0 < seconds < 60 for clock in ("wall", "processor") for seconds in answer[clock])
    assert answer["tokens_processor"] == [None] * 3  # the label comes of the text in one call
    assert answer["peak_mb"] == pytest.approx(int(re.search(r"VmHWM:\s+(\d+)", status)[1]) * 1024 / 1e6, rel=0.05)  # not of who started it


@pytest.mark.long
@pytest.mark.parametrize("exported", ["bert"], indirect=True)
def test_a_worker_reads_texts_by_the_artifacts_own_tokenizer(tmp_path, exported):
    folder, _ = exported
    (tmp_path / "facts.json").write_text(json.dumps({"labels": ["no", "yes"], "max_length": 16}), encoding="utf-8")
    answers = {}
    for loader, artifact in (("onnx_graph", folder / "onnx"), ("torch_model", folder / "model")):
        with Worker(python=Path(sys.executable), loader=loader, artifact=artifact, inputs=tmp_path, log=tmp_path / "log") as process:
            size = process.loaded(0)
            answers[loader] = process.ask([GOOD, BAD, "long " * 40])
        assert size > (artifact / "tokenizer.json").stat().st_size / 1e6
    assert answers["onnx_graph"]["labels"] == answers["torch_model"]["labels"]
    assert set(answers["onnx_graph"]["labels"]) <= {"no", "yes"}
    assert all(
        0 < tokens < whole
        for tokens, whole in zip(*(answers["onnx_graph"][name] for name in ("tokens_processor", "processor")), strict=True)
    )


def test_a_worker_that_cannot_load_says_why_in_one_line(tmp_path):
    (tmp_path / "empty").mkdir()
    with worker(tmp_path / "empty") as process, pytest.raises(Failed, match="^IndexError: list index out of range$"):
        process.loaded(0)


@pytest.mark.long
def test_candidates_take_turns_and_one_that_fails_costs_its_own_row_alone(tmp_path):
    (tmp_path / "empty").mkdir()
    workers = {
        "first": worker(fitted(tmp_path / "first")),
        "second": worker(fitted(tmp_path / "second")),
        "broken": worker(tmp_path / "empty"),
    }
    measured = measuring.measure(workers, "first", [GOOD, BAD] * 6, [GOOD], launches=2, rounds=3)
    assert measured["candidates"]["broken"] == {"error": "IndexError: list index out of range"}
    second = measured["candidates"]["second"]
    assert second["labels"] == ["good", "bad"] * 6 and second["changed"] == 0
    assert [len(start["ratios"][clock]) for start in second["starts"] for clock in ("processor", "wall", "first")] == [3] * 6
    assert all(
        start["ratios"] | {"processor": [0.0] * 3, "wall": [0.0] * 3, "first": [0.0] * 3} == start["ratios"]
        for start in measured["candidates"]["first"]["starts"]
    )
    assert len(measured["foreign_load"]) == 2


def test_nothing_is_compared_without_the_reference(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="teacher: IndexError.*; nothing can be compared without it"):
        measuring.measure({"teacher": worker(tmp_path / "empty")}, "teacher", [GOOD], [GOOD], launches=1, rounds=1)


def test_ratios_are_of_the_same_texts_without_the_first_call_of_a_round():
    slow = {
        "labels": ["a", "b", "a"],
        "processor": [9.0, 4.0, 6.0],
        "wall": [9.0, 8.0, 8.0],
        "tokens_processor": [1.0, 2.0, 2.0],
        "peak_mb": 5.0,
    }
    fast = {
        "labels": ["a", "b", "b"],
        "processor": [3.0, 2.0, 3.0],
        "wall": [3.0, 2.0, 2.0],
        "tokens_processor": [1.0, 1.0, 1.0],
        "peak_mb": 7.0,
    }
    measured = measuring.summarize([fast], [slow])
    logs = {"processor": 2, "wall": 4, "model": 2, "first": 3}  # the model alone: 2 / 1 and 4 / 2
    assert measured["ratios"] == {name: [pytest.approx(math.log(ratio), abs=1e-5)] for name, ratio in logs.items()}
    assert measured["ms"] == {"processor": 3000, "wall": 2000, "tokens_processor": 1000}
    assert measured["labels"] == ["a", "b", "b"] and measured["memory_mb"] == 7.0


@pytest.mark.long
def test_commands_run_beside_the_inputs_in_an_environment_of_their_own(tmp_path, environments, study):
    inputs.export(study, 1, tmp_path / "inputs")
    candidate = Candidate(
        "Bare, once", "bare", ("python count.py", "python -c 'import sys; print(sys.prefix)' > prefix"), "rows", "", "nothing"
    )
    made = making.make(candidate, tmp_path)
    folder = making.artifact_of(candidate, tmp_path).parent
    rows = len(inputs.read(tmp_path / "inputs" / "train.csv")[0])
    assert int((folder / "rows").read_text(encoding="utf-8")) == rows + 1  # and the header
    assert (folder / "prefix").read_text(encoding="utf-8").strip() == str(tmp_path / "environments" / "bare")
    assert 0 < made["minutes"] < 1 and made["install_minutes"] > 0 and made["versions"] == {}
    (folder / "rows").unlink()
    assert making.make(candidate, tmp_path) == made and not (folder / "rows").exists()  # it is made once


@pytest.mark.long
def test_a_command_that_fails_is_kept_with_the_line_that_says_why(tmp_path, environments, study):
    inputs.export(study, 1, tmp_path / "inputs")
    command = "python -c 'raise ValueError(\"no such model\")'; echo the end; exit 3"
    made = making.make(Candidate("broken", "bare", (command,), "", "", ""), tmp_path)
    assert made == {"error": "ValueError: no such model"}


def test_inputs_are_the_texts_and_labels_of_the_study(tmp_path, study):
    inputs.export(study, 1, tmp_path / "inputs")
    rows = dict(zip(*inputs.read(TINY_CSV), strict=True))
    splits = {split: inputs.read(tmp_path / "inputs" / f"{split}.csv") for split in inputs.SPLITS}
    facts = json.loads((tmp_path / "inputs" / "facts.json").read_text(encoding="utf-8"))
    assert {split: len(texts) for split, (texts, _) in splits.items()} == facts["rows"]
    for texts, labels in splits.values():
        assert [rows[text] for text in texts] == labels
    assert (tmp_path / "inputs" / "model" / "tokenizer.json").exists()


def test_a_study_without_a_teacher_is_refused_in_one_line(tmp_path, study):
    with pytest.raises(UserError, match="teacher/seed2/model/config.json: there is no such file; finish the study first"):
        inputs.export(study, 2, tmp_path / "inputs")


def test_minutes_of_a_variant_are_those_of_all_jobs_behind_it_but_the_teachers(tmp_path):
    study = tmp_path / "results" / "small"
    for folder, seconds, sources in (
        ("teacher/seed1/model", 1000, []),
        ("teacher/seed1/onnx", 5, ["teacher/seed1/model"]),
        ("teacher+half/seed1/model", 60, ["teacher/seed1/model", "teacher/seed1/soft_targets"]),
        ("teacher/seed1/soft_targets", 20, ["teacher/seed1/model"]),
        ("teacher+half/seed1/onnx", 5, ["teacher+half/seed1/model"]),
        ("teacher+half+int8/seed1/onnx", 10, ["teacher+half/seed1/onnx", "teacher+half/seed1/model"]),
    ):
        (study / folder).mkdir(parents=True)
        record = {"seconds": seconds, "inputs": {f"results/small/{source}": "digest" for source in sources}}
        (study / folder / "provenance.json").write_text(json.dumps(record), encoding="utf-8")
    assert ours.minutes(ours.study_row("teacher+half+int8", study, 1)) == pytest.approx((60 + 20 + 5 + 10) / 60)
    assert ours.minutes(REFERENCE) is None


def test_every_peer_has_pinned_packages_a_loader_and_the_scripts_that_it_runs():
    loaders = Path(candidates.__file__).parent / "loaders"
    for peer in PEERS:
        requirements = (candidates.ENVIRONMENTS / peer.environment / "requirements.txt").read_text(encoding="utf-8").split()
        assert requirements and all("==" in line for line in requirements), peer.name
        assert (loaders / f"{peer.loader}.py").exists(), peer.name
        named = [word for command in peer.commands for word in command.split() if word.endswith(".py")]
        assert [script.name for script in peer.scripts()] == named, peer.name
    assert len({peer.folder for peer in PEERS}) == len(PEERS)
