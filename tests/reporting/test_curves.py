"""A row's final losses are those of the epoch whose weights were kept, of its own last step that fits weights; none without training."""

import shutil

import pandas as pd
import pytest
from pyarrow import parquet

from encoder_compression.reporting import curves
from encoder_compression.techniques.finetune import finetune
from encoder_compression.training.artifacts import CURVE_COLUMNS
from encoder_compression.training.train import Goal
from saved_rows import TORCH, SavedStudy
from short_training import TRAINING


def curve(*entries: dict) -> pd.DataFrame:
    return pd.DataFrame(entries, columns=CURVE_COLUMNS)


def validated(step: int, epoch: float, loss: float, score: float) -> dict:
    return {"step": step, "epoch": epoch, "eval_loss": loss, "eval_score": score}


def test_the_training_loss_is_the_mean_over_the_steps_of_the_kept_epoch():
    logged = curve(
        {"step": 4, "epoch": 0.4, "loss": 9.0},
        {"step": 10, "epoch": 1.0, "loss": 8.0},
        validated(10, 1.0, 0.7, 0.6),
        {"step": 14, "epoch": 1.4, "loss": 2.0},
        {"step": 20, "epoch": 2.0, "loss": 1.0},
        validated(20, 2.0, 0.5, 0.8),
        {"step": 30, "epoch": 3.0, "loss": 0.1},
        validated(30, 3.0, 0.4, 0.8),  # no better, so the weights of the second epoch were kept
    )
    expected = {"training_loss": (4 * 2.0 + 6 * 1.0) / 10, "validation_loss": 0.5, "validation_score": 0.8}
    assert curves.kept_epoch(logged) == pytest.approx(expected)


def test_an_epoch_that_was_cut_short_counts_with_the_steps_that_it_had():
    logged = curve(
        {"step": 10, "epoch": 1.0, "loss": 8.0},
        {"step": 14, "epoch": 1.4, "loss": 2.0},
        {"step": 15, "epoch": 1.5, "loss": 1.0},
        validated(15, 1.5, 0.5, 0.8),
    )
    assert curves.kept_epoch(logged)["training_loss"] == pytest.approx((4 * 2.0 + 1.0) / 5)


def test_epochs_without_a_validation_as_in_gradual_pruning_do_not_count():
    logged = curve({"step": 10, "epoch": 1.0, "loss": 8.0}, {"step": 20, "epoch": 2.0, "loss": 3.0}, validated(20, 2.0, 0.5, 0.8))
    assert curves.kept_epoch(logged)["training_loss"] == 3.0


def test_a_model_that_was_only_validated_has_none():
    assert curves.kept_epoch(curve({"eval_loss": 0.5, "eval_score": 0.8})) == dict.fromkeys(curves.KEPT)


@pytest.mark.slow
def test_they_are_those_of_a_real_training_whatever_its_intervals(encoder, dataset, tmp_path):
    """An entry ends with each epoch, though ten entries an epoch need not."""
    shutil.copytree(dataset, tmp_path / "dataset")
    parquet.write_table(parquet.read_table(dataset / "train.parquet")[:34], tmp_path / "dataset" / "train.parquet")
    goal = Goal(dataset=tmp_path / "dataset", metric="accuracy", seed=2, name="test")
    options = {"training": TRAINING | {"epochs": 3, "batch_size": 2, "patience": 3}}
    facts = finetune(encoder=encoder, goal=goal, options=options, model=tmp_path / "model", curve=tmp_path / "training.csv")
    logged = pd.read_csv(tmp_path / "training.csv")
    kept = curves.kept_epoch(logged)
    assert kept["validation_score"] == facts["validation_score"]
    assert kept["validation_loss"] == pytest.approx(facts["validation_loss"])
    steps = facts["steps"] // 3
    ends = logged.dropna(subset=["loss"]).query("step % @steps == 0")
    assert ends["epoch"].tolist() == [1.0, 2.0, 3.0]
    assert (steps, logged["step"].min()) == (17, 2), "the interval is to divide no epoch"


def test_rows_show_the_training_of_the_weights_that_they_have(tmp_path):
    variants = ("teacher", "teacher+even1", "teacher+even1+int8", "teacher+words100", "teacher+width40")
    study = SavedStudy(tmp_path, *variants)
    folder = tmp_path / study.study.folder("teacher+even1", 1, "model")
    table = pd.read_csv(folder.parent / "training.csv")
    table.assign(loss=10 * table["loss"], eval_loss=7.0).to_csv(folder.parent / "training.csv", index=False)
    unfitted = tmp_path / study.study.folder("teacher+width40", 1, "model")
    table[table["eval_loss"].notna()].to_csv(unfitted.parent / "training.csv", index=False)
    aggregate = study.aggregate()
    first_epoch = (0.9 + 2 * 0.6) / 3
    losses = aggregate["training_loss"].groupby("variant").first()
    assert losses["teacher"] == losses["teacher+words100"] == pytest.approx(first_epoch)
    assert losses["teacher+even1"] == losses["teacher+even1+int8"] == pytest.approx(10 * first_epoch)
    assert aggregate.loc[("teacher+width40", TORCH), list(curves.KEPT)].isna().all()
    assert aggregate.loc[("teacher", TORCH), ["validation_loss", "validation_score"]].tolist() == [0.5, 0.8]


def test_over_seeds_they_are_means_and_the_files_leave_empty_what_did_not_train(tmp_path):
    study = SavedStudy(tmp_path, "teacher", "teacher+width40", seeds=(1, 2))
    for seed in (1, 2):
        place = tmp_path / study.study.folder("teacher", seed, "training.csv")
        table = pd.read_csv(place)
        table.assign(eval_loss=seed * table["eval_loss"]).to_csv(place, index=False)
        unfitted = tmp_path / study.study.folder("teacher+width40", seed, "training.csv")
        table[table["eval_loss"].notna()].to_csv(unfitted, index=False)
    written = study.summarize()
    by_seed = written.summary.query("variant == 'teacher' and device == @TORCH")
    assert by_seed["validation_loss"].tolist() == [0.5, 1.0]
    teacher = written.aggregate.query("variant == 'teacher' and device == @TORCH").iloc[0]
    assert teacher["validation_loss"] == 0.75
    line = next(line for line in (tmp_path / "summary.csv").read_text(encoding="utf-8").splitlines() if "teacher+width40" in line)
    heads = (tmp_path / "summary.csv").read_text(encoding="utf-8").splitlines()[0].split(",")
    assert [line.split(",")[heads.index(name)] for name in curves.KEPT] == ["", "", ""]
