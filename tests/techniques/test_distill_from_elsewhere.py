"""A student of another architecture and tokenizer learns from soft targets alone; what asks its teacher itself needs the same tokens."""

import json

import pytest

import corpora
from conftest import ROOT, TINY_CSV, Workspace, make_encoder
from encoder_compression.data.dataset import prepare_dataset
from encoder_compression.encoders import pretrained
from encoder_compression.errors import UserError
from encoder_compression.run import provenance
from encoder_compression.teaching.elsewhere import matched_layers
from encoder_compression.teaching.fitted_targets import fit_logits
from encoder_compression.teaching.soft_targets import predict_soft_targets
from encoder_compression.techniques.finetune import finetune
from encoder_compression.training.train import Goal
from short_training import TRAINING
from trained_students import run_distill

TEACHER = {"experiment": "big", "variant": "teacher", "seed": 1}
OPTIONS = {"gate": 0, "keep": 3, "start": "finetuned", "temperature": 2.0, "training": TRAINING, "teacher": TEACHER}
QUESTIONS = ROOT / "tests/data/tiny_squad.json"
COLUMNS = {name: name for name in ("id", "question", "context", "answers")} | {"group": "title"}
SOFT = {"hard": 0.2, "soft": 0.8, "hidden": 0, "relation": 0}


def prepare(folder, encoder, tiny, **changes) -> Goal:
    options = tiny.options["dataset"] | {"files": {"train": str(TINY_CSV)}} | changes
    prepare_dataset(options=options, task="classification", encoder=encoder, output=folder)
    return Goal(dataset=folder, metric="accuracy", seed=1, name="test")


@pytest.fixture(scope="module")
def big(tmp_path_factory, tiny):
    """A fine-tuned RoBERTa of three layers with its soft targets, in an experiment of its own."""
    folder = tmp_path_factory.mktemp("big")
    encoder = make_encoder(folder / "encoder", "roberta", layers=3, hidden_size=48)
    goal = prepare(folder / "dataset", encoder, tiny)
    facts = finetune(encoder=encoder, goal=goal, options={"training": TRAINING}, model=folder / "model", curve=folder / "training.csv")
    provenance.write(folder / "model", options={}, inputs={}, seconds=0, facts=facts)
    predict_soft_targets(teacher=folder / "model", dataset=goal.dataset, output=folder / "soft_targets", name="test")
    return folder


def distil(folder, big, encoder, goal, loss: dict, **inputs) -> dict:
    options = OPTIONS | {"loss": SOFT | loss}
    return run_distill(teacher=big / "model", encoder=encoder, goal=goal, options=options, folder=folder, parent=None, **inputs)


def fitted(folder, big, goal):
    source = {"logits": big / "soft_targets", "read": big / "dataset", "labels": big / "dataset"}
    fit_logits(**source, rows=goal.dataset, dataset=goal.dataset, output=folder)
    return folder


def test_a_bert_of_all_its_layers_learns_from_a_roberta(tmp_path, big, encoder, tiny):
    goal = prepare(tmp_path / "dataset", encoder, tiny, max_length=16)
    targets = fitted(tmp_path / "fitted", big, goal)
    facts = distil(tmp_path, big, encoder, goal, {}, soft_targets=targets)
    config = json.loads((tmp_path / "model/config.json").read_text(encoding="utf-8"))
    assert (config["model_type"], config["num_hidden_layers"], config["hidden_size"]) == ("bert", 2, 32)
    assert facts["start"] == "pretrained"
    assert facts["teacher_fingerprint"] == provenance.fingerprint(big / "model")
    header, first, *_ = (tmp_path / "training.csv").read_text(encoding="utf-8").splitlines()
    assert float(dict(zip(header.split(","), first.split(","), strict=True))["loss_soft"]) > 0


@pytest.mark.parametrize("loss", [{"hidden": 0.5}, {"relation": 0.5}])
def test_hidden_states_and_relations_of_another_tokenizer_are_refused(tmp_path, big, encoder, dataset, loss):
    goal = Goal(dataset=dataset, metric="accuracy", seed=1, name="test")
    message = (
        r"the teacher .*model has another vocabulary than .*, so it cannot read the student's tokens; give the loss 'hard' and 'soft' alone"
    )
    with pytest.raises(UserError, match=message):
        distil(tmp_path, big, encoder, goal, loss)


def test_where_the_tokens_are_the_same_a_narrower_and_shallower_student_is_compared_in_even_steps(tmp_path, big, tiny):
    """The hidden states through a projection, the relations as they are; the map to a stranger's layers is not recorded."""
    encoder = make_encoder(tmp_path / "encoder", "roberta", layers=2, hidden_size=32)
    goal = prepare(tmp_path / "dataset", encoder, tiny)
    targets = fitted(tmp_path / "fitted", big, goal)
    facts = distil(tmp_path, big, encoder, goal, {"hidden": 0.3, "relation": 0.3}, soft_targets=targets)
    header, first, *_ = (tmp_path / "training.csv").read_text(encoding="utf-8").splitlines()
    row = dict(zip(header.split(","), first.split(","), strict=True))
    assert all(float(row[f"loss_{term}"]) > 0 for term in ("hard", "soft", "hidden", "relation"))
    assert facts["layer_map"] == {}
    assert matched_layers("spread", 2, big / "model") == [2, 3]


def test_soft_targets_from_files_need_no_teacher(tmp_path, big, encoder, tiny):
    goal = prepare(tmp_path / "dataset", encoder, tiny)
    options = OPTIONS | {"loss": SOFT, "soft_targets": {"files": {"train": "given.csv"}}}
    inputs = {"parent": None, "soft_targets": fitted(tmp_path / "fitted", big, goal)}
    facts = run_distill(teacher=None, encoder=encoder, goal=goal, options=options, folder=tmp_path, **inputs)
    assert "teacher_fingerprint" not in facts and facts["start"] == "pretrained"
    assert len(pretrained.layers(pretrained.load_model(tmp_path / "model"))) == 2


def test_a_teacher_of_elsewhere_must_reach_its_gate_too(tmp_path, big, encoder, dataset):
    goal = Goal(dataset=dataset, metric="accuracy", seed=1, name="test")
    options = OPTIONS | {"loss": SOFT, "gate": 1.1}
    with pytest.raises(UserError, match="below its gate of 1.1"):
        run_distill(teacher=big / "model", encoder=encoder, goal=goal, options=options, folder=tmp_path, parent=None)


def test_on_a_corpus_a_teacher_of_the_same_tokens_answers_beside_its_student(tmp_path):
    """The logits of words are not kept, so a teacher of another vocabulary is refused."""
    encoder = corpora.make_encoder(tmp_path / "encoder", layers=1)
    goal = corpora.make_goal(encoder, tmp_path / "dataset")
    corpora.tuned(tmp_path, corpora.make_encoder(tmp_path / "big", hidden_size=48), goal, epochs=1)
    options = OPTIONS | {"loss": SOFT, "training": corpora.TRAINING | {"epochs": 1}}
    run_distill(teacher=tmp_path / "model", encoder=encoder, goal=goal, options=options, folder=tmp_path / "small", parent=None)
    header, first, *_ = (tmp_path / "small/training.csv").read_text(encoding="utf-8").splitlines()
    assert float(dict(zip(header.split(","), first.split(","), strict=True))["loss_soft"]) > 0
    stranger = corpora.make_encoder(tmp_path / "stranger", vocabulary_size=300)
    provenance.write(stranger, options={}, inputs={}, seconds=0, facts={"validation_score": 1.0})
    with pytest.raises(UserError, match="has another vocabulary than .*, so it cannot read the student's tokens"):
        run_distill(teacher=stranger, encoder=encoder, goal=goal, options=options, folder=tmp_path / "refused", parent=None)


@pytest.mark.long
def test_a_student_learns_spans_of_its_own_tokens_from_those_of_a_teacher(tmp_path):
    """The soft term has the whole mass of the teacher's starts and ends, and so is finite where the tokens are others."""
    encoders = {kind: make_encoder(tmp_path / kind, kind, positions=400) for kind in ("bert", "roberta")}
    goals = {kind: Goal(dataset=tmp_path / f"{kind}-data", metric="f1", seed=1, name="test") for kind in encoders}
    for kind, goal in goals.items():
        options = {"files": {"train": str(QUESTIONS)}, "format": {}, "columns": COLUMNS, "split": {"validation": 0.2, "test": 0.25}}
        options |= {"max_length": 128, "stride": 32}
        prepare_dataset(options=options, task="question-answering", encoder=encoders[kind], output=goal.dataset)
    theirs, ours = goals["roberta"], goals["bert"]
    given = {"encoder": encoders["roberta"], "goal": theirs, "options": {"training": TRAINING}}
    facts = finetune(**given, model=tmp_path / "model", curve=tmp_path / "training.csv")
    provenance.write(tmp_path / "model", options={}, inputs={}, seconds=0, facts=facts)
    predict_soft_targets(teacher=tmp_path / "model", dataset=theirs.dataset, output=tmp_path / "logits", name="test")
    source = {"logits": tmp_path / "logits", "read": theirs.dataset, "labels": theirs.dataset}
    fit_logits(**source, rows=ours.dataset, dataset=ours.dataset, output=tmp_path / "fitted")
    distil(tmp_path / "small", tmp_path, encoders["bert"], ours, {}, soft_targets=tmp_path / "fitted")
    header, first, *_ = (tmp_path / "small/training.csv").read_text(encoding="utf-8").splitlines()
    assert 0 < float(dict(zip(header.split(","), first.split(","), strict=True))["loss_soft"]) < 100


BIG = """
encoder: {random: {architecture: roberta, vocabulary_from: tests/data/tiny.csv, positions: 128}}
dataset: {files: {train: tests/data/tiny.csv}, split: {validation: 0.2, test: 0.25}, max_length: 64}
finetune: {teacher: {training: {epochs: 1, learning_rate: 1.0e-3, batch_size: 8}}}
variants: [teacher]
"""
SMALL = """
encoder: {random: {architecture: bert, vocabulary_of_train: true}}
dataset: {files: {train: tests/data/tiny.csv}, split: {validation: 0.2, test: 0.25}, max_length: 32}
distill:
  small: {teacher: {experiment: big, variant: teacher}, gate: 0, training: {epochs: 1, learning_rate: 1.0e-3, batch_size: 8}}
variants: [small, small+int8]
baseline: {variant: small-control}
"""


@pytest.fixture
def two(tmp_path) -> Workspace:
    """A workspace with the experiments big and small."""
    workspace = Workspace(tmp_path, experiment="small")
    for name, text in (("big", BIG), ("small", SMALL)):
        (workspace.folder / f"config/experiments/{name}.yaml").write_text(text, encoding="utf-8")
    return workspace


@pytest.mark.long
def test_the_jobs_of_both_experiments_are_planned_as_one(two):
    done = two.run("-n", "--cores", "2")
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    rules = [(block.split(":")[0], block.split("wildcards: ")[-1].split(",")[0].split("\n")[0]) for block in output.split("\nrule ")[1:]]
    big = ["finetune", "predict_soft_targets", "prepare_dataset", "prepare_encoder"]
    assert sorted(rule for rule, wildcards in rules if wildcards == "experiment=big") == big
    assert {"fit_soft_targets", "distill", "quantize", "measure"} <= {rule for rule, wildcards in rules if wildcards == "experiment=small"}


@pytest.mark.long
def test_a_study_of_two_experiments_runs_to_its_report(two):
    done = two.run("--cores", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    summary = (two.folder / "results/small/summary.md").read_text(encoding="utf-8")
    assert "small learns from teacher of big; its training seconds and steps leave that training out" in summary
    assert not (two.folder / "results/big/report.html").exists()
