"""A bag of words is scikit-learn's TF-IDF and linear model as a graph: the floor below all neural networks."""

import json

import numpy as np
import onnx
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge

from conftest import ROOT, TINY_CSV, load_tiny
from encoder_compression.data import features
from encoder_compression.data.dataset import prepare_dataset
from encoder_compression.encoders import encoder_facts
from encoder_compression.errors import UserError
from encoder_compression.export import contents, ngram_graph
from encoder_compression.export.ngram_graph import LinearModel
from encoder_compression.export.onnx_graph import PLAIN
from encoder_compression.measurement.measure import measure
from encoder_compression.runtimes.onnxruntime_runtime import Runtime
from encoder_compression.runtimes.workload import Workload
from encoder_compression.study.targets import check_target
from encoder_compression.techniques.bag_of_words import bag_of_words
from encoder_compression.training.train import Goal
from own_experiments import TINY, load, mistakes

OPTIONS = {"ngrams": [1, 2], "inverse_regularization": [0.1, 1, 10], "min_texts": 2}
STUDY = {"bag_of_words": {"bag": {}}, "profile": [], "compare": [], "runtimes": {}, "variants": ["teacher", "bag"]}


def fit(folder, encoder, dataset, metric="accuracy", **options) -> dict:
    goal = Goal(dataset=dataset, metric=metric, seed=1, name="test")
    return bag_of_words(encoder=encoder, goal=goal, options=OPTIONS | options, graph=folder / "onnx", curve=folder / "training.csv")


def texts(dataset, split, encoder) -> list[str]:
    """Return the ids of each text, without those around it, as words that scikit-learn's own tokenizer cuts at blanks."""
    around = encoder_facts.load_tokenizer(encoder).all_special_ids
    columns = features.read(dataset, split)["input_ids"].to_pylist()
    return [" ".join(str(token) for token in ids if token not in around) for ids in columns]


def labels(dataset, split) -> np.ndarray:
    return np.array(features.read(dataset, split, "label")["label"])


def logits_of(folder, dataset, split) -> np.ndarray:
    runtime, workload = Runtime(folder / "onnx", device=PLAIN), Workload(dataset, split)
    rows = {}
    for chosen, batch in workload.batches(5, np.arange(len(workload.lengths)), padded=False):
        rows |= dict(zip(chosen.tolist(), runtime(batch), strict=True))
    return np.array([rows[index] for index in sorted(rows)])


def vectorizer(longest: int) -> TfidfVectorizer:
    return TfidfVectorizer(token_pattern=r"\S+", ngram_range=(1, longest), min_df=2, binary=True)


@pytest.mark.parametrize("longest", [1, 2, 3])
def test_its_answers_are_those_of_scikit_learn(tmp_path, encoder, dataset, longest):
    fit(tmp_path, encoder, dataset, ngrams=[longest], inverse_regularization=[3])
    vectors = vectorizer(longest)
    train = vectors.fit_transform(texts(dataset, "train", encoder))
    expected = LogisticRegression(C=3, max_iter=1000).fit(train, labels(dataset, "train"))
    log_odds = expected.decision_function(vectors.transform(texts(dataset, "test", encoder)))
    np.testing.assert_allclose(np.diff(logits_of(tmp_path, dataset, "test"), axis=1)[:, 0], log_odds, atol=1e-4)


def test_validation_chooses_and_the_simplest_of_equals_wins(tmp_path, encoder, dataset):
    facts = fit(tmp_path, encoder, dataset)
    scores = {}
    for longest in OPTIONS["ngrams"]:
        vectors = vectorizer(longest)
        train, validation = (split(texts(dataset, name, encoder)) for name, split in _splits(vectors))
        for strength in OPTIONS["inverse_regularization"]:
            model = LogisticRegression(C=strength, max_iter=1000).fit(train, labels(dataset, "train"))
            scores[longest, strength] = model.score(validation, labels(dataset, "validation"))
    best = max(scores, key=scores.get)
    assert (facts["longest"], facts["inverse_regularization"]) == best
    assert facts["validation_score"] == pytest.approx(scores[best])


def _splits(vectors):
    return ("train", vectors.fit_transform), ("validation", vectors.transform)


def test_numbers_are_those_of_a_ridge_regression(tmp_path, encoder):
    options = load_tiny().options["dataset"] | {"files": {"train": str(TINY_CSV)}}
    prepare_dataset(options=options, task="regression", encoder=encoder, output=tmp_path / "dataset")
    facts = fit(tmp_path, encoder, tmp_path / "dataset", metric="pearson", ngrams=[1], inverse_regularization=[2])
    vectors = vectorizer(1)
    train = vectors.fit_transform(texts(tmp_path / "dataset", "train", encoder))
    expected = Ridge(alpha=0.5).fit(train, labels(tmp_path / "dataset", "train"))
    answers = expected.predict(vectors.transform(texts(tmp_path / "dataset", "test", encoder)))
    np.testing.assert_allclose(logits_of(tmp_path, tmp_path / "dataset", "test")[:, 0], answers, atol=1e-4)
    assert -1 <= facts["validation_score"] <= 1


def write(folder, ngrams, idf, coefficients, intercepts) -> Runtime:
    folder.mkdir(exist_ok=True)
    model = LinearModel(ngrams, np.array(idf), np.array(coefficients), np.array(intercepts))
    onnx.save(ngram_graph.write(model), folder / "model.onnx")
    return Runtime(folder, device=PLAIN)


def test_the_graph_weighs_what_is_there_by_idf_and_divides_by_the_length(tmp_path):
    ngrams, idf = [(7, 8), (7,), (9,)], [2.0, 1.0, 3.0]
    runtime = write(tmp_path, ngrams, idf, [[1.0, 0], [0, 1.0], [10.0, 10]], [0.5, -0.5])
    ids = np.array([[1, 7, 8, 7, 2], [1, 8, 7, 2, 0], [1, 4, 5, 6, 2]])
    length = np.sqrt(1 + 4)  # the pair counts 2, the token 1 however often it stands there
    np.testing.assert_allclose(runtime({"input_ids": ids}), [[2 / length + 0.5, 1 / length - 0.5], [0.5, 0.5], [0.5, -0.5]], rtol=1e-6)


def test_padding_and_the_other_texts_of_a_batch_change_nothing(tmp_path, encoder, dataset):
    fit(tmp_path, encoder, dataset)
    runtime, workload = Runtime(tmp_path / "onnx", device=PLAIN), Workload(dataset, "test")
    alone = np.concatenate([runtime(workload.single(index)) for index in range(len(workload))])
    np.testing.assert_allclose(logits_of(tmp_path, dataset, "test"), alone, atol=1e-6)


def test_no_ngram_reaches_over_the_border_of_two_texts(tmp_path, encoder, dataset):
    fit(tmp_path, encoder, dataset, ngrams=[2], min_texts=1)
    graph = onnx.load(tmp_path / "onnx" / "model.onnx").graph
    (pool,) = (attribute.ints for node in graph.node for attribute in node.attribute if attribute.name == "pool_int64s")
    assert set(pool).isdisjoint(encoder_facts.load_tokenizer(encoder).all_special_ids)


def test_its_files_are_the_graph_the_names_of_the_classes_and_the_tokenizer(tmp_path, encoder, dataset):
    facts = fit(tmp_path, encoder, dataset)
    config = json.loads((tmp_path / "onnx" / "config.json").read_text(encoding="utf-8"))
    assert config["id2label"] == {"0": "0", "1": "1"}
    assert (tmp_path / "onnx" / "tokenizer.json").read_bytes() == (encoder / "tokenizer.json").read_bytes()
    described = contents.describe(tmp_path / "onnx")
    assert described["parameters"] == 3 * facts["ngrams"] + 2  # idf, two coefficients, two intercepts
    assert described["size_mb"] == (tmp_path / "onnx" / "model.onnx").stat().st_size / 1e6


def test_a_row_of_it_is_measured_from_text_to_answer(tmp_path, encoder, dataset):
    facts = fit(tmp_path, encoder, dataset)
    study = load(tmp_path, TINY | STUDY)
    measure(
        artifact=tmp_path / "onnx",
        device=study["devices"]["cpu-onnxruntime"],
        partner=None,
        dataset=dataset,
        options=study["measure"] | {"metric": "accuracy", "grid": {"batch_sizes": [1], "lengths": [8], "calls": 2}},
        timed_as=None,
        measurement=tmp_path / "measurement.json",
        predictions=tmp_path / "predictions.parquet",
        name="test",
    )
    measured = json.loads((tmp_path / "measurement.json").read_text(encoding="utf-8"))
    assert measured["proof"]["matmuls"] == {"float32": 1}
    assert measured["batches_move_logits_by"] < 1e-4
    first = measured["launches"][0]["rounds"][0]
    assert all(whole > model for whole, model in zip(first["end_to_end_ms"], first["latencies_ms"], strict=True))
    assert facts["training_seconds"] > 0


def test_texts_without_a_common_ngram_are_refused(tmp_path, encoder, dataset):
    with pytest.raises(UserError, match="no n-gram stands in 1000 texts of train; lower 'min_texts'"):
        fit(tmp_path, encoder, dataset, min_texts=1000)


def test_it_has_a_row_in_onnx_runtime_alone_and_counts_as_trained(tmp_path):
    study = load_tiny(**load(tmp_path, TINY | STUDY))
    assert [device for variant, _, device in study.rows() if variant == "bag"] == ["cpu-onnxruntime"]
    (row,) = (row for row in study.table_rows() if row["variant"] == "bag")
    assert row["trained"] == ["results/tiny/bag/seed1/onnx"]
    assert row["fitted"] == "results/tiny/bag/seed1/onnx"
    assert study.partner("bag", "cpu-onnxruntime") == ("teacher", "cpu-onnxruntime")
    with pytest.raises(UserError, match="'bag' is no neural network; ask for its onnx/"):
        check_target("results/tiny/bag/seed1/model", {"tiny": study})


def test_no_gpu_runs_it(tmp_path):
    devices = {"cpu": {"runtime": "onnxruntime"}, "card": {"runtime": "onnxruntime", "hardware": "cuda"}, "torch": {"runtime": "pytorch"}}
    study = load_tiny(**load(tmp_path, TINY | STUDY | {"devices": devices}))
    assert [device for variant, _, device in study.rows() if variant == "bag"] == ["cpu"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"variants": ["teacher", "bag+int8"]}, "'int8' needs a neural network, and 'bag' leaves none; take the step out"),
        ({"variants": ["teacher", "teacher+bag"]}, "'bag' is a bag_of_words step and must come first"),
        ({"baseline": {"variant": "bag"}}, "the baseline 'bag' must have weights, but ends as no neural network"),
        ({"bag_of_words": {"bag": {"ngrams": []}}}, "ngrams"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(tmp_path, changes, words):
    (line,) = mistakes(tmp_path, TINY | STUDY | changes)
    assert words in line


def test_questions_are_refused_in_one_line(tmp_path):
    questions = {
        "task": "question-answering",
        "dataset": {"files": {"train": str(ROOT / "tests/data/tiny_squad.json")}, "max_length": 60, "stride": 20},
        "variants": ["teacher", "bag"],
    }
    kept = {key: TINY[key] for key in ("encoder", "finetune")}
    (line,) = mistakes(tmp_path, kept | questions | {"bag_of_words": {"bag": {}}})
    assert "a bag of words gives one answer for a text, and question-answering asks one for each token" in line
