"""The files of an encoder belong together, or one line says which of them do not; what is right is read as it was given."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from changed_encoders import change, split_weights
from conftest import make_encoder
from encoder_compression.data.sources.encoder import TOKENIZER_FILES, prepare_encoder
from encoder_compression.encoders import pretrained
from encoder_compression.encoders.encoder_facts import load_tokenizer
from encoder_compression.errors import UserError
from encoder_compression.run.provenance import fingerprint

ADDED = ["[USER]", "<b>of</b>"]
VOCABULARIES = ("vocab.txt", "vocab.json", "merges.txt")
ARCHITECTURES = ["bert", "roberta", "distilbert", "electra", "mpnet"]
TEXTS = ["[USER] is a warm film", "a film<b>of</b> one [USER]", "café — “noir”, 7½ hours", "<mask> [MASK] </s> [SEP] [UNK]"]


def prepare(given: Path, folder: Path | None = None) -> Path:
    base = folder or given.parent / "base"
    prepare_encoder(source={"files": {"folder": str(given)}}, output=base)
    return base


@pytest.fixture
def given(tmp_path, encoder) -> Path:
    """A copy of a random encoder, to be changed."""
    return Path(shutil.copytree(encoder, tmp_path / "given"))


def is_refused(given: Path, *parts: str) -> None:
    with pytest.raises(UserError) as error:
        prepare(given)
    assert "\n" not in str(error.value)
    assert all(part in str(error.value) for part in parts), error.value
    assert not (given.parent / "base").exists()


def rewrite(given: Path, alter) -> None:
    """Change the weights of an encoder in place; ``alter`` gets them by name."""
    tensors = load_file(given / "model.safetensors")
    alter(tensors)
    save_file(tensors, given / "model.safetensors", {"format": "pt"})


def add_tokens(folder: Path, form: str) -> None:
    """Add two tokens to an encoder and its tokenizer, kept in tokenizer.json, or as transformers 4 kept them: in one of two other files."""
    model, tokenizer = pretrained.add_head(folder, "AutoModel", {}), load_tokenizer(folder)
    tokenizer.add_tokens(ADDED)
    model.resize_token_embeddings(len(tokenizer))
    pretrained.save(model, tokenizer, folder)
    if form == "tokenizer.json":
        return
    written = {"added_tokens.json": {token: len(tokenizer) - 2 + place for place, token in enumerate(ADDED)}}
    written["special_tokens_map.json"] = {"additional_special_tokens": ADDED}
    (folder / form).write_text(json.dumps(written[form]), encoding="utf-8")
    (folder / "tokenizer.json").unlink()


@pytest.mark.parametrize("form", ["tokenizer.json", "added_tokens.json", "special_tokens_map.json"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_texts_become_the_ids_that_the_given_folder_makes_of_them(tmp_path, architecture, form):
    given = make_encoder(tmp_path / "given", architecture)
    add_tokens(given, form)
    before, after = load_tokenizer(given), load_tokenizer(prepare(given))
    assert before(TEXTS)["input_ids"] == after(TEXTS)["input_ids"]
    assert before.get_vocab() == after.get_vocab()
    assert after("[USER]", add_special_tokens=False)["input_ids"] == [before.get_vocab()["[USER]"]]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_file_that_a_tokenizer_reads_is_taken(tmp_path, architecture):
    tokenizer = load_tokenizer(make_encoder(tmp_path, architecture))
    assert set(tokenizer.vocab_files_names.values()) <= set(TOKENIZER_FILES)


def test_added_tokens_that_are_no_ids_are_refused_before_anything_reads_them(given):
    (given / "added_tokens.json").write_text(json.dumps({"[USER]": "__import__"}), encoding="utf-8")
    is_refused(given, "added_tokens.json of the encoder: the id of '[USER]' is '__import__', not a whole number")


def test_a_tokenizer_for_each_version_is_refused(given):
    change(given / "tokenizer_config.json", fast_tokenizer_files=["tokenizer.4.0.0.json", "tokenizer.json"])
    is_refused(given, "tokenizer_config.json of the encoder: 'fast_tokenizer_files' names ['tokenizer.4.0.0.json', 'tokenizer.json']")


@pytest.mark.parametrize(("kept", "missing"), [("vocab.json", "merges.txt"), ("merges.txt", "vocab.json")])
def test_half_a_vocabulary_is_one_line(tmp_path, kept, missing):
    given = make_encoder(tmp_path / "given", "roberta")
    for name in ("tokenizer.json", missing):
        (given / name).unlink()
    is_refused(given, f"has {kept}, but {missing} is missing beside it; add {missing}")


@pytest.mark.parametrize(
    ("architecture", "donor", "line"),
    [("roberta", "bert", "a RobertaTokenizer has its vocabulary in vocab.json and merges.txt, and vocab.json is missing; add it"),
     ("distilbert", "roberta", "a DistilBertTokenizer has its vocabulary in vocab.txt, and vocab.txt is missing; add it"),
     ("mpnet", "roberta", "a MPNetTokenizer has its vocabulary in vocab.txt, and vocab.txt is missing; add it, or tokenizer.json")],
)  # fmt: skip
def test_the_vocabulary_of_another_kind_is_one_line(tmp_path, architecture, donor, line):
    given, other = make_encoder(tmp_path / "given", architecture), make_encoder(tmp_path / "donor", donor)
    for name in ("tokenizer.json", *VOCABULARIES):
        (given / name).unlink(missing_ok=True)
    for name in VOCABULARIES:
        if (other / name).exists():
            shutil.copyfile(other / name, given / name)
    is_refused(given, "the tokenizer of the encoder cannot be read", line)


def test_more_tokens_than_embeddings_are_one_line(given):
    tokenizer = load_tokenizer(given)
    tokenizer.add_tokens(["[USER]"])
    tokenizer.save_pretrained(given)
    rows = len(tokenizer) - 1
    is_refused(given, f"tokenizer has ids up to {rows}, but the embedding matrix in model.safetensors has {rows} rows", "resize_token")


def test_more_embeddings_than_tokens_are_fine(given):
    tokenizer, model = load_tokenizer(given), pretrained.add_head(given, "AutoModel", {})
    model.resize_token_embeddings(len(tokenizer) + 24)
    pretrained.save(model, tokenizer, given)
    assert len(load_tokenizer(prepare(given))) == len(tokenizer)


def test_a_tokenizer_without_padding_is_one_line(given):
    change(given / "tokenizer_config.json", pad_token=None)
    change(given / "special_tokens_map.json", pad_token=None)
    is_refused(given, "tokenizer has no padding token", "'pad_token' in tokenizer_config.json")


def test_positions_that_are_counted_from_another_token_than_padding_are_one_line(tmp_path):
    given = make_encoder(tmp_path / "given", "roberta")
    change(given / "config.json", pad_token_id=3)
    is_refused(given, "counts positions from the padding token 3, but its tokenizer pads with 1", "'pad_token_id' in config.json")


@pytest.mark.parametrize("architecture", ["bert", "roberta"])
def test_a_config_without_padding_or_architectures_is_read_as_its_class_does(tmp_path, architecture):
    given = make_encoder(tmp_path / "given", architecture)
    change(given / "config.json", remove=("pad_token_id", "architectures"))
    model = pretrained.add_head(prepare(given), "AutoModelForSequenceClassification", {"num_labels": 2})
    assert model.config.pad_token_id == load_tokenizer(given).pad_token_id


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_one_line(given, value):
    rewrite(given, lambda tensors: tensors["encoder.layer.1.output.dense.weight"][3, 5:7].fill_(value))
    is_refused(given, "model.safetensors of the encoder: 2 weights of 'encoder.layer.1.output.dense.weight' are NaN or infinite")


def test_layers_without_weights_are_one_line_and_never_random(given):
    change(given / "config.json", num_hidden_layers=3)
    is_refused(given, "lacks 16 tensors that config.json asks for, such as 'encoder.layer.2", "they would be random")


def test_weights_of_another_model_are_one_line(given):
    rewrite(given, lambda tensors: tensors.update({f"model.{name}": tensors.pop(name) for name in list(tensors)}))
    is_refused(given, "model.safetensors of the encoder lacks", "they would be random")


def test_an_encoder_without_a_pooler_is_fine(given):
    """Masked language modeling leaves none."""
    rewrite(given, lambda tensors: [tensors.pop(name) for name in list(tensors) if name.startswith("pooler.")])
    assert prepare(given)


def test_a_config_of_another_size_is_one_line(given):
    change(given / "config.json", type_vocab_size=5)
    is_refused(given, "'embeddings.token_type_embeddings.weight' has shape [2, 32], but config.json says [5, 32]")


def test_a_damaged_file_of_weights_is_one_line(given):
    content = (given / "model.safetensors").read_bytes()
    (given / "model.safetensors").write_bytes(content[: len(content) // 2])
    is_refused(given, "model.safetensors of the encoder cannot be read (SafetensorError")


@pytest.mark.parametrize("key", ["is_decoder", "add_cross_attention"])
def test_a_decoder_is_one_line(given, key):
    change(given / "config.json", **{key: True})
    is_refused(given, f"config.json of the encoder: '{key}' makes it a decoder")


def test_quantized_weights_are_one_line(given):
    change(given / "config.json", quantization_config={"quant_method": "bitsandbytes", "load_in_8bit": True})
    is_refused(given, "config.json of the encoder: 'quantization_config' says that its weights are quantized")


@pytest.mark.parametrize("value", [True, False])
def test_the_flag_that_transformers_wrote_of_its_attention_is_accepted(given, value):
    change(given / "config.json", _attn_implementation_autoset=value)
    assert prepare(given)


@pytest.mark.parametrize(("key", "value"), [("_attn_implementation_autoset", "someone/kernel"), ("attn_implementation", "someone/kernel")])
def test_a_name_of_a_kernel_is_refused_under_every_such_key(given, key, value):
    change(given / "config.json", **{key: value})
    is_refused(given, f"config.json of the encoder: '{key}' can make transformers run foreign code")


@pytest.mark.parametrize("count", [1, 4])
def test_shards_are_joined_to_the_one_file_that_they_were(given, count):
    whole = fingerprint(given / "model.safetensors")
    split_weights(given, count)
    base = prepare(given)
    assert fingerprint(base / "model.safetensors") == whole
    assert not list(base.glob("model-*")) and not list(base.glob("*.index.json"))


def test_a_shard_that_is_missing_is_named(given):
    (given / split_weights(given, 3)[1]).unlink()
    is_refused(given, "the encoder has no model-00002-of-00003.safetensors, which model.safetensors.index.json lists")


def test_a_tensor_that_no_shard_holds_is_named(given):
    name = split_weights(given, 3)[1]
    save_file({"other": torch.zeros(1)}, given / name, {"format": "pt"})
    is_refused(given, "no shard of the encoder holds 'embeddings.LayerNorm.weight'")


@pytest.mark.parametrize("name", ["../outside.safetensors", "/tmp/outside.safetensors", "pytorch_model.bin", ["a"]])
def test_an_index_names_only_safetensors_files_beside_it(given, name):
    split_weights(given, 2)
    (given / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"embeddings.LayerNorm.weight": name}}), encoding="utf-8")
    is_refused(given, "model.safetensors.index.json of the encoder: 'weight_map' must map tensors to .safetensors files beside it")
