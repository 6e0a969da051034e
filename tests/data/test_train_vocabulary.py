"""A random encoder may take its vocabulary from the texts of train, and from no others."""

import pandas as pd
import pytest

from conftest import ROOT, TINY_CSV, load_study, make_encoder
from encoder_compression.data.dataset import prepare_dataset
from encoder_compression.data.train_vocabulary import prepare_with_vocabulary
from encoder_compression.encoders import encoder_facts
from encoder_compression.study.inputs import Experiment
from encoder_compression.study.nested import merge
from own_experiments import TINY, load_studies

SHAPE = {"layers": 2, "hidden_size": 32, "heads": 2, "intermediate_size": 64, "positions": 64, "seed": 0, "vocabulary_size": 400}
SOURCE = {"random": {"architecture": "bert", "vocabulary_of_train": True} | SHAPE}


def test_it_has_the_words_of_train_and_none_that_only_other_splits_have(tmp_path):
    rows = pd.read_csv(TINY_CSV).assign(text=lambda table: [f"{text} word{index}x" for index, text in enumerate(table["text"])])
    rows.to_csv(tmp_path / "rows.csv", index=False)
    options = {"files": {"train": str(tmp_path / "rows.csv")}, "format": {}, "columns": {"text": "text", "label": "label"}}
    options |= {"split": {"validation": 0.2, "test": 0.25}, "max_length": 32}
    texts = {"dataset": options, "task": "classification"}
    prepare_with_vocabulary(source=SOURCE, texts=texts, output=tmp_path / "base")
    prepare_dataset(options=options, task="classification", encoder=tmp_path / "base", output=tmp_path / "dataset")
    words = {
        split: set(" ".join(pd.read_parquet(tmp_path / f"dataset/{split}.parquet")["text"]).replace(",", " ").split())
        for split in ("train", "test")
    }
    known = set(encoder_facts.load_tokenizer(tmp_path / "base").get_vocab())
    assert words["train"] <= known
    assert len(words["test"] - words["train"]) >= 10 and not (words["test"] - words["train"]) & known


@pytest.mark.parametrize(("experiment", "word"), [("tiny-roberta-squad", "miles"), ("tiny-wikitext", "the")])
def test_questions_and_a_corpus_have_texts_too(tmp_path, monkeypatch, experiment, word):
    monkeypatch.chdir(ROOT)
    options = load_study(ROOT, experiment).options
    prepare_with_vocabulary(source=SOURCE, texts={"dataset": options["dataset"], "task": options["task"]}, output=tmp_path / "base")
    assert word in encoder_facts.load_tokenizer(tmp_path / "base").get_vocab()


def test_without_it_an_encoder_is_what_its_source_says(tmp_path):
    random = SOURCE["random"] | {"vocabulary_from": str(TINY_CSV)}
    source = {"random": {key: value for key, value in random.items() if key != "vocabulary_of_train"}}
    facts = prepare_with_vocabulary(source=source, texts=None, output=tmp_path / "base")
    assert (tmp_path / "base/vocab.txt").read_text(encoding="utf-8") == (make_encoder(tmp_path / "made") / "vocab.txt").read_text(
        encoding="utf-8"
    )
    assert facts == {"weights_sha256": facts["weights_sha256"], "normalised": []}


def test_the_job_of_the_encoder_gets_the_data_set_only_where_it_is_asked_for(tmp_path):
    random = {"architecture": "bert", "vocabulary_of_train": True}
    asking = merge({key: value for key, value in TINY.items() if key != "encoder"}, {"encoder": {"random": random}})
    studies = load_studies(tmp_path, ["asking", "plain"], asking=asking, plain=TINY)
    given = Experiment(studies, "asking").encoder_options
    assert given["texts"] == {"dataset": studies["asking"].options["dataset"], "task": "classification"}
    assert "texts" not in Experiment(studies, "plain").encoder_options
