"""One picture has all trainings of a study over each other, another the terms of each loss, those before the task first."""

import re
from pathlib import Path

import pandas as pd

from encoder_compression.reporting.training_plots import plot_trainings
from encoder_compression.training.artifacts import write_curve
from saved_rows import CURVE


def trained(folder: Path, experiment: str, variant: str, seed: int = 1, **terms: float) -> Path:
    """Leave a training whose loss has these terms, each a share of it."""
    model = folder / experiment / variant / f"seed{seed}" / "model"
    model.mkdir(parents=True)
    shares = {f"loss_{name}": share for name, share in terms.items()}
    parts = [entry | ({name: share * entry["loss"] for name, share in shares.items()} if "loss" in entry else {}) for entry in CURVE]
    write_curve(parts, model.parent / "training.csv")
    return model


def texts(picture: Path) -> list[str]:
    """Return what is written in a picture, which matplotlib draws as paths behind a comment."""
    return [text.strip() for text in re.findall("<!-- (.*?) -->", picture.read_text(encoding="utf-8"), re.DOTALL)]


def test_a_study_has_two_pictures_of_its_trainings_and_none_per_step(tmp_path):
    models = [trained(tmp_path, "mine", "teacher+even3"), *(trained(tmp_path, "mine", "teacher", seed) for seed in (1, 2))]
    plot_trainings(models=models, pretrained=[], folder=tmp_path)
    assert {path.name for path in tmp_path.glob("*.png")} == {"training.png", "training_terms.png"}
    written = texts(tmp_path / "training.svg")
    assert [name for name in written if "teacher" in name] == ["teacher", "teacher+even3"], "a name once for all seeds"
    labels = ("training loss (own weighted terms)", "validation loss (labels alone)", "validation score")
    assert [written.count(label) for label in labels] == [1, 1, 1]
    assert written.count("epoch") == 3


def test_a_model_that_was_only_validated_has_no_line_and_no_name(tmp_path):
    average = trained(tmp_path, "mine", "teacher+soup")
    table = pd.read_csv(average.parent / "training.csv")
    table[table["eval_loss"].notna()].to_csv(average.parent / "training.csv", index=False)
    plot_trainings(models=[trained(tmp_path, "mine", "teacher"), average], pretrained=[], folder=tmp_path)
    for name in ("training", "training_terms"):
        assert not [text for text in texts(tmp_path / f"{name}.svg") if "soup" in text]
    (tmp_path / "none").mkdir()
    plot_trainings(models=[average], pretrained=[], folder=tmp_path / "none")
    assert not (tmp_path / "none" / "training_terms.png").exists()


def test_terms_stand_apart_and_those_of_the_training_before_the_task_come_first(tmp_path):
    before = trained(tmp_path, "corpus", "teacher+student6", hard=0.5, soft=0.3, hidden=0.2)
    models = [trained(tmp_path, "mine", "teacher", hard=1.0), trained(tmp_path, "mine", "teacher+student6", hard=0.9, relation=0.1)]
    plot_trainings(models=models, pretrained=[before], folder=tmp_path)
    written = texts(tmp_path / "training_terms.svg")
    titles = [text for text in written if "teacher" in text and "logits" not in text or text == "+student6"]
    assert titles == ["corpus: teacher", "+student6", "teacher", "teacher", "+student6"]
    terms = ("hard: labels", "soft: teacher's logits", "hidden: hidden states", "relation: relations of tokens")
    assert [written.count(label) for label in terms] == [1, 1, 1, 1]
    assert "corpus: teacher+student6" not in texts(tmp_path / "training.svg"), "other losses than those of the task"
