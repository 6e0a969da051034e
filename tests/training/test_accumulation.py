"""A batch that is cut into parts trains to the weights of the whole batch, whatever the sizes of the parts and the terms of the loss."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

import corpora
from encoder_compression.data import features
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.run import provenance
from encoder_compression.techniques.finetune import finetune
from encoder_compression.training import processes
from encoder_compression.training.objectives import means_over
from encoder_compression.training.train import Goal
from encoder_compression.training.trainer import EncoderTrainer
from trained_students import run_distill

TRAINING = {
    "epochs": 2,
    "learning_rate": 1e-3,
    "batch_size": 8,
    "warmup": 0.1,
    "weight_decay": 0.01,
    "patience": 2,
    "precision": "float32",
}
TERMS = ("loss_hard", "loss_soft", "loss_hidden", "loss_relation")


def without_dropout(encoder: Path, folder: Path) -> Path:
    shutil.copytree(encoder, folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(
        json.dumps(config | {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}), encoding="utf-8"
    )
    return folder


@pytest.fixture(scope="module")
def plain(tmp_path_factory, encoder) -> Path:
    return without_dropout(encoder, tmp_path_factory.mktemp("plain") / "encoder")


def classifier(plain: Path, folder: Path, noise: float) -> Path:
    model = pretrained.add_head(plain, "AutoModelForSequenceClassification", {"num_labels": 2})
    for parameter in model.parameters():
        parameter.data += noise * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(parameter.numel()))
    pretrained.save(model, encoder_facts.load_tokenizer(plain), folder)
    provenance.write(folder, options={}, inputs={}, seconds=0, facts={"validation_score": 0.5})
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory, plain) -> tuple[Path, Path]:
    """A parent, and a teacher unlike it, so that no gradient is as small as a rounding."""
    folder = tmp_path_factory.mktemp("models")
    return classifier(plain, folder / "parent", noise=0.05), classifier(plain, folder / "teacher", noise=0.3)


def tuned(encoder: Path, goal: Goal, folder: Path, **training) -> dict[str, torch.Tensor]:
    """Return the weights of a fine-tuned encoder."""
    folder.mkdir()
    options = {"training": TRAINING | training}
    finetune(encoder=encoder, goal=goal, options=options, model=folder / "model", curve=folder / "training.csv")
    return load_file(folder / "model" / "model.safetensors")


def student(plain: Path, models: tuple[Path, Path], goal: Goal, folder: Path, loss: dict, **training) -> dict[str, torch.Tensor]:
    """Return the weights of a student of one layer."""
    parent, teacher = models
    folder.mkdir()
    run_distill(
        teacher=teacher,
        encoder=plain,
        goal=goal,
        options={"gate": 0, "layers": [1], "keep": 1, "start": "finetuned", "temperature": 2, "loss": loss}
        | {"training": TRAINING | training},
        folder=folder,
        parent=parent,
    )
    return load_file(folder / "model" / "model.safetensors")


def require_close(whole: dict[str, torch.Tensor], parts: dict[str, torch.Tensor]) -> None:
    for name, weight in whole.items():
        torch.testing.assert_close(parts[name], weight, rtol=0, atol=2e-5, msg=lambda text, name=name: f"{name}: {text}")


def require_close_curves(whole: Path, parts: Path) -> None:
    """The logged terms are means over the same items, and their sum is the loss."""
    tables = [pd.read_csv(folder / "training.csv").dropna(subset="loss") for folder in (whole, parts)]
    for name in ("loss", *TERMS):
        pd.testing.assert_series_equal(tables[0][name], tables[1][name], rtol=1e-3, atol=1e-5)
    assert tables[1][list(TERMS)].sum(axis=1).to_numpy() == pytest.approx(tables[1]["loss"].to_numpy(), abs=1e-4)


@pytest.mark.parametrize(("batch_size", "accumulation"), [(10, 2), (28, 4), (10, 5), (8, 8)])
def test_accumulated_parts_end_with_the_weights_of_the_whole_batch(plain, dataset, tmp_path, batch_size, accumulation):
    assert len(features.read(dataset, "train")) % batch_size, "the last batch is to be smaller"
    goal = Goal(dataset=dataset, metric="accuracy", seed=3, name="test")
    whole = tuned(plain, goal, tmp_path / "whole", batch_size=batch_size, accumulation=1)
    parts = tuned(plain, goal, tmp_path / "parts", batch_size=batch_size, accumulation=accumulation)
    require_close(whole, parts)
    require_close_curves(tmp_path / "whole", tmp_path / "parts")


@pytest.mark.parametrize(
    "loss",
    [
        {"hard": 0.1, "soft": 0.9, "hidden": 0, "relation": 0},
        {"hard": 0, "soft": 0, "hidden": 1, "relation": 0},
        {"hard": 0.2, "soft": 0.3, "hidden": 0.5, "relation": 1},
    ],
    ids=str,
)
def test_terms_that_are_means_over_tokens_are_those_of_the_whole_batch_too(plain, models, dataset, tmp_path, loss):
    """The parts of a batch have unequal numbers of tokens."""
    goal = Goal(dataset=dataset, metric="accuracy", seed=3, name="test")
    whole = student(plain, models, goal, tmp_path / "whole", loss, batch_size=10, accumulation=1)
    parts = student(plain, models, goal, tmp_path / "parts", loss, batch_size=10, accumulation=2)
    require_close(whole, parts)
    require_close_curves(tmp_path / "whole", tmp_path / "parts")


@pytest.mark.parametrize("whole_words", [False, True])
def test_masked_tokens_of_all_parts_count_alike(tmp_path, whole_words):
    """Of whole words, blocks have unequal numbers of masked tokens."""
    encoder = without_dropout(corpora.make_encoder(tmp_path / "made"), tmp_path / "encoder")
    corpora.prepare(encoder, tmp_path / "corpus", masking={"share": 0.15, "whole_words": whole_words})
    goal = Goal(dataset=tmp_path / "corpus", metric="masked_accuracy", seed=1, name="test")
    whole = tuned(encoder, goal, tmp_path / "whole", accumulation=1, epochs=1)
    parts = tuned(encoder, goal, tmp_path / "parts", accumulation=4, epochs=1)
    require_close(whole, parts)


def test_a_single_batch_in_one_part_counts_exactly_once():
    """So that accumulation 1 in one process trains to the very same weights as before."""
    trainer = EncoderTrainer.__new__(EncoderTrainer)
    part = {"attention_mask": torch.tensor([[1, 1, 1], [1, 1, 0], [1, 0, 0]]), "labels": torch.tensor([0, 1, 1])}
    trainer.model_accepts_loss_kwargs, trainer.compute_loss_func = False, None
    parts, _ = trainer.get_batch_samples(iter([part]), 1, "cpu")
    assert parts[0]["weights"] == {"hard": 1.0, "soft": 1.0, "hidden": 1.0, "relation": 1.0}


def test_the_weights_of_all_parts_in_all_processes_sum_to_their_number(monkeypatch):
    """Two processes with two parts each, of 3 + 1 and 3 + 2 examples: each weight is the part's share of nine, times four."""
    monkeypatch.setattr(processes, "count", lambda: 2)
    of_other = {"hard": 5.0, "soft": 5.0, "hidden": 11.0, "relation": 11.0}
    monkeypatch.setattr(processes, "total", lambda values: values + torch.tensor(list(of_other.values())))
    trainer = EncoderTrainer.__new__(EncoderTrainer)
    trainer.args = type("Arguments", (), {"device": "cpu"})
    trainer.model_accepts_loss_kwargs, trainer.compute_loss_func, trainer.model_wrapped = False, None, None
    attention_masks = [torch.tensor([[1, 1], [1, 0], [1, 0]]), torch.tensor([[1, 1, 1]])]
    batches = [{"attention_mask": each, "labels": torch.zeros(len(each), dtype=torch.long)} for each in attention_masks]
    parts, _ = trainer.get_batch_samples(iter(batches), 2, "cpu")
    assert [float(part["weights"]["hard"]) for part in parts] == pytest.approx([4 * 3 / 9, 4 * 1 / 9])
    assert [float(part["weights"]["hidden"]) for part in parts] == pytest.approx([4 * 4 / 18, 4 * 3 / 18])


def test_what_a_term_is_a_mean_over_is_counted():
    attention_mask = torch.tensor([[1, 1, 1], [1, 1, 0]])
    classes = {"attention_mask": attention_mask, "labels": torch.tensor([0, -100])}
    assert means_over(classes) == {"hard": 2, "soft": 2, "hidden": 5, "relation": 5}
    masked = {"attention_mask": attention_mask, "labels": torch.tensor([[-100, 7, 8], [9, -100, -100]])}
    assert means_over(masked) == {"hard": 3, "soft": 3, "hidden": 5, "relation": 5}
    spans = {"attention_mask": attention_mask, "start_positions": torch.tensor([0, 1]), "end_positions": torch.tensor([0, 1])}
    assert means_over(spans) == {"hard": 2, "soft": 2, "hidden": 5, "relation": 5}
