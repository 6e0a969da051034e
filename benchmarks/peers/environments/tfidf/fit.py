"""Fit TF-IDF of words and pairs of words with logistic regression."""

import csv
from pathlib import Path

import joblib
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

with Path("train.csv").open(encoding="utf-8", newline="") as file:
    rows = list(csv.DictReader(file))
pipeline = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True), LogisticRegression(max_iter=1000))
pipeline.fit([row["text"] for row in rows], [row["label"] for row in rows])
Path("fitted").mkdir(exist_ok=True)
joblib.dump(pipeline, "fitted/pipeline.joblib")
