"""An encoder is taken in every form that transformers reads: half precision, shards, a bare config, a tokenizer in one file."""

import io
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import sentencepiece
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModel, AutoTokenizer

import real_tokenizers
from changed_encoders import change, split_weights
from conftest import TINY_CSV, make_encoder
from encoder_compression.data.sources.encoder import TOKENIZER_FILES, prepare_encoder
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.encoders.architectures import ARCHITECTURES
from encoder_compression.errors import UserError

SHAPE = {"num_hidden_layers": 1, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 64}
TINY_TEXTS = pd.read_csv(TINY_CSV)["text"].tolist()
TEXTS = ["a warm film", "café — “noir”, 7½ hours", "a <mask> [MASK] </s> [SEP] [UNK]", "電影 żółw  ok", ""]


def prepare(given: Path) -> tuple[Path, list[str]]:
    """Return the prepared encoder, and which settings were changed or added."""
    facts = prepare_encoder(source={"files": {"folder": str(given)}}, output=given.parent / "base")
    return given.parent / "base", facts["normalised"]


def is_refused(given: Path, line: str) -> None:
    with pytest.raises(UserError) as error:
        prepare(given)
    assert str(error.value) == line
    assert not (given.parent / "base").exists()


def leave(given: Path, *names: str) -> None:
    """Take all files of the tokenizer but these out of a folder."""
    for name in TOKENIZER_FILES:
        if name not in names:
            (given / name).unlink(missing_ok=True)


def require_the_ids_of(given: Path, base: Path) -> None:
    """Require that the prepared tokenizer answers as transformers does on the folder as it was given."""
    before, after = (AutoTokenizer.from_pretrained(folder) for folder in (given, base))
    for text in TEXTS:
        assert after(text)["input_ids"] == before(text)["input_ids"]
        assert after(text, TEXTS[0])["input_ids"] == before(text, TEXTS[0])["input_ids"]
    assert after.get_vocab() == before.get_vocab()


@pytest.mark.parametrize("sharded", [False, True])
@pytest.mark.parametrize("precision", [torch.float16, torch.bfloat16])
def test_a_checkpoint_in_half_precision_is_loaded_in_float32_as_its_rounded_weights(tmp_path, encoder, precision, sharded):
    given = Path(shutil.copytree(encoder, tmp_path / "given"))
    whole = load_file(given / "model.safetensors")
    save_file({name: tensor.to(precision) for name, tensor in whole.items()}, given / "model.safetensors", {"format": "pt"})
    change(given / "config.json", dtype=str(precision).removeprefix("torch."))
    if sharded:
        split_weights(given, 3)
    base, changed = prepare(given)
    assert changed == []
    for model in (
        pretrained.add_head(base, "AutoModelForSequenceClassification", {"num_labels": 2}),
        pretrained.with_new_head(base, "AutoModelForSequenceClassification", {"num_labels": 2}),
    ):
        state = model.base_model.state_dict()
        assert {name: tensor.dtype for name, tensor in state.items()} == dict.fromkeys(whole, torch.float32)
        assert all(torch.equal(state[name], tensor.to(precision).float()) for name, tensor in whole.items())
        pretrained.save(model, encoder_facts.load_tokenizer(base), tmp_path / "model")
        assert json.loads((tmp_path / "model/config.json").read_text(encoding="utf-8"))["dtype"] == "float32"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_config_without_architectures_names_the_class_without_a_head(tmp_path, architecture):
    given = make_encoder(tmp_path / "given", architecture)
    (named,) = json.loads((given / "config.json").read_text(encoding="utf-8"))["architectures"]
    change(given / "config.json", remove=("architectures",))
    base, changed = prepare(given)
    assert changed == ["config.json: architectures: null"]
    assert json.loads((base / "config.json").read_text(encoding="utf-8"))["architectures"] == [named]
    assert encoder_facts.head_outputs(base) is None


@pytest.mark.parametrize("architecture", ["bert", "deberta-v2", "distilbert", "roberta"])
@pytest.mark.parametrize("head", ["SequenceClassification", "QuestionAnswering", "MaskedLM", "TokenClassification"])
def test_a_config_without_architectures_names_the_head_whose_weights_are_there(tmp_path, architecture, head):
    encoder = make_encoder(tmp_path / "encoder", architecture)
    size = {"num_labels": 3} if head.endswith("Classification") else {}
    model = pretrained.add_head(encoder, f"AutoModelFor{head}", size)
    pretrained.save(model, encoder_facts.load_tokenizer(encoder), tmp_path / "given")
    change(tmp_path / "given/config.json", remove=("architectures",))
    base, _ = prepare(tmp_path / "given")
    loaded = pretrained.load_model(base)
    assert type(loaded) is type(model)
    assert all(torch.equal(tensor, loaded.state_dict()[name]) for name, tensor in model.state_dict().items())
    assert encoder_facts.head_outputs(base) == (3 if head == "SequenceClassification" else None)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_tokenizer_json_alone_is_a_tokenizer(tmp_path, architecture):
    given = make_encoder(tmp_path / "given", architecture)
    leave(given, "tokenizer.json")
    base, _ = prepare(given)
    require_the_ids_of(given, base)


@pytest.mark.parametrize("content", ["{", "[]", '{"model": {"type": "Unigram", "vocab": []}}'])
def test_a_damaged_tokenizer_json_is_one_line(tmp_path, encoder, content):
    given = Path(shutil.copytree(encoder, tmp_path / "given"))
    leave(given)
    (given / "tokenizer.json").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match="tokenizer") as error:
        prepare(given)
    assert "\n" not in str(error.value)


def trained(kind: str, **tokens) -> bytes:
    """Return a SentencePiece model of the tiny texts."""
    model = io.BytesIO()
    options = {"vocab_size": 90, "model_type": kind, "minloglevel": 2, "hard_vocab_limit": False} | tokens
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(TINY_TEXTS), model_writer=model, **options)
    return model.getvalue()


def with_sentencepiece(folder: Path, model_type: str, name: str, content: bytes) -> Path:
    """Write an encoder that has a SentencePiece model and no other file of a tokenizer; returns the folder."""
    folder.mkdir()
    (folder / name).write_bytes(content)
    AutoModel.from_config(AutoConfig.for_model(model_type, vocab_size=100, pad_token_id=1, **SHAPE)).save_pretrained(folder)
    return folder


def test_the_special_tokens_of_a_tokenizer_json_alone_are_named_where_its_class_does_not_know_them(tmp_path):
    given = make_encoder(tmp_path / "given", "modernbert")
    known = encoder_facts.load_tokenizer(given)
    leave(given, "tokenizer.json")
    assert AutoTokenizer.from_pretrained(given).pad_token is None
    base, changed = prepare(given)
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    assert changed == [f"tokenizer_config.json: {name}: null" for name in names]
    assert [getattr(encoder_facts.load_tokenizer(base), name) for name in names] == [getattr(known, name) for name in names]


def test_a_sentencepiece_model_alone_is_the_tokenizer_of_xlm_roberta(tmp_path):
    """Ids are those of the library that wrote the model, plus 1, as in fairseq: <s> 0, <pad> 1, </s> 2, <unk> 3."""
    content = trained("unigram")
    given = with_sentencepiece(tmp_path / "given", "xlm-roberta", "sentencepiece.bpe.model", content)
    base, _ = prepare(given)
    require_the_ids_of(given, base)
    reference, tokenizer = sentencepiece.SentencePieceProcessor(model_proto=content), encoder_facts.load_tokenizer(base)
    for text in TINY_TEXTS:
        assert tokenizer(text)["input_ids"] == [0, *(index + 1 for index in reference.encode(text)), 2]
    assert tokenizer("zzzqz電")["input_ids"].count(3) == reference.encode("zzzqz電").count(0) > 0


def test_a_sentencepiece_model_alone_is_the_tokenizer_of_deberta(tmp_path):
    """Ids are those of the library that wrote the model, whose first entries are DeBERTa's special tokens."""
    ids = {"pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3}
    content = trained("unigram", **ids, pad_piece="[PAD]", bos_piece="[CLS]", eos_piece="[SEP]", unk_piece="[UNK]")
    given = with_sentencepiece(tmp_path / "given", "deberta-v2", "spm.model", content)
    base, _ = prepare(given)
    require_the_ids_of(given, base)
    reference, tokenizer = sentencepiece.SentencePieceProcessor(model_proto=content), encoder_facts.load_tokenizer(base)
    for text in TINY_TEXTS:
        assert tokenizer(text)["input_ids"] == [1, *reference.encode(text), 2]
    assert tokenizer.mask_token_id == reference.get_piece_size()


NO_MODEL = "sentencepiece.bpe.model of the encoder is no SentencePiece model; fetch the encoder again, or add tokenizer.json"


@pytest.mark.parametrize("architecture", ["xlm-roberta", "camembert"])
@pytest.mark.parametrize("content", [b"", b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 5069051\n", b"cut"])
def test_a_damaged_sentencepiece_model_is_one_line(tmp_path, architecture, content):
    content = trained("unigram")[:700] if content == b"cut" else content
    is_refused(with_sentencepiece(tmp_path / "given", architecture, "sentencepiece.bpe.model", content), NO_MODEL)


def test_scores_of_another_kind_of_sentencepiece_model_are_not_taken_for_those_of_unigram(tmp_path):
    given = with_sentencepiece(tmp_path / "given", "xlm-roberta", "sentencepiece.bpe.model", trained("bpe"))
    is_refused(given, NO_MODEL.replace("no SentencePiece model", "a SentencePiece model of another kind than Unigram"))


def test_a_sentencepiece_model_by_the_name_of_another_architecture_is_one_line(tmp_path):
    given = with_sentencepiece(tmp_path / "given", "camembert", "spm.model", trained("unigram"))
    is_refused(
        given,
        "the tokenizer of the encoder cannot be read: a CamembertTokenizer has its vocabulary in sentencepiece.bpe.model, "
        "and sentencepiece.bpe.model is missing; add it, or tokenizer.json",
    )


@real_tokenizers.needed
@pytest.mark.parametrize("architecture", real_tokenizers.FOLDERS)
def test_real_tokenizers_are_taken_as_they_are(tmp_path, architecture):
    given = real_tokenizers.copy(architecture, tmp_path / "given")
    tokenizer = AutoTokenizer.from_pretrained(given)
    config = AutoConfig.for_model(architecture, vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **SHAPE)
    AutoModel.from_config(config).save_pretrained(given)
    base, _ = prepare(given)
    require_the_ids_of(given, base)
