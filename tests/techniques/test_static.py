"""A static student is the mean of token embeddings and a linear head, which sentence-transformers' StaticEmbedding reads as well."""

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch.nn import functional

from conftest import ROOT, TINY_CSV, load_tiny, make_encoder
from encoder_compression.data import features
from encoder_compression.data.dataset import prepare_dataset
from encoder_compression.data.tasks import sentences
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.errors import UserError
from encoder_compression.export import contents, onnx_graph, openvino_model
from encoder_compression.run import provenance
from encoder_compression.runtimes.workload import Workload
from encoder_compression.teaching import token_vectors
from encoder_compression.teaching.soft_targets import predict_soft_targets
from encoder_compression.techniques.quantize import quantize
from encoder_compression.techniques.static import new_student, static
from encoder_compression.techniques.trim import trim
from encoder_compression.training.heads import new_model
from encoder_compression.training.train import Goal
from own_experiments import TINY, load, mistakes
from short_training import TRAINING

OPTIONS = {
    "dimensions": 8,
    "unlabelled": False,
    "gate": 0,
    "temperature": 2,
    "loss": {"hard": 0.1, "soft": 0.9, "hidden": 0, "relation": 0},
    "training": TRAINING,
}


def prepare_pairs(folder, encoder):
    """Write the tiny texts as pairs, each beside one of the others."""
    texts = pd.read_csv(TINY_CSV)["text"]
    pairs = pd.DataFrame({"text": texts, "other": texts[::-1].to_numpy(), "label": np.arange(len(texts)) % 2})
    pairs.to_csv(folder / "pairs.csv", index=False)
    source = {"files": {"train": str(folder / "pairs.csv")}, "columns": {"text": "text", "text_pair": "other", "label": "label"}}
    prepare_dataset(options=load_tiny().options["dataset"] | source, task="classification", encoder=encoder, output=folder / "dataset")
    return folder / "dataset"


def write_teacher(folder, encoder, goal):
    """Write a model with a random head, and the facts that its students ask for."""
    pretrained.save(new_model(encoder, goal), encoder_facts.load_tokenizer(encoder), folder)
    provenance.write(folder, options={}, inputs={}, seconds=0, facts={"validation_score": 0.5})
    return folder


def run_static(folder, teacher, goal, **options):
    predict_soft_targets(teacher=teacher, dataset=goal.dataset, output=folder / "soft_targets", name="test")
    return static(
        parent=teacher,
        teacher=teacher,
        soft_targets=folder / "soft_targets",
        unlabelled=None,
        unlabelled_targets=None,
        goal=goal,
        options=OPTIONS | options,
        model=folder / "model",
        curve=folder / "training.csv",
    )


@pytest.fixture(scope="module")
def study(tmp_path_factory, encoder, dataset):
    """A teacher, its static student with graphs, the goal, and the facts of the training."""
    folder = tmp_path_factory.mktemp("static")
    goal = Goal(dataset=dataset, metric="accuracy", seed=1, name="test")
    facts = run_static(folder, write_teacher(folder / "teacher", encoder, goal), goal)
    export = load_tiny().options["export"]
    onnx_graph.export(model=folder / "model", options=export, output=folder / "onnx")
    openvino_model.convert(model=folder / "model", graph=folder / "onnx", options=export, output=folder / "openvino")
    return folder, goal, facts


@pytest.fixture(scope="module")
def student(study):
    return pretrained.load_model(study[0] / "model").eval()


def ids_of(*rows: list[int]) -> dict[str, torch.Tensor]:
    """Return rows of ids, each with the tokens around a text (2 before, 3 behind), padded with 0."""
    padded = torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True)
    return {"input_ids": padded, "attention_mask": (padded != 0).long()}


def test_the_file_and_tokenizer_give_the_means_as_static_embedding_computes_them(study, student):
    """As sentence-transformers 5 does: ``encode_batch`` without special tokens, torch's EmbeddingBag with its default, the mean."""
    texts = ["a good film", "dull", "it was never as good as the first one"]
    encodings = Tokenizer.from_file(str(study[0] / "model/tokenizer.json")).encode_batch(texts, add_special_tokens=False)
    ids = [torch.tensor(encoding.ids) for encoding in encodings]
    offsets = torch.tensor([0, *np.cumsum([len(row) for row in ids])[:-1]])
    weights = load_file(study[0] / "model/model.safetensors")
    means = functional.embedding_bag(torch.cat(ids), weights["embedding.weight"], offsets, mode="mean")
    expected = functional.linear(means, weights["classifier.weight"], weights["classifier.bias"])
    batch = encoder_facts.load_tokenizer(study[0] / "model")(texts, padding=True, return_tensors="pt")
    torch.testing.assert_close(student(**batch).logits, expected)


def test_neither_padding_nor_order_changes_an_answer(student):
    alone, padded = student(**ids_of([2, 7, 8, 9, 3])).logits[0], student(**ids_of([2, 7, 8, 9, 3], [2, *range(5, 25), 3])).logits[0]
    torch.testing.assert_close(alone, padded)
    torch.testing.assert_close(alone, student(**ids_of([2, 9, 7, 8, 3])).logits[0])


def test_a_text_without_tokens_is_answered_by_the_bias(student):
    assert torch.equal(student(**ids_of([2, 3])).logits[0], student.classifier.bias)


def test_it_learns_from_the_teacher(study):
    assert study[2]["steps"] > 0
    assert "loss_soft" in (study[0] / "training.csv").read_text(encoding="utf-8").splitlines()[0]
    assert study[2]["layer_map"] == {}


def test_embeddings_begin_as_what_the_parent_makes_of_a_token_alone(study):
    folder, goal, _ = study
    teacher, tokenizer = pretrained.load_model(folder / "teacher").eval(), encoder_facts.load_tokenizer(folder / "teacher")
    vectors = token_vectors.alone(teacher, tokenizer)
    (token,) = tokenizer("film", add_special_tokens=False)["input_ids"][:1]
    with torch.inference_mode():
        state = teacher.base_model(torch.tensor([[2, token, 3]])).last_hidden_state[0, 1]
    torch.testing.assert_close(vectors[token], state, atol=1e-5, rtol=1e-4)
    assert vectors.shape == (len(tokenizer), 32)
    rows = features.read(goal.dataset, "train")["input_ids"].to_pylist()
    assert token_vectors.counts(goal.dataset, len(tokenizer))[token] == sum(row.count(token) for row in rows)


def test_as_many_dimensions_as_the_parent_has_keep_all_distances():
    """A rotation keeps them, up to the scale that all vectors share; numpy's SVD finds the same first axis."""
    vectors, counts = torch.randn(20, 6, generator=torch.Generator().manual_seed(0)), torch.arange(20)
    whole, weights = token_vectors.reduce(vectors, counts, 6), counts.numpy() + 1
    before, after = torch.cdist(vectors, vectors), torch.cdist(whole, whole)
    torch.testing.assert_close(after / after.max(), before / before.max(), atol=1e-4, rtol=1e-4)
    assert whole.norm(dim=1).mean().item() == pytest.approx(1)
    centred = vectors.numpy() - np.average(vectors, axis=0, weights=weights)
    _, _, axes = np.linalg.svd(np.sqrt(weights)[:, None] * centred)
    correlation = np.corrcoef(centred @ axes[0], token_vectors.reduce(vectors, counts, 1)[:, 0])[0, 1]
    assert abs(correlation) == pytest.approx(1, abs=1e-4)


def test_its_size_is_that_of_the_embeddings_and_the_head(study, encoder):
    described = contents.describe(study[0] / "model")
    assert described["parameters"] == len(encoder_facts.load_tokenizer(encoder)) * 8 + 8 * 2 + 2
    assert described["matrices"] == 16


def test_more_dimensions_than_the_parent_has_are_refused(study):
    folder, goal, _ = study
    with pytest.raises(UserError, match="33 dimensions cannot be taken out of the 32"):
        new_student(folder / "teacher", encoder_facts.load_tokenizer(folder / "teacher"), goal, 33)


def test_it_is_quantized_and_trimmed_like_any_other(study, student):
    folder, goal, _ = study
    options = load_tiny().options["quantize"]["int8"] | {"metric": "accuracy"}
    facts = quantize(parent=folder / "onnx", dataset=goal.dataset, options=options, output=folder / "int8", name="test")
    assert (facts["integer_matmuls"], facts["float_matmuls"]) == (1, 0)
    assert contents.describe(folder / "int8")["dtypes"]["int8"] == student.embedding.weight.numel() + 16 + 2  # a zero point for each output
    (folder / "trimmed").mkdir()
    outputs = {"model": folder / "trimmed/model", "dataset": folder / "trimmed/dataset", "curve": folder / "trimmed/training.csv"}
    trim(parent=folder / "model", goal=goal, options={"vocabulary": 120}, **outputs)
    smaller = pretrained.load_model(folder / "trimmed/model").eval()
    batch = {name: torch.from_numpy(values) for name, values in Workload(folder / "trimmed/dataset").single(0).items()}
    whole = {name: torch.from_numpy(values) for name, values in Workload(goal.dataset).single(0).items()}
    if batch["input_ids"].shape == whole["input_ids"].shape:  # else a token of the text is gone
        torch.testing.assert_close(smaller(**batch).logits, student(**whole).logits)
    assert smaller.embedding.num_embeddings == 120


@pytest.mark.parametrize("architecture", ["bert", "roberta"])  # told two texts apart, or not, and with two separators between them
def test_of_two_texts_the_head_reads_both_means_their_distance_and_product(tmp_path, architecture):
    encoder = make_encoder(tmp_path / "base", architecture)
    dataset = prepare_pairs(tmp_path, encoder)
    goal = Goal(dataset=dataset, metric="accuracy", seed=1, name="pairs")
    tokenizer = encoder_facts.load_tokenizer(encoder)
    student = new_student(write_teacher(tmp_path / "teacher", encoder, goal), tokenizer, goal, 8).eval()
    pretrained.save(student, tokenizer, tmp_path / "model")
    assert sentences.count_texts(dataset) == 2
    first, second = "a good film", "not dull at all"
    u, v = (student.embedding(torch.tensor(tokenizer(text, add_special_tokens=False)["input_ids"])).mean(dim=0) for text in (first, second))
    expected = student.classifier(torch.cat([u, v, (u - v).abs(), u * v]))
    torch.testing.assert_close(student(**tokenizer([first], [second], return_tensors="pt")).logits[0], expected)
    onnx_graph.export(model=tmp_path / "model", options=load_tiny().options["export"], output=tmp_path / "onnx")  # compares logits


STATIC = {"static": {"static8": {"gate": 0}}, "profile": [], "compare": [], "runtimes": {}}


def test_nothing_that_needs_layers_can_follow_it(tmp_path):
    lines = mistakes(tmp_path, TINY | STATIC | {"variants": ["teacher", "teacher+static8+even1"]})
    assert len(lines) == 1
    assert "'even1' needs transformer layers, but 'static8' leaves none; trim and quantize steps alone can follow it" in lines[0]


def test_its_control_learns_from_labels_alone(tmp_path):
    options = load(tmp_path, TINY | STATIC | {"variants": ["teacher", "teacher+static8"]})
    assert options["variants"] == ["teacher", "teacher+static8", "teacher+static8-control"]
    assert options["static"]["static8-control"]["loss"] == {"hard": 1, "soft": 0, "hidden": 0, "relation": 0}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"loss": {"hidden": 0.1}}, "compares layers, and the student has none"),
        ({"training": {"epochs": 0}}, "untrained, the head would be random"),
        ({"dimensions": 1}, "dimensions"),
    ],
)
def test_options_that_mean_nothing_to_it_are_refused_in_one_line(tmp_path, change, words):
    (line,) = mistakes(tmp_path, TINY | STATIC | {"static": {"static8": change}, "variants": ["teacher", "teacher+static8"]})
    assert words in line


def test_questions_and_corpora_are_refused_in_one_line(tmp_path):
    questions = {
        "task": "question-answering",
        "dataset": {"files": {"train": str(ROOT / "tests/data/tiny_squad.json")}, "max_length": 60, "stride": 20},
        "variants": ["teacher", "teacher+static8"],
    }
    kept = {key: TINY[key] for key in ("encoder", "finetune")}
    (line,) = mistakes(tmp_path, kept | questions | {"static": STATIC["static"]})
    assert "static embeddings give one answer for a text, and question-answering asks one for each token" in line
