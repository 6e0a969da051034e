"""TF-IDF of n-grams of tokens and a linear model: what no neural network gives (Salton & Buckley 1988; Pang et al. 2002)."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
from scipy import special
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from transformers import PreTrainedTokenizerBase

from encoder_compression.data import features, tasks
from encoder_compression.data.sources.encoder import TOKENIZER_FILES
from encoder_compression.encoders import encoder_facts
from encoder_compression.encoders.safety import CONFIG
from encoder_compression.errors import UserError
from encoder_compression.export import ngram_graph
from encoder_compression.export.ngram_graph import LinearModel
from encoder_compression.export.onnx_graph import GRAPH, PLAIN
from encoder_compression.runtimes import onnxruntime_runtime
from encoder_compression.runtimes.workload import Workload
from encoder_compression.statistics import quality
from encoder_compression.training import artifacts
from encoder_compression.training.train import Goal

MODEL_TYPE = "bag-of-words"
ABSENT = -1e4  # logit of a class that train has no text of
STEPS = 1000  # of the solver at most
BATCH_SIZE = 32
TOLERANCE = 1e-4  # between the logits of scikit-learn and those of the graph


def bag_of_words(*, encoder: Path, goal: Goal, options: dict, graph: Path, curve: Path) -> dict:
    """Write a linear model of the n-grams of train as a graph, beside config and tokenizer, and its validation score to ``curve``.

    Of the longest n-grams and the regularizations in the options validation chooses, by the goal's metric; the smallest ones of those
    that score best. The encoder gives its tokenizer alone. Returns facts. RuntimeError where the graph answers otherwise than
    scikit-learn.
    """
    start, graph = time.monotonic(), Path(graph)
    tokenizer = encoder_facts.load_tokenizer(encoder)
    chosen = _choose(goal, _splits(goal.dataset, tokenizer), options)
    _write(chosen["model"], encoder, goal.dataset, graph)
    _require_same(chosen["logits"], graph, goal.dataset)
    artifacts.write_curve([{"step": 0, "epoch": 0, "eval_loss": chosen["loss"], "eval_score": chosen["score"]}], curve)
    facts = {"ngrams": len(chosen["model"].ngrams), "longest": chosen["longest"], "inverse_regularization": chosen["strength"]}
    return facts | {"validation_score": chosen["score"], "training_seconds": time.monotonic() - start, "steps": 0}


def _splits(dataset: Path, tokenizer: PreTrainedTokenizerBase) -> dict[str, list[list[list[int]]]]:
    """Return the texts of train and validation as runs of token ids: what stands between special tokens, which no n-gram has."""
    around = set(tokenizer.all_special_ids)
    columns = {split: features.read(dataset, split)["input_ids"].to_pylist() for split in ("train", "validation")}
    return {split: [list(_runs(ids, around)) for ids in column] for split, column in columns.items()}


def _runs(ids: list[int], around: set[int]) -> Iterator[list[int]]:
    ends = [-1, *(place for place, token in enumerate(ids) if token in around), len(ids)]
    yield from (ids[before + 1 : end] for before, end in zip(ends, ends[1:], strict=False))


def _ngrams(longest: int) -> Callable[[list[list[int]]], list[tuple[int, ...]]]:
    """Return a function that lists the n-grams of a text, up to so many tokens each."""
    return lambda text: [
        tuple(run[start : start + length]) for run in text for length in range(1, longest + 1) for start in range(len(run) - length + 1)
    ]


def _choose(goal: Goal, splits: dict[str, list], options: dict) -> dict:
    """Return the model with the best score on validation, of several the first, with its logits there, score, loss and options."""
    labels = {split: np.array(features.read(goal.dataset, split, "label")["label"]) for split in splits}
    fitted = (
        {"longest": longest, "strength": strength} | _fit(vectorizer, vectors, labels, strength, goal)
        for longest in sorted(options["ngrams"])
        for vectorizer, vectors in [_vectors(splits, longest, options["min_texts"])]
        for strength in sorted(options["inverse_regularization"])
    )
    return max(fitted, key=lambda candidate: candidate["score"])


def _vectors(splits: dict[str, list], longest: int, min_texts: int) -> tuple[TfidfVectorizer, dict]:
    """Return TF-IDF fitted on train, whether an n-gram is there counting and not how often, and both splits as sparse matrices."""
    vectorizer = TfidfVectorizer(analyzer=_ngrams(longest), min_df=min_texts, binary=True)
    try:
        train = vectorizer.fit_transform(splits["train"])
    except ValueError:
        raise UserError(f"bag_of_words: no n-gram stands in {min_texts} texts of train; lower 'min_texts'") from None
    return vectorizer, {"train": train, "validation": vectorizer.transform(splits["validation"])}


def _fit(vectorizer: TfidfVectorizer, vectors: dict, labels: dict[str, np.ndarray], strength: float, goal: Goal) -> dict:
    """Return the model that train gives, and its logits, score and loss on validation."""
    description = tasks.describe(goal.dataset)
    fit = _fit_classes if "labels" in description else _fit_number
    coefficients, intercepts = fit(vectors["train"], labels["train"], strength, len(description.get("labels", [])))
    logits = vectors["validation"] @ coefficients + intercepts
    score = quality.score_logits(goal.dataset, "validation", goal.metric, list(logits))
    model = LinearModel(list(vectorizer.get_feature_names_out()), vectorizer.idf_, coefficients, intercepts)
    return {"model": model, "logits": logits, "score": score, "loss": _loss(logits, labels["validation"])}


def _fit_classes(train, labels: np.ndarray, strength: float, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return coefficients [n-grams, classes] and intercepts [classes] of a logistic regression."""
    fitted = LogisticRegression(C=strength, max_iter=STEPS).fit(train, labels)
    of_class, intercept = fitted.coef_.T, fitted.intercept_
    if len(fitted.classes_) == 2:  # scikit-learn has the log-odds of the second class
        of_class, intercept = np.hstack([-of_class / 2, of_class / 2]), np.array([-intercept[0] / 2, intercept[0] / 2])
    coefficients, intercepts = np.zeros((train.shape[1], classes)), np.full(classes, ABSENT)
    coefficients[:, fitted.classes_], intercepts[fitted.classes_] = of_class, intercept
    return coefficients, intercepts


def _fit_number(train, labels: np.ndarray, strength: float, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return coefficients [n-grams, 1] and the intercept [1] of a ridge regression."""
    fitted = Ridge(alpha=1 / strength).fit(train, labels)
    return fitted.coef_[:, None], np.array([fitted.intercept_])


def _loss(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the cross-entropy of classes, or the squared error of a number, as trainings have it."""
    if logits.shape[1] == 1:
        return float(np.square(logits[:, 0] - labels).mean())
    return float(-special.log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean())


def _write(model: LinearModel, encoder: Path, dataset: Path, output: Path) -> None:
    """Write the graph with a config that names the classes, and the tokenizer whose ids it reads."""
    output.mkdir(parents=True, exist_ok=True)
    onnx.save(ngram_graph.write(model), output / GRAPH)
    for name in TOKENIZER_FILES:
        if (Path(encoder) / name).exists():
            shutil.copyfile(Path(encoder) / name, output / name)
    config = {"model_type": MODEL_TYPE} | tasks.of_dataset(dataset).head(tasks.describe(dataset))
    (output / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _require_same(expected: np.ndarray, graph: Path, dataset: Path) -> None:
    """Raise RuntimeError where ONNX Runtime gives other logits for validation, in padded batches, than scikit-learn."""
    runtime, workload = onnxruntime_runtime.Runtime(graph, device=PLAIN), Workload(dataset, "validation")
    batches = workload.batches(BATCH_SIZE, np.arange(len(expected)), padded=False)
    difference = max(float(np.abs(runtime(batch) - expected[rows]).max()) for rows, batch in batches)
    if not difference <= TOLERANCE * max(1.0, float(np.abs(expected).max())):
        raise RuntimeError(f"the logits of scikit-learn and of the graph differ by {difference:.2g}")
