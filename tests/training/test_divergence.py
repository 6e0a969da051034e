"""A training that leaves the finite numbers ends with one line, and nothing that is not finite is chosen, published or measured."""

import csv
import shutil
from importlib import import_module
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import TrainingArguments

from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.errors import UserError
from encoder_compression.measurement.worker import Worker
from encoder_compression.run import provenance
from encoder_compression.search.choice import choose
from encoder_compression.search.trials import work
from encoder_compression.statistics import quality
from encoder_compression.study.nested import merge
from encoder_compression.study.techniques import WITH_CONTROL
from encoder_compression.teaching.distillation import require_gate
from encoder_compression.teaching.soft_targets import predict_soft_targets
from encoder_compression.techniques import finetune
from encoder_compression.techniques.average import average
from encoder_compression.training import artifacts
from encoder_compression.training.divergence import Diverged, DivergenceGuard
from encoder_compression.training.losses import soft_target_loss
from encoder_compression.training.resume import last_complete_checkpoint
from encoder_compression.training.train import Goal, validate
from own_experiments import TINY, load_options

TRAINING = {
    "epochs": 3,
    "learning_rate": 1e30,
    "batch_size": 8,
    "accumulation": 1,
    "warmup": 0,
    "weight_decay": 0.01,
    "patience": 3,
    "precision": "float32",
}
ENDLESS = {name: value for name, value in TRAINING.items() if name != "epochs"}
TEACHING = {"gate": 0, "temperature": 2, "loss": {"hard": 0.5, "soft": 0.5, "hidden": 0, "relation": 0}}
ONE_LINE = r"^training: the l[^\n]* last finite in step \d+, with learning_rate 1e\+30; lower learning_rate or give a longer warmup$"


@pytest.fixture
def goal(dataset) -> Goal:
    return Goal(dataset=dataset, metric="accuracy", seed=1, name="test")


@pytest.fixture(scope="module")
def parent(tmp_path_factory, encoder) -> Path:
    """A classifier in a folder, as a teacher of any score."""
    folder = tmp_path_factory.mktemp("parent") / "model"
    model = pretrained.add_head(encoder, "AutoModelForSequenceClassification", {"num_labels": 2})
    pretrained.save(model, encoder_facts.load_tokenizer(encoder), folder)
    provenance.write(folder, options={}, inputs={}, seconds=0, facts={"validation_score": 0.5})
    return folder


@pytest.fixture
def broken(tmp_path, parent) -> Path:
    """The same with a NaN in the bias of its head."""
    folder = tmp_path / "broken"
    shutil.copytree(parent, folder)
    weights = load_file(folder / "model.safetensors")
    weights["classifier.bias"][1] = torch.nan
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


def call_finetune(encoder, goal, folder, training) -> dict:
    folder.mkdir(exist_ok=True)
    options = {"training": training}
    return finetune.finetune(encoder=encoder, goal=goal, options=options, model=folder / "model", curve=folder / "training.csv")


@pytest.mark.parametrize("length", [{"epochs": 2}, {"steps": 7}, {"steps": 2}, {"seconds": 5}], ids=str)
@pytest.mark.parametrize("accumulation", [1, 4])
def test_a_diverged_training_ends_with_one_line_and_no_model(encoder, goal, tmp_path, length, accumulation):
    with pytest.raises(Diverged, match=ONE_LINE):
        call_finetune(encoder, goal, tmp_path, ENDLESS | length | {"accumulation": accumulation})
    assert not (tmp_path / "model").exists()
    assert not list(tmp_path.glob("checkpoints/checkpoint-*"))


@pytest.mark.parametrize(
    "changes", [{"learning_rate": 1e38}, {"learning_rate": 1e12, "weight_decay": 1e8}, {"precision": "bfloat16"}], ids=str
)
def test_other_ways_to_diverge_end_with_one_line_too(encoder, goal, tmp_path, changes):
    with pytest.raises(Diverged, match="^training: the l[^\n]*lower learning_rate") as error:
        call_finetune(encoder, goal, tmp_path, TRAINING | changes)
    assert ("or take precision float32" in str(error.value)) == ("precision" in changes)


def of_technique(technique: str, parent: Path, encoder: Path, goal: Goal, folder: Path, training: dict) -> dict:
    """Run one step with a teacher on the parent."""
    module = import_module(f"encoder_compression.techniques.{technique}")
    options = TEACHING | {"training": training}
    shared = {"parent": parent, "teacher": parent, "goal": goal, "soft_targets": None}
    outputs = {"model": folder / "model", "curve": folder / "training.csv"}
    more = {
        "distill": {"encoder": encoder, "start": None, "unlabelled": None, "unlabelled_targets": None},
        "lora": {"encoder": encoder, "adapter": folder / "adapter"},
        "shrink": {"times": None},
        "static": {"unlabelled": None, "unlabelled_targets": None},
    }
    own = {
        "distill": {"layers": [1], "keep": 1, "start": "best"},
        "lora": {"rank": 4, "alpha": 8, "dropout": 0.1, "targets": "all", "dora": False, "qlora": False, "start": "finetuned"},
        "shrink": {"remove": 0.3, "score": "fisher", "calibration": 16, "correct": True},
        "prune": {"sparsity": 0.5, "parts": ["encoder"], "scope": "global", "score": "magnitude"}
        | {"ramp": {"start": 0, "share": 0.9, "every": 1}},
        "qat": {"bits": 8, "block": 32},
        "static": {"dimensions": 4, "unlabelled": False},
    }
    return getattr(module, technique)(**shared, **outputs, **more.get(technique, {}), options=options | own[technique])


@pytest.mark.parametrize("technique", WITH_CONTROL)
def test_every_technique_that_trains_stops_when_it_diverges(technique, parent, encoder, goal, tmp_path):
    with pytest.raises(Diverged, match=ONE_LINE):
        of_technique(technique, parent, encoder, goal, tmp_path, TRAINING)
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("technique", [technique for technique in WITH_CONTROL if technique != "static"])  # which has weights of its own
def test_a_parent_that_is_not_finite_is_refused_without_any_training(technique, broken, encoder, goal, tmp_path):
    training = TRAINING | {"epochs": 0}
    if technique == "prune":
        training |= {"epochs": 1}  # its ramp needs steps
    with pytest.raises(UserError, match="not finite[^\n]*take finite weights to start from"):
        of_technique(technique, broken, encoder, goal, tmp_path, training)


def test_the_line_names_the_last_finite_step(encoder, goal, tmp_path, monkeypatch):
    """The loss of the fourth step is made infinite; nothing after it is logged or saved."""
    objective = finetune.objectives.from_labels
    calls = iter(range(1, 1000))
    monkeypatch.setattr(
        finetune.objectives,
        "from_labels",
        lambda model, batch: {"hard": objective(model, batch)["hard"] * (torch.inf if next(calls) == 4 else 1)},
    )
    with pytest.raises(Diverged, match="last finite in step 3, with learning_rate 0.001; lower"):
        call_finetune(encoder, goal, tmp_path, TRAINING | {"learning_rate": 1e-3})


def test_a_finite_training_never_waits_for_a_loss_between_two_logs(encoder, goal, tmp_path, monkeypatch):
    """The guard reads its tensors when the Trainer logs, and once an epoch."""
    reads = []
    require = DivergenceGuard.require_losses
    monkeypatch.setattr(DivergenceGuard, "require_losses", lambda self, args: reads.append(1) or require(self, args))
    call_finetune(encoder, goal, tmp_path, TRAINING | {"learning_rate": 1e-3, "batch_size": 2, "epochs": 1})
    with (tmp_path / "training.csv").open(encoding="utf-8") as file:
        logged = sum(bool(row["loss"]) for row in csv.DictReader(file))
    assert len(reads) <= logged + 1 < 20


def test_a_gate_is_not_passed_by_a_score_that_is_no_number(parent, tmp_path):
    shutil.copytree(parent, tmp_path / "teacher")
    facts = {"validation_score": float("nan")}
    provenance.write(tmp_path / "teacher", options={}, inputs={}, seconds=0, facts=facts)
    for gate in (0.7, 0):
        with pytest.raises(UserError, match="reached nan on validation, below its gate"):
            require_gate(tmp_path / "teacher", gate)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_weights_that_are_not_finite_are_not_published(parent, dataset, tmp_path, value):
    """Even where validation never reads them, as of a position behind its longest text."""
    model = pretrained.load_model(parent)
    model.bert.embeddings.position_embeddings.weight.data[-1, 0] = value
    with pytest.raises(UserError, match="1 of the model's parameters are not finite, bert.embeddings.position_embeddings.weight the first"):
        artifacts.publish(model, encoder_facts.load_tokenizer(parent), tmp_path / "model", dataset=dataset)
    assert not (tmp_path / "model").exists()


def test_an_average_of_a_broken_model_is_refused(parent, broken, goal, tmp_path):
    with pytest.raises(UserError, match="the logits on validation are not finite without any training"):
        average(parent=parent, others=[broken], goal=goal, model=tmp_path / "model", curve=tmp_path / "curve.csv")


def test_a_score_that_is_no_number_ends_the_training(parent, goal, monkeypatch):
    monkeypatch.setattr(quality, "score", lambda *_: float("nan"))
    with pytest.raises(UserError, match="the score on validation is not a number"):
        validate(model=pretrained.load_model(parent), tokenizer=encoder_facts.load_tokenizer(parent), goal=goal)


def test_soft_targets_of_a_broken_teacher_are_refused(broken, dataset, tmp_path):
    with pytest.raises(UserError, match="the teacher .*broken gives logits that are not finite; make its weights anew"):
        predict_soft_targets(teacher=broken, dataset=dataset, output=tmp_path / "soft_targets", name="test")
    assert not (tmp_path / "soft_targets").exists()


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_teacher_that_answers_no_numbers_makes_the_soft_loss_none(value):
    teacher = torch.full((2, 3), value)
    assert soft_target_loss(torch.randn(2, 3), teacher, 2.0).isnan()


def test_a_model_that_answers_no_numbers_is_not_measured(broken, dataset):
    device = {"runtime": "pytorch", "hardware": "cpu", "threads": 1, "precision": "float32"}
    worker = Worker(artifact=str(broken), dataset=str(dataset), split="test", device=device)
    with pytest.raises(UserError, match="broken gives logits that are not finite; give the device precision float32, or"):
        worker.predict(batch_size=8, split="test")


def test_a_checkpoint_that_is_not_finite_is_passed_over(tmp_path):
    for step, value in ((10, 1.0), (20, torch.nan), (30, torch.inf)):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        save_file({"weight": torch.tensor([0.5, value])}, folder / "model.safetensors")
        (folder / "trainer_state.json").write_text("{}", encoding="utf-8")
    assert last_complete_checkpoint(tmp_path).endswith("checkpoint-10")
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-10"]


def test_a_run_resumed_from_a_poisoned_checkpoint_ends_with_the_weights_of_a_whole_one(encoder, goal, tmp_path, monkeypatch):
    from encoder_compression.training.trainer import ProgressBar

    training = TRAINING | {"learning_rate": 1e-3}
    call_finetune(encoder, goal, tmp_path / "whole", training)

    def die(self, args, state, control, **_):
        if state.global_step == 12:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(ProgressBar, "on_step_end", die)
        call_finetune(encoder, goal, tmp_path / "killed", training)
    newest = max((tmp_path / "killed" / "checkpoints").glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    weights = load_file(newest / "model.safetensors")
    save_file({name: weight * torch.nan for name, weight in weights.items()}, newest / "model.safetensors", {"format": "pt"})
    call_finetune(encoder, goal, tmp_path / "killed", training)
    whole, resumed = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("whole", "killed"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_overflowing_gradients_of_float16_are_no_divergence(tmp_path):
    """The scaler skips such a step: the loss is finite, so the guard says nothing."""
    guard, arguments = DivergenceGuard(), TrainingArguments(output_dir=str(tmp_path), use_cpu=True)
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer, scaler = torch.optim.SGD([weight], lr=1), torch.amp.GradScaler("cpu", init_scale=2.0**127)
    loss = (weight * 1e3).sum()
    scaler.scale(loss).backward()
    assert not weight.grad.isfinite().all()
    scaler.step(optimizer)
    guard.watch_loss(loss, 1)
    guard.require_losses(arguments)
    assert weight.item() == 1
    guard.watch_loss(loss * torch.nan, 2)
    with pytest.raises(Diverged, match="last finite in step 1"):
        guard.require_losses(arguments)


@pytest.mark.parametrize("objectives", [["score"], ["score", "multiplications"]], ids="+".join)
def test_a_trial_that_diverges_is_pruned_and_never_chosen(encoder, goal, tmp_path, objectives):
    rates = {"training.learning_rate": {"choices": [1e-3, 1e30]}}
    table, best = search(encoder, goal, tmp_path, rates, objectives)
    by_rate = table.groupby("training.learning_rate")["state"].unique().map(list).to_dict()
    assert by_rate == {1e-3: ["complete"], 1e30: ["pruned"]}
    assert best["options"] == {"training.learning_rate": 1e-3}
    assert best["score"] == table["score"].max()


def test_a_search_of_which_all_trials_diverge_is_one_line(encoder, goal, tmp_path):
    with pytest.raises(UserError, match="^no trial trained to its end, as all diverged; search lower values of training.learning_rate$"):
        search(encoder, goal, tmp_path, {"training.learning_rate": {"choices": [1e29, 1e30]}}, ["score"])


def search(encoder: Path, goal: Goal, folder: Path, space: dict, objectives: list[str]) -> tuple[pd.DataFrame, dict]:
    """Return the table of six trials of a fine-tuning, and the best of them."""
    options = {"space": space, "trials": 6, "sampler": "random", "objectives": objectives, "within": 0.005, "workers": 1, "version": 1}
    journal, report = folder / "journal.log", folder / "worker1" / "trials.json"
    report.parent.mkdir()
    work(
        technique="finetune",
        parts=[{"encoder": encoder}],
        goal=goal,
        options={"training": TRAINING | {"epochs": 1}},
        search=options,
        worker=1,
        journal=journal,
        output=report,
    )
    outputs = {"best": folder / "best.json", "table": folder / "trials.csv", "picture": folder / "search"}
    best = choose(step="teacher", search=options, journal=journal, workers=[report], **outputs)
    return pd.read_csv(folder / "trials.csv"), best


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_configuration_of_no_numbers_is_refused(tmp_path, value):
    """They pass every bound of the schema, as NaN < 0 is not true."""
    changes = {
        "finetune.teacher.training.learning_rate": {"finetune": {"teacher": {"training": {"learning_rate": value}}}},
        "distill.even1.gate": {"distill": {"even1": {"gate": value}}},
        "export.tolerance": {"export": {"tolerance": value}},
    }
    for place, change in changes.items():
        with pytest.raises(UserError, match=rf"mine.yaml:\d+: {place}: {value} is not a number; give a finite number$"):
            load_options(tmp_path, ["mine"], mine=merge(TINY, change))
