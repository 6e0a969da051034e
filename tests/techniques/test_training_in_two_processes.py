"""Every technique that trains ends in two processes with the weights that it ends with in one, and leaves as much behind."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch

from conftest import ROOT, make_encoder
from encoder_compression.config import schema as schemas
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.run import provenance
from encoder_compression.study.techniques import TECHNIQUES
from encoder_compression.techniques.distill import distill
from encoder_compression.techniques.finetune import finetune
from encoder_compression.techniques.lora import lora
from encoder_compression.techniques.prune import prune
from encoder_compression.techniques.qat import qat
from encoder_compression.techniques.shrink import shrink
from encoder_compression.techniques.static import static
from encoder_compression.training.distributed import launch
from encoder_compression.training.train import Goal
from encoder_compression.training.trainer import EpochLengthSampler
from short_training import TRAINING

TWO_EPOCHS = TRAINING | {"epochs": 2}
TAUGHT = {"gate": 0, "temperature": 2, "loss": {"hard": 0.2, "soft": 0.8, "hidden": 0, "relation": 0}, "training": TWO_EPOCHS}
UPDATES = {"rank": 4, "alpha": 8, "dropout": 0.0, "targets": "all", "dora": False, "qlora": False, "start": "finetuned"}
PRUNING = {"sparsity": 0.5, "parts": ["encoder"], "scope": "global", "calibration": 16}
REMOVAL = {"remove": 0.4, "score": "fisher", "calibration": 16, "correct": True}
STUDENT = {"layers": [1], "keep": 1, "start": "finetuned", "loss": {"hard": 0.2, "soft": 0.3, "hidden": 0.5, "relation": 1}}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, dataset) -> dict:
    """An encoder without dropout, which differs between processes; a parent; a teacher unlike it, so that gradients are no rounding."""
    folder = tmp_path_factory.mktemp("inputs")
    made = make_encoder(folder / "made", hidden_size=64, intermediate_size=128)
    shutil.copytree(made, folder / "encoder")
    config = json.loads((made / "config.json").read_text(encoding="utf-8"))
    without_dropout = config | {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "encoder" / "config.json").write_text(json.dumps(without_dropout), encoding="utf-8")
    models = {name: _classifier(folder, name, noise) for name, noise in (("parent", 0.05), ("teacher", 0.3))}
    return models | {"encoder": str(folder / "encoder"), "dataset": dataset}


def _classifier(folder: Path, name: str, noise: float) -> str:
    model = pretrained.add_head(folder / "encoder", "AutoModelForSequenceClassification", {"num_labels": 2})
    for parameter in model.parameters():
        parameter.data += noise * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(parameter.numel()))
    pretrained.save(model, encoder_facts.load_tokenizer(folder / "encoder"), folder / name)
    provenance.write(folder / name, options={}, inputs={}, seconds=0, facts={"validation_score": 0.5})
    return str(folder / name)


def arguments_of(technique, inputs: dict, options: dict, folder: Path) -> dict:
    """Return what a job calls the technique with."""
    folder.mkdir(parents=True)
    goal = Goal(dataset=inputs["dataset"], metric="accuracy", seed=3, name="test")
    outputs = {"model": str(folder / "model"), "curve": str(folder / "training.csv")}
    taught = {"parent": inputs["parent"], "teacher": inputs["teacher"], "soft_targets": None}
    absent = dict.fromkeys(("start", "unlabelled", "unlabelled_targets"))
    further = {
        finetune: {"encoder": inputs["encoder"]},
        lora: taught | {"encoder": inputs["encoder"], "adapter": str(folder / "adapter")},
        distill: taught | {"encoder": inputs["encoder"]} | absent,
        shrink: taught | {"times": None},
        static: taught | dict.fromkeys(("unlabelled", "unlabelled_targets")),
    }
    return {"goal": goal, "options": options} | outputs | further.get(technique, taught)


def in_two(technique, inputs: dict, options: dict, folder: Path) -> dict:
    return launch(technique, nodes=1, processes=2, threads=2, **arguments_of(technique, inputs, options, folder))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return pretrained.load_model(folder / "model").state_dict()


CALLS = {
    "LoRA": (lora, TAUGHT | UPDATES),
    "QLoRA": (lora, TAUGHT | UPDATES | {"qlora": True}),
    "gradual pruning": (prune, TAUGHT | PRUNING | {"score": "magnitude", "ramp": {"start": 0.0, "share": 0.5, "every": 2}}),
    "structured pruning": (shrink, TAUGHT | REMOVAL),
    "QAT with 4 bits": (qat, TAUGHT | {"bits": 4, "block": 32}),
}
FURTHER_CALLS = {
    "the head alone": (finetune, {"freeze": "encoder", "training": TWO_EPOCHS}),
    "LoRA from the pretrained encoder": (lora, TAUGHT | UPDATES | {"start": "pretrained"}),
    "DoRA": (lora, TAUGHT | UPDATES | {"dora": True}),
    "a student with every term": (distill, TAUGHT | STUDENT),
    "a student averaged over steps": (distill, TAUGHT | STUDENT | {"training": TWO_EPOCHS | {"weights": {"ema": 0.9}}}),
    "LoRA averaged over epochs": (lora, TAUGHT | UPDATES | {"training": TWO_EPOCHS | {"weights": {"last": 2}}}),
    "a narrow student": (distill, TAUGHT | STUDENT | {"hidden_size": 32, "loss": TAUGHT["loss"]}),
    "a student without layers": (static, TAUGHT | {"dimensions": 16, "unlabelled": False}),
    "one-shot pruning by gradients": (prune, TAUGHT | PRUNING | {"score": "fisher"}),
    "structured pruning without training": (shrink, TAUGHT | REMOVAL | {"training": TWO_EPOCHS | {"epochs": 0}}),
}
# What changes the model beside its training, and does not depend on rounding.
EXACT = {"validation_score", "kept", "removed_share", "zeros_after_saving", "trained_parameters", "steps"}


def require_equal(technique, inputs: dict, options: dict, folder: Path) -> None:
    """Train in one process and in two, and require the same weights, facts and files of both."""
    facts = technique(**arguments_of(technique, inputs, options, folder / "one"))
    facts_of_two = in_two(technique, inputs, options, folder / "two")
    alone, together = (weights(folder / name) for name in ("one", "two"))
    for name, weight in alone.items():
        torch.testing.assert_close(together[name], weight, rtol=0, atol=1e-4, msg=lambda text, name=name: f"{name}: {text}")
    assert facts_of_two.get("processes") == (2 if facts["steps"] else None)
    assert {name: facts_of_two[name] for name in EXACT & facts.keys()} == {name: facts[name] for name in EXACT & facts.keys()}
    assert facts_of_two["validation_loss"] == pytest.approx(facts["validation_loss"], rel=1e-4)
    assert {path.name for path in (folder / "one").iterdir()} == {path.name for path in (folder / "two").iterdir()}


def test_every_technique_that_trains_is_among_them():
    schema = schemas.read(ROOT / "workflow" / "schemas" / "experiment.schema.yaml")
    trained = {name for name in TECHNIQUES if "training" in schema["$defs"][name]["properties"]}
    assert {technique.__name__ for technique, _ in (CALLS | FURTHER_CALLS).values()} == trained


@pytest.mark.long
@pytest.mark.parametrize("name", CALLS)
def test_two_processes_end_with_the_weights_of_one(name, inputs, tmp_path):
    technique, options = CALLS[name]
    require_equal(technique, inputs, options, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("name", FURTHER_CALLS)
def test_so_do_they_with_other_options(name, inputs, tmp_path):
    technique, options = FURTHER_CALLS[name]
    require_equal(technique, inputs, options, tmp_path)


@pytest.mark.long
def test_activations_in_8_bits_have_the_range_of_a_process_and_nothing_else_differs(inputs, tmp_path, monkeypatch):
    """As a batch that is accumulated in parts has their ranges: one process with the very parts of the two ends with their weights."""
    count = len(pd.read_parquet(inputs["dataset"] / "train.parquet"))
    batch = next(size for size in range(6, count, 2) if count % size == 0)
    options = TAUGHT | {"bits": 8, "block": 32, "training": TWO_EPOCHS | {"batch_size": batch}}
    in_two(qat, inputs, options, tmp_path / "two")
    qat(**arguments_of(qat, inputs, options, tmp_path / "whole"))
    grouped = EpochLengthSampler.__iter__

    def parts_of_two(sampler):
        order = list(grouped(sampler))
        whole = [order[start : start + batch] for start in range(0, count, batch)]
        return iter([index for each in whole for part in (each[0::2], each[1::2]) for index in part])

    monkeypatch.setattr(EpochLengthSampler, "__iter__", parts_of_two)
    accumulated = options | {"training": options["training"] | {"accumulation": 2}}
    qat(**arguments_of(qat, inputs, accumulated, tmp_path / "parts"))
    whole, parts, together = (weights(tmp_path / name) for name in ("whole", "parts", "two"))
    for name, weight in parts.items():
        torch.testing.assert_close(together[name], weight, rtol=0, atol=1e-4, msg=lambda text, name=name: f"{name}: {text}")
    assert max((together[name] - weight).abs().max() for name, weight in whole.items()) > 1e-4
