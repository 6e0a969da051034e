"""A corpus becomes full blocks of whole documents' tokens, whose hidden words follow BERT's rule."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet

import corpora
from encoder_compression.data.features import IGNORED
from encoder_compression.data.sources.batches import Table
from encoder_compression.data.sources.table import open_tables
from encoder_compression.data.tasks import masked_language_modelling as task
from encoder_compression.data.tasks.blocks import pack
from encoder_compression.data.tasks.mlm_masking import MlmMasking, for_tokenizer
from encoder_compression.encoders import encoder_facts
from encoder_compression.errors import UserError
from encoder_compression.training.mlm_masks import DynamicMlmMasks

COLUMNS = {"columns": {"text": "text"}}


def clean(texts) -> tuple[pd.DataFrame, Counter]:
    """Return the rows of a table of these texts, read three at a time, and what was dropped."""
    dropped = Counter()
    parts = [pd.DataFrame({"text": texts[first : first + 3]}, dtype=object) for first in range(0, len(texts), 3)]
    rows = task.clean(Table("table", ["text"], False, lambda columns: iter(parts)), "train", COLUMNS, dropped)
    return pd.concat(rows, ignore_index=True), dropped


def documents(*texts: str) -> list[list[str]]:
    """Return the rows of each document that a table of these rows holds."""
    rows, _ = clean(texts)
    return rows.groupby("group", sort=False)["text"].agg(list).tolist()


def test_a_title_in_wikitexts_form_begins_a_document_and_a_section_does_not():
    rows = ("", " = One = \n", "", " a \n", " = = Part = = \n", "", " b \n", "", " = Two = \n", " c \n")
    assert documents(*rows) == [["= One =", "a", "= = Part = =", "b"], ["= Two =", "c"]]


def test_without_titles_an_empty_row_ends_a_document_and_without_those_each_row_is_one():
    assert documents("a", "b", "", "", "c") == [["a", "b"], ["c"]]
    assert documents("a", "b", "c") == [["a"], ["b"], ["c"]]


def test_a_repeated_document_is_read_once_and_counted():
    rows, dropped = clean(["a", "b", "", "c", "", "a", "b", None])
    assert rows["text"].tolist() == ["a", "b", "c"]
    assert dropped == {"empty text": 3, "in a repeated document": 2}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return corpora.make_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, encoder):
    folder = tmp_path_factory.mktemp("corpus")
    corpora.prepare(encoder, folder)
    return folder


@pytest.fixture(scope="module")
def tokenizer(encoder):
    return encoder_facts.load_tokenizer(encoder)


@pytest.fixture(scope="module")
def rows():
    return pd.concat(task.clean(open_tables(corpora.OPTIONS, "dataset")["train"], "train", COLUMNS, Counter()))


@pytest.mark.parametrize("architecture", ["bert", "roberta", "mpnet"])
def test_no_token_is_lost_or_moved_but_the_rest_at_the_end(tmp_path, rows, architecture):
    tokenizer = encoder_facts.load_tokenizer(corpora.make_encoder(tmp_path, architecture=architecture))
    blocks = pack(rows, tokenizer=tokenizer, length=32)
    expected = []
    for number, (_, document) in enumerate(rows.groupby("group", sort=False)):
        expected += [tokenizer.sep_token_id] if number else []
        expected += [token for text in document["text"] for token in tokenizer(text, add_special_tokens=False)["input_ids"]]
    inside = blocks.ids[:, 1:-1].reshape(-1).tolist()
    assert inside == expected[: len(inside)]
    assert 0 <= len(expected) - len(inside) == blocks.left_over < 30
    assert set(blocks.ids[:, 0]) == {tokenizer.cls_token_id} and set(blocks.ids[:, -1]) == {tokenizer.sep_token_id}
    assert tokenizer.pad_token_id not in blocks.ids


def test_a_block_is_of_the_document_in_which_it_begins(rows, tokenizer):
    blocks = pack(rows, tokenizer=tokenizer, length=32)
    place = {group: text for group, text in rows.groupby("group")["text"].first().items()}
    begun = 0
    for ids, group in zip(blocks.ids, blocks.groups, strict=True):
        title = tokenizer(place[group], add_special_tokens=False)["input_ids"]
        if ids[1 : 1 + len(title)].tolist() == title:
            begun += 1
    assert begun >= 1 and len(set(blocks.groups)) == rows["group"].nunique()


def test_no_article_is_in_two_splits_and_none_is_lost(corpus, rows):
    groups = {split: set(parquet.read_table(corpus / f"{split}.parquet")["group"].to_pylist()) for split in ("train", "validation", "test")}
    assert sum(map(len, groups.values())) == len(set.union(*groups.values())) == rows["group"].nunique()
    assert all(groups.values())


def test_what_fills_no_block_is_counted_and_a_split_without_a_block_is_an_error(corpus, encoder, tmp_path):
    description = json.loads((corpus / "dataset.json").read_text(encoding="utf-8"))
    assert set(description["left_over_tokens"]) == set(description["rows"]) == {"train", "validation", "test"}
    assert description["rows"]["train"] == len(parquet.read_table(corpus / "train.parquet"))
    (tmp_path / "short.txt").write_text("One line.\n\nAnother one.\n", encoding="utf-8")
    files = {"train": str(corpora.CORPUS), "test": str(tmp_path / "short.txt")}
    with pytest.raises(UserError, match="tokens of split 'test' fill no block of 32; give more text"):
        corpora.prepare(encoder, tmp_path / "dataset", files=files)


VOCABULARY, SPECIAL = 1000, [0, 1, 2, 3, 4]
MASKING = MlmMasking(share=0.15, whole_words=False, mask_token_id=4, special_ids=SPECIAL, vocabulary_size=VOCABULARY)


def masked(ids: np.ndarray, seed: int, masking: MlmMasking = MASKING, words: np.ndarray | None = None):
    return masking.apply(ids, words, np.random.default_rng(seed))


def test_fifteen_percent_are_guessed_of_which_eighty_ten_and_ten_become_mask_other_and_same():
    ids = np.random.default_rng(1).integers(5, VOCABULARY, 100_000)
    seen, labels = masked(ids, 2)
    chosen = labels != IGNORED
    assert chosen.sum() == 15_000
    assert (labels[chosen] == ids[chosen]).all() and (seen[~chosen] == ids[~chosen]).all()
    shares = [(seen[chosen] == 4).mean(), ((seen != ids) & (seen != 4) & chosen).sum() / 15_000, (seen[chosen] == ids[chosen]).mean()]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.015)  # six standard deviations of a share of 15,000 are 0.02 and 0.015


def test_special_tokens_are_never_guessed_and_never_put_in_a_place():
    ids = np.array([2, *range(5, 105), 3, 1, 3] * 50)
    seen, labels = masked(ids, 3)
    special = np.isin(ids, SPECIAL)
    assert (seen[special] == ids[special]).all() and (labels[special] == IGNORED).all()
    assert set(seen[~special]) & set(SPECIAL) == {4}
    assert (labels != IGNORED).sum() == round(0.15 * 100 * 50)


def test_whole_words_are_guessed_or_not_at_all():
    words = np.repeat(np.arange(4000), np.random.default_rng(4).integers(1, 5, 4000))
    ids = np.full(len(words), 7)
    masking = replace(MASKING, whole_words=True)
    _, labels = masked(ids, 5, masking, words)
    guessed = pd.Series(labels != IGNORED).groupby(words).mean()
    assert set(guessed) == {0.0, 1.0}
    assert 0.149 < (labels != IGNORED).mean() <= 0.15


def test_the_pieces_of_a_word_have_its_number(tmp_path):
    encoder = corpora.make_encoder(tmp_path / "encoder", vocabulary_size=150)  # few whole words
    tokenizer = encoder_facts.load_tokenizer(encoder)
    corpora.prepare(encoder, tmp_path / "corpus", masking={"share": 0.15, "whole_words": True})
    table = parquet.read_table(tmp_path / "corpus" / "train.parquet").to_pydict()
    pieces = 0
    for ids, words in zip(table["input_ids"], table["words"], strict=True):
        tokens = tokenizer.convert_ids_to_tokens(ids)
        for before, token, word_before, word in zip(tokens[1:-2], tokens[2:-1], words[1:-2], words[2:-1], strict=True):
            assert (word == word_before) == token.startswith("##"), (before, token)
            pieces += token.startswith("##")
    assert pieces > 20


def test_the_masks_of_validation_and_test_are_stored_and_hide_what_the_rule_hides(corpus, tokenizer):
    masking = for_tokenizer(tokenizer, share=0.15, whole_words=False)
    assert {tokenizer.unk_token_id, tokenizer.pad_token_id, tokenizer.cls_token_id} < set(masking.special_ids)
    for split in ("validation", "test"):
        table = parquet.read_table(corpus / f"{split}.parquet").to_pydict()
        ids, labels = np.array(table["input_ids"]), np.array(table["labels"])
        hidden = labels != IGNORED
        assert ((ids == tokenizer.mask_token_id) <= hidden).all()
        assert 0.6 < (ids[hidden] == tokenizer.mask_token_id).mean() < 0.95
        assert not np.isin(labels[hidden], masking.special_ids).any()
    assert "labels" not in parquet.read_schema(corpus / "train.parquet").names


def test_each_epoch_and_seed_hides_other_words_and_the_same_ones_when_it_is_repeated(corpus):
    def rows(seed: int, epoch: int) -> list[dict]:
        mlm_masks = DynamicMlmMasks(corpus, seed)
        mlm_masks.set_epoch(epoch)
        return [mlm_masks[index] for index in (3, 0, len(mlm_masks) - 1)]

    assert rows(1, 0) == rows(1, 0)
    assert rows(1, 0) != rows(1, 1) and rows(1, 0) != rows(2, 0)
    whole = parquet.read_table(corpus / "train.parquet")["input_ids"].to_pylist()
    for epoch in (0, 1):
        for row, index in zip(rows(1, epoch), (3, 0, len(whole) - 1), strict=True):
            restored = [label if label != IGNORED else token for token, label in zip(row["input_ids"], row["labels"], strict=True)]
            assert restored == whole[index]


def test_the_score_is_the_share_of_hidden_words_that_were_guessed(corpus):
    table = parquet.read_table(corpus / "validation.parquet")
    labels = np.array(table["labels"].to_pylist())
    guessed = np.where(np.arange(labels.size).reshape(labels.shape) % 3 == 0, labels, 0)
    found = task.decode(corpus, "validation", list(guessed))
    hidden = labels != IGNORED
    by_block = [(guessed[row] == labels[row])[hidden[row]].mean() for row in range(len(labels))]
    assert task.CREDITS["masked_accuracy"](found["label"], found["prediction"]).tolist() == pytest.approx(by_block)
    assert 0.1 < np.mean(by_block) < 0.6
    assert not task.is_constant(found["label"], found["prediction"])
