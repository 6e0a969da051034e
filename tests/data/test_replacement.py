"""Words give way to others that a language model finds likely, and nothing else of a text changes."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from conftest import ROOT
from encoder_compression.data.replacement import _alone, replace_words
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.errors import UserError
from encoder_compression.study.study import Study
from encoder_compression.study.targets import unlabelled_pattern
from own_experiments import TINY, load_studies

OPTIONS = {"copies": 3, "share": 0.4, "candidates": 2}


@pytest.fixture(scope="module")
def model(tmp_path_factory, encoder):
    """A language model that always guesses the same few tokens, the special ones among them."""
    folder = tmp_path_factory.mktemp("model")
    network = pretrained.add_head(encoder, "AutoModelForMaskedLM", {})
    torch.nn.init.zeros_(network.cls.predictions.decoder.weight)
    with torch.no_grad():
        network.cls.predictions.bias.copy_(torch.arange(len(network.cls.predictions.bias)).float().flip(0))
    pretrained.save(network, encoder_facts.load_tokenizer(encoder), folder)
    return folder


@pytest.fixture(scope="module")
def replaced(model, dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("replaced")
    facts = replace_words(model=model, dataset=dataset, options=OPTIONS, output=folder, name="test")
    return pd.read_parquet(folder / "train.parquet"), facts


def original(dataset) -> dict[str, dict]:
    return pd.read_parquet(dataset / "train.parquet").set_index("id").to_dict("index")


def test_so_many_words_of_one_token_are_others_and_the_rest_is_as_it_was(replaced, dataset, encoder):
    rows, _ = replaced
    tokenizer, before = encoder_facts.load_tokenizer(encoder), original(dataset)
    likeliest = set(range(len(tokenizer))[: len(tokenizer.all_special_ids) + OPTIONS["candidates"]]) - set(tokenizer.all_special_ids)
    assert len(likeliest) == 2
    for row in rows.itertuples():
        source = before[row.id.partition("-")[2]]
        changed = np.flatnonzero(row.input_ids != source["input_ids"])
        single = _alone(tokenizer(source["text"]).word_ids(), [0] * len(row.input_ids))
        assert set(changed) <= set(single)
        assert 0 < len(changed) <= max(1, round(0.4 * len(single)))
        assert set(row.input_ids[changed]) <= likeliest


def test_the_copies_of_a_text_differ_and_what_is_known_is_counted(replaced, dataset):
    rows, facts = replaced
    assert not rows["input_ids"].map(tuple).duplicated().any()
    assert facts["rows"]["train"] + sum(facts["dropped"].values()) == 3 * len(original(dataset))
    assert "label" not in rows and "text" not in rows


def test_words_of_several_tokens_and_special_ones_stay():
    words, texts = [None, 0, 1, 1, 2, None, 0, None], [None, 0, 0, 0, 0, None, 1, None]
    assert _alone(words, texts).tolist() == [1, 4, 6]


def test_a_model_of_another_vocabulary_is_refused(model, dataset, tmp_path):
    tokenizer = encoder_facts.load_tokenizer(model)
    shift = {word: (number + 1) % len(tokenizer) for word, number in tokenizer.get_vocab().items()}
    pretrained.save(pretrained.load_model(model), tokenizer, tmp_path / "other")
    words = sorted(shift, key=shift.get)
    file = tmp_path / "other/tokenizer.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    content["model"]["vocab"] = {word: number for number, word in enumerate(words)}
    content["added_tokens"], content["post_processor"] = [], None
    file.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(UserError, match="reads other tokens than the data set has; take a language model of the same encoder"):
        replace_words(model=tmp_path / "other", dataset=dataset, options=OPTIONS, output=tmp_path / "out", name="test")


def load(tmp_path, experiment: str) -> dict[str, Study]:
    mine = TINY | {"unlabelled": {"replaced": {"model": {"experiment": experiment, "variant": "teacher"}}}}
    files = {name: ROOT / "config" / "experiments" / f"{name}.yaml" for name in ("tiny", "tiny-wikitext", "wikitext")}
    return load_studies(
        tmp_path, ["mine"], mine=mine, **{name: yaml.safe_load(file.read_text(encoding="utf-8")) for name, file in files.items()}
    )


def test_the_language_model_comes_from_an_experiment_about_a_corpus(tmp_path):
    studies = load(tmp_path, "tiny-wikitext")
    assert set(studies) == {"mine", "tiny-wikitext"}
    assert re.fullmatch(unlabelled_pattern(studies, replaced=True), "mine")
    assert not re.fullmatch(unlabelled_pattern(studies, replaced=False), "mine")


def test_one_about_a_task_is_refused(tmp_path):
    with pytest.raises(UserError, match="mine: unlabelled.replaced: 'tiny' is about classification; name a model of a corpus"):
        load(tmp_path, "tiny")
