"""How long an input may be is told from the files of an encoder before any job runs."""

import json
import re

import pytest

from encoder_compression.config.input_length import longest_input
from encoder_compression.errors import UserError
from own_experiments import TINY, mistakes


@pytest.mark.parametrize(
    ("config", "tokenizer", "longest"),
    [
        ({"model_type": "bert", "max_position_embeddings": 512}, {}, 512),
        ({"model_type": "bert", "max_position_embeddings": 512}, {"model_max_length": 256}, 256),
        ({"model_type": "bert", "max_position_embeddings": 512}, {"model_max_length": 1e30}, 512),
        ({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}, {}, 512),
        ({"model_type": "roberta", "max_position_embeddings": 516, "pad_token_id": 3}, {}, 512),
        ({"model_type": "roberta", "max_position_embeddings": 514}, {}, 512),  # the class's own padding id, 1
        ({"model_type": "bert"}, {}, 512),  # the class's own number of positions
        ({"model_type": "bert", "max_position_embeddings": 40, "pad_token_id": 39}, {}, 40),
    ],
)
def test_what_the_files_of_an_encoder_say_is_known(tmp_path, config, tokenizer, longest):
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    assert longest_input({"files": {"folder": str(tmp_path)}}) == longest


def test_of_an_encoder_that_is_yet_to_be_fetched_nothing_is_known():
    assert longest_input({"hub": {"id": "a/b", "revision": "0" * 40}}) is None
    assert longest_input({"random": {"positions": 64}}) == 62


def test_texts_longer_than_a_local_encoder_reads_are_told_when_the_study_is_read(tmp_path):
    (tmp_path / "encoder").mkdir()
    config = {"model_type": "roberta", "max_position_embeddings": 20, "pad_token_id": 1}
    (tmp_path / "encoder/config.json").write_text(json.dumps(config), encoding="utf-8")
    experiment = TINY | {"encoder": {"files": {"folder": str(tmp_path / "encoder")}}}
    message = r"mine.yaml:\d+: dataset.max_length: 32 is more than the 18 tokens that the encoder reads; give at most 18"
    (line,) = mistakes(tmp_path, experiment)
    assert re.fullmatch(message, line)


def test_a_broken_config_of_an_encoder_is_one_line(tmp_path):
    (tmp_path / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(UserError, match="config.json of the encoder is not valid JSON .*; fetch the encoder again"):
        longest_input({"files": {"folder": str(tmp_path)}})
