"""Distil a static model from the teacher and train a head on it, as model2vec's documentation shows it."""

import csv
from pathlib import Path

from model2vec.distill import distill
from model2vec.train import StaticModelForClassification


def read(name):
    """Return the texts and the labels of a split."""
    with Path(name).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["text"] for row in rows], [row["label"] for row in rows]


texts, labels = read("train.csv")
validation_texts, validation_labels = read("validation.csv")
classifier = StaticModelForClassification.from_static_model(model=distill("model"))
classifier.fit(texts, labels, X_val=validation_texts, y_val=validation_labels)
print(classifier.evaluate(validation_texts, validation_labels))
classifier.to_pipeline().save_pretrained("static")
