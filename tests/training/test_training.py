"""Training batches by length, looks at validation only, and resumes to the same weights."""

import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from pyarrow import parquet
from safetensors import SafetensorError

from conftest import make_encoder
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.errors import UserError
from encoder_compression.run import jobs
from encoder_compression.statistics import quality
from encoder_compression.training import artifacts
from encoder_compression.training.resume import last_complete_checkpoint
from encoder_compression.training.train import Goal
from encoder_compression.training.trainer import EpochLengthSampler
from short_training import equal, train_classifier

OPTIONS = {
    "epochs": 4,
    "learning_rate": 1e-3,
    "batch_size": 8,
    "accumulation": 1,
    "warmup": 0.1,
    "weight_decay": 0.01,
    "patience": 4,
    "precision": "float32",
}


def fit(encoder, dataset, checkpoints, **changes):
    goal = Goal(dataset=dataset, metric="accuracy", seed=3, name="test")
    return train_classifier(encoder, goal, OPTIONS | changes, checkpoints)


def test_sentences_of_a_batch_have_similar_lengths():
    lengths = torch.randint(5, 100, (2000,)).tolist()
    order = list(EpochLengthSampler(batch_size=20, lengths=lengths, seed=1, mlm_masks=None))
    padded = sum(20 * max(lengths[index] for index in order[start : start + 20]) for start in range(0, 2000, 20))
    assert sorted(order) == list(range(2000))
    assert padded < 1.1 * sum(lengths)


def test_the_order_depends_on_seed_and_epoch_alone():
    def order(seed: int, epoch: int) -> list[int]:
        sampler = EpochLengthSampler(batch_size=8, lengths=list(range(5, 69)), seed=seed, mlm_masks=None)
        torch.rand(3)  # the global generator has no say
        sampler.set_epoch(epoch)
        return list(sampler)

    assert order(1, 2) == order(1, 2)
    assert order(1, 2) != order(1, 3)
    assert order(1, 2) != order(2, 2)


def test_training_never_opens_the_test_split(encoder, dataset, tmp_path):
    shutil.copytree(dataset, tmp_path / "dataset")
    (tmp_path / "dataset" / "test.parquet").unlink()
    _, _, facts = fit(encoder, tmp_path / "dataset", tmp_path / "checkpoints", epochs=1)
    assert facts["steps"] > 0


def test_two_equal_runs_give_equal_weights(encoder, dataset, tmp_path):
    one, *_ = fit(encoder, dataset, tmp_path / "one")
    other, *_ = fit(encoder, dataset, tmp_path / "other")
    assert equal(one, other)


def test_a_training_after_one_of_another_precision_has_its_own(encoder, dataset, tmp_path, monkeypatch):
    """As trials of a search, which one process trains one after the other; nor has an environment variable a say."""
    alone, *_ = fit(encoder, dataset, tmp_path / "alone", epochs=1, precision="float32")
    rounded, *_ = fit(encoder, dataset, tmp_path / "rounded", epochs=1, precision="bfloat16")
    after, *_ = fit(encoder, dataset, tmp_path / "after", epochs=1, precision="float32")
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    told, *_ = fit(encoder, dataset, tmp_path / "told", epochs=1, precision="float32")
    assert not equal(alone, rounded)
    assert equal(alone, after)
    assert equal(alone, told)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_run_resumed_from_any_epoch_gives_the_same_weights(encoder, dataset, tmp_path, precision, monkeypatch):
    from encoder_compression.training.trainer import ProgressBar

    whole, history, facts = fit(encoder, dataset, tmp_path / "whole", precision=precision)

    class Killed(Exception):
        pass

    def die(self, args, state, control, **_):
        if state.global_step == facts["steps"] // 2 + 1:
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(ProgressBar, "on_step_end", die)
        fit(encoder, dataset, tmp_path / "killed", precision=precision)
    resumed, history_again, facts_again = fit(encoder, dataset, tmp_path / "killed", precision=precision)
    assert facts_again["resumed"]
    assert equal(whole, resumed)
    assert [entry["loss"] for entry in history if "loss" in entry] == [entry["loss"] for entry in history_again if "loss" in entry]
    seconds = [entry["seconds"] for entry in history_again]
    assert seconds == sorted(seconds)


def test_a_resumed_run_remembers_how_much_patience_is_left(encoder, dataset, tmp_path, monkeypatch):
    """Validation only gets worse: a whole run stops after one good and two bad epochs, a resumed one too."""
    scores = iter([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    monkeypatch.setattr(quality, "score", lambda *_: next(scores))
    _, _, whole = fit(encoder, dataset, tmp_path / "whole", epochs=6, patience=2)
    assert whole["steps"] == 15

    with pytest.raises(StopIteration):
        scores = iter([0.9, 0.8])
        fit(encoder, dataset, tmp_path / "killed", epochs=6, patience=2)
    scores = iter([0.7, 0.6, 0.5, 0.4])
    _, _, resumed = fit(encoder, dataset, tmp_path / "killed", epochs=6, patience=2)
    assert resumed["resumed"]
    assert resumed["steps"] == 15


@pytest.mark.parametrize("patience", [1, 4], ids=["stopped early", "to the last epoch"])
def test_a_run_killed_after_its_last_epoch_is_not_trained_further(encoder, dataset, tmp_path, monkeypatch, patience):
    scores = iter([0.9, 0.8, 0.7, 0.6])
    monkeypatch.setattr(quality, "score", lambda *_: next(scores))
    first, history, before = fit(encoder, dataset, tmp_path, patience=patience)
    again, history_again, after = fit(encoder, dataset, tmp_path, patience=patience)
    assert after["resumed"]
    assert equal(first, again)
    assert after["validation_score"] == before["validation_score"] == 0.9
    assert [entry.get("loss") for entry in history if "loss" in entry] == [entry.get("loss") for entry in history_again if "loss" in entry]


def test_a_checkpoint_that_a_kill_cut_short_is_passed_over(tmp_path):
    for step, state in ((10, '{"global_step": 10}'), (20, '{"global_st'), (30, None)):
        (tmp_path / f"checkpoint-{step}").mkdir()
        if state:
            (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text(state, encoding="utf-8")
    assert last_complete_checkpoint(tmp_path).endswith("checkpoint-10")
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-10"]
    assert last_complete_checkpoint(tmp_path / "nowhere") is None


@pytest.fixture
def small_disk(tmp_path):
    """A function that makes a disk of so many bytes, or gives it another size."""
    place = tmp_path / "disk"
    place.mkdir()

    def resize(size: int, *options: str) -> Path:
        asked = ["mount", "-t", "tmpfs", "-o", ",".join([*options, f"size={size}"]), "tmpfs", place]
        if subprocess.run(asked, capture_output=True).returncode:
            pytest.skip("a small disk needs the right to mount one")
        return place

    yield resize
    subprocess.run(["umount", place], capture_output=True)


def test_a_full_disk_ends_a_training_and_leaves_its_last_good_checkpoint(encoder, dataset, tmp_path, small_disk):
    whole, _, _ = fit(encoder, dataset, tmp_path / "whole")
    of_one = sum(file.stat().st_size for file in next((tmp_path / "whole").glob("checkpoint-*")).iterdir())
    place = small_disk(int(1.5 * of_one))
    with pytest.raises((OSError, RuntimeError, SafetensorError)):
        fit(encoder, dataset, place / "checkpoints")
    assert "is full; make room and run again, a training goes on from its last checkpoint" in jobs._full_disk(place / "seed1" / "model")
    assert last_complete_checkpoint(place / "checkpoints").endswith("checkpoint-5")
    small_disk(10 * of_one, "remount")
    resumed, _, facts = fit(encoder, dataset, place / "checkpoints")
    assert facts["resumed"]
    assert equal(whole, resumed)
    assert jobs._full_disk(place / "seed1" / "model") is None


def test_states_that_are_computed_again_give_the_same_weights(encoder, dataset, tmp_path, monkeypatch):
    """The dropout's draws are repeated too; the layers' first forward passes keep less for the way back."""
    from torch.autograd.graph import saved_tensors_hooks

    def kept(**changes) -> tuple[torch.nn.Module, int]:
        sizes = []
        with saved_tensors_hooks(lambda tensor: sizes.append(tensor.numel()) or tensor, lambda tensor: tensor):
            model, *_ = fit(encoder, dataset, tmp_path / str(len(changes)), epochs=1, **changes)
        return model, sum(sizes)

    whole, much = kept()
    again, little = kept(gradient_checkpointing=True)
    assert equal(whole, again)
    assert little < much / 2


def test_gradient_checkpointing_is_refused_for_mpnet_where_it_is_asked_for(dataset, tmp_path):
    encoder = make_encoder(tmp_path / "encoder", "mpnet")
    with pytest.raises(UserError, match="no gradient_checkpointing for mpnet; take it out"):
        fit(encoder, dataset, tmp_path / "checkpoints", gradient_checkpointing=True)
    _, _, facts = fit(encoder, dataset, tmp_path / "checkpoints", epochs=1, gradient_checkpointing=False)
    assert facts["steps"] > 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA has float16")
def test_float16_is_refused_on_a_processor(encoder, dataset, tmp_path):
    with pytest.raises(UserError, match="precision float16 needs CUDA; take bfloat16"):
        fit(encoder, dataset, tmp_path, precision="float16")


def test_an_accumulation_that_does_not_divide_the_batch_is_refused(encoder, dataset, tmp_path):
    with pytest.raises(UserError, match="accumulation 3 does not divide batch_size 8"):
        fit(encoder, dataset, tmp_path, accumulation=3)


def test_the_best_epoch_on_validation_is_kept(encoder, dataset, tmp_path):
    model, history, facts = fit(encoder, dataset, tmp_path, learning_rate=3e-3, precision="float32")
    scores = [entry["eval_score"] for entry in history if "eval_score" in entry]
    assert facts["validation_score"] == max(scores)
    rows = parquet.read_table(dataset / "validation.parquet").to_pylist()
    model.eval()
    found = [int(model(input_ids=torch.tensor([row["input_ids"]])).logits.argmax()) == row["label"] for row in rows]
    assert sum(found) / len(found) == pytest.approx(max(scores))


def test_checkpoints_of_another_job_are_thrown_away(encoder, tmp_path):
    model = tmp_path / "model"
    claim = {"options": {"a": 1}, "seed": 1, "inputs": [encoder]}
    mine = artifacts.claim_checkpoints(model, **claim)
    (mine / "checkpoint-1").mkdir()
    assert (artifacts.claim_checkpoints(model, **claim) / "checkpoint-1").exists()
    assert not (artifacts.claim_checkpoints(model, **claim | {"options": {"a": 2}}) / "checkpoint-1").exists()


def test_checkpoints_lie_beside_the_declared_output_and_not_in_it(tmp_path):
    folder = artifacts.claim_checkpoints(tmp_path / "model", options={}, seed=1, inputs=[])
    assert folder == tmp_path / "checkpoints"


def test_a_model_that_changes_when_it_is_saved_is_an_error(encoder, dataset, tmp_path, monkeypatch):
    model = pretrained.add_head(encoder, "AutoModelForSequenceClassification", {"num_labels": 2})
    save = pretrained.save

    def forget_the_head(model, tokenizer, folder):
        torch.nn.init.normal_(model.classifier.weight)
        save(model, tokenizer, folder)
        torch.nn.init.normal_(model.classifier.weight)

    monkeypatch.setattr(pretrained, "save", forget_the_head)
    with pytest.raises(RuntimeError, match="the saved model differs from the trained one"):
        artifacts.publish(model, encoder_facts.load_tokenizer(encoder), tmp_path, dataset=dataset)
