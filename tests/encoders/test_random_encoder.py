"""A random encoder has the shape and the kind of tokenizer of its architecture, the same in every run."""

import json
import os
from pathlib import Path

import pytest

from conftest import make_encoder
from encoder_compression.data.sources.encoder import prepare_encoder
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.errors import UserError
from encoder_compression.run.provenance import fingerprint

ARCHITECTURES = ("bert", "roberta", "distilbert", "electra", "mpnet", "camembert", "xlm-roberta", "modernbert", "deberta-v2")
SHAPE = {"layers": 2, "hidden_size": 32, "heads": 2, "intermediate_size": 64, "positions": 64, "seed": 0, "vocabulary_size": 400}
CLASSES = {"electra": "BertTokenizer", "deberta-v2": "DebertaV2Tokenizer", "modernbert": "TokenizersBackend"}  # where not named alike
TOKEN_TYPES = {"bert": 2, "electra": 2, "roberta": 1, "camembert": 1, "xlm-roberta": 1, "deberta-v2": 0}  # others have no matrix of them
TEXT = "A café's best film — ever! 東"


@pytest.fixture(scope="module", params=ARCHITECTURES)
def made(request, tmp_path_factory):
    return request.param, make_encoder(tmp_path_factory.mktemp(request.param), request.param)


def test_the_same_options_make_the_same_encoder_and_tokenizer(made, tmp_path):
    architecture, folder = made
    again = make_encoder(tmp_path / "again", architecture)
    assert fingerprint(folder) == fingerprint(again)


def test_the_tokenizer_is_of_the_architectures_own_kind(made):
    architecture, folder = made
    tokenizer = encoder_facts.load_tokenizer(folder)
    named_alike = f"{architecture.replace('-', '')}tokenizer"
    assert tokenizer.is_fast and type(tokenizer).__name__.lower() == CLASSES.get(architecture, named_alike).lower()
    ids = tokenizer(TEXT)["input_ids"]
    assert (ids[0], ids[-1]) == (tokenizer.cls_token_id, tokenizer.sep_token_id)
    assert max(ids) < json.loads((folder / "config.json").read_text(encoding="utf-8"))["vocab_size"] == len(tokenizer)


def test_the_config_pads_with_the_tokenizers_padding_and_knows_as_many_sentences_as_the_real_models(made):
    architecture, folder = made
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["pad_token_id"] == encoder_facts.load_tokenizer(folder).pad_token_id
    assert config.get("type_vocab_size") == TOKEN_TYPES.get(architecture)


def test_the_longest_input_that_the_tokenizer_allows_fits_the_positions(made):
    _, folder = made
    batch = encoder_facts.load_tokenizer(folder)("film " * 100, truncation=True, return_tensors="pt")
    assert batch["input_ids"].shape == (1, 62)
    assert pretrained.add_head(folder, "AutoModelForSequenceClassification", {"num_labels": 2})(**batch).logits.shape == (1, 2)


def test_roberta_has_its_special_tokens_where_the_real_one_has_them_and_loses_no_text(tmp_path):
    tokenizer = encoder_facts.load_tokenizer(make_encoder(tmp_path, "roberta"))
    assert tokenizer.convert_tokens_to_ids(["<s>", "<pad>", "</s>", "<unk>", "<mask>"]) == [0, 1, 2, 3, 4]
    assert tokenizer.decode(tokenizer(TEXT)["input_ids"], skip_special_tokens=True) == TEXT
    assert "Ġfilm" in tokenizer.tokenize("a film")


def real_tokenizer(name: str) -> Path:
    if "ENCODER_DATA" not in os.environ:
        pytest.skip("ENCODER_DATA names no folder of real tokenizer files")
    return Path(os.environ["ENCODER_DATA"]) / "tokenizers" / name


@pytest.mark.parametrize(
    ("architecture", "name", "size", "ids"),  # of the published models
    [
        ("bert", "bert-base-uncased", 30522, [101, 7592, 2088, 102]),
        ("distilbert", "bert-base-uncased", 30522, [101, 7592, 2088, 102]),
        ("electra", "bert-base-uncased", 30522, [101, 7592, 2088, 102]),
        ("roberta", "roberta-base", 50265, [0, 31414, 232, 2]),
        ("modernbert", "modernbert", 50368, [50281, 12092, 1533, 50282]),
        ("deberta-v2", "deberta-v3", 128001, [1, 5365, 447, 2]),
    ],
)
def test_a_real_tokenizer_gives_the_ids_of_the_published_model(tmp_path, architecture, name, size, ids):
    source = {"architecture": architecture, "tokenizer": str(real_tokenizer(name))} | SHAPE
    prepare_encoder(source={"random": source}, output=tmp_path)
    tokenizer = encoder_facts.load_tokenizer(tmp_path)
    assert len(tokenizer) == size == json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))["vocab_size"]
    assert tokenizer("Hello world")["input_ids"] == ids


def test_a_folder_without_the_tables_of_the_architecture_is_one_line(tmp_path):
    with pytest.raises(UserError, match="has no vocab.json, which the tokenizer of 'roberta' needs"):
        prepare_encoder(source={"random": {"architecture": "roberta", "tokenizer": str(tmp_path)} | SHAPE}, output=tmp_path / "out")


def test_a_tokenizer_of_another_architecture_is_refused(tmp_path):
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n", encoding="utf-8")
    with pytest.raises(UserError, match="has no token '<s>', so it is no tokenizer of 'mpnet'"):
        prepare_encoder(source={"random": {"architecture": "mpnet", "tokenizer": str(tmp_path)} | SHAPE}, output=tmp_path / "out")
