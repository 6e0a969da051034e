"""An encoder that could make transformers run foreign code or write elsewhere is refused before anything is made of it."""

import io
import json
import shutil
from pathlib import Path

import pytest
import sentencepiece
import transformers
from transformers import PreTrainedTokenizerBase
from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING_NAMES

from changed_encoders import change
from conftest import make_encoder
from encoder_compression.data.sources.encoder import prepare_encoder
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.encoders.architectures import ARCHITECTURES
from encoder_compression.encoders.safety import TOKENIZER_CLASSES
from encoder_compression.errors import UserError


@pytest.fixture
def candidate(tmp_path, encoder) -> Path:
    """An encoder in a folder, to be made hostile."""
    return Path(shutil.copytree(encoder, tmp_path / "candidate"))


def take(folder: Path) -> None:
    """Do what the pipeline does with an encoder from its source to its first checkpoint."""
    base = folder.parent / "base"
    prepare_encoder(source={"files": {"folder": str(folder)}}, output=base)
    tokenizer = encoder_facts.load_tokenizer(base)
    pretrained.save(pretrained.add_head(base, "AutoModelForSequenceClassification", {}), tokenizer, folder.parent / "checkpoint")


def is_refused(folder: Path, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        take(folder)
    assert "\n" not in str(error.value)
    assert not (folder.parent / "base").exists()


def nested_config_with_code(folder: Path, marker: Path) -> dict:
    """Return the keys by which a LightGlue config loads the code in ``folder``, which writes ``marker``."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "foreign", "auto_map": {"AutoConfig": "code.Foreign"}}), encoding="utf-8")
    lines = ["from pathlib import Path", "from transformers import PretrainedConfig", f"Path({str(marker)!r}).touch()"]
    (folder / "code.py").write_text("\n".join([*lines, "class Foreign(PretrainedConfig):", "    model_type = 'foreign'"]), encoding="utf-8")
    return {"trust_remote_code": True, "keypoint_detector_config": {"model_type": "foreign", "_name_or_path": str(folder)}}


def test_a_config_of_another_architecture_is_refused(candidate, tmp_path):
    nested = nested_config_with_code(tmp_path / "nested", tmp_path / "marker")
    change(candidate / "config.json", model_type="lightglue", **nested)
    change(candidate / "tokenizer_config.json", remove=("tokenizer_class",))
    is_refused(candidate, "config.json of the encoder: unknown model_type 'lightglue'; known: bert, ")
    assert not (tmp_path / "marker").exists()


def test_a_config_that_trusts_code_is_refused(candidate, tmp_path):
    nested = nested_config_with_code(tmp_path / "nested", tmp_path / "marker")
    change(candidate / "config.json", **nested)
    is_refused(candidate, "config.json of the encoder: 'trust_remote_code' can make transformers run foreign code")


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_a_tokenizer_class_that_is_no_tokenizer_is_refused(candidate, name):
    change(candidate / "tokenizer_config.json", remove=("tokenizer_class",))
    change(candidate / name, tokenizer_class="LightGlueConfig")
    is_refused(candidate, f"{name} of the encoder: unknown tokenizer_class 'LightGlueConfig'")


@pytest.mark.parametrize("name", ["AlbertTokenizer", "DebertaTokenizer", "LlamaTokenizerFast", "MistralCommonBackend", "XLMTokenizer"])
def test_a_tokenizer_of_no_known_architecture_is_refused(candidate, name):
    change(candidate / "tokenizer_config.json", tokenizer_class=name)
    is_refused(candidate, f"tokenizer_config.json of the encoder: unknown tokenizer_class '{name.removesuffix('Fast')}'")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_tokenizer_class_of_each_architecture_is_accepted(architecture):
    assert TOKENIZER_MAPPING_NAMES[architecture] in TOKENIZER_CLASSES


@pytest.mark.parametrize("name", TOKENIZER_CLASSES)
def test_an_accepted_tokenizer_class_makes_a_tokenizer_and_no_config(name):
    """LightGlueConfig was taken as one. Fast tokenizers run on tables alone, whatever the class."""
    kind = getattr(transformers, name)
    assert issubclass(kind, PreTrainedTokenizerBase)
    assert kind.__module__.partition(".")[0] == "transformers"


@pytest.mark.parametrize("key", ["_attn_implementation", "_attn_implementation_internal", "attn_implementation", "experts_implementation"])
def test_a_kernel_named_in_the_config_is_refused(candidate, key):
    change(candidate / "config.json", **{key: "someone/kernel"})
    is_refused(candidate, f"config.json of the encoder: '{key}' can make transformers run foreign code; change a copy")


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("config.json", {"AutoModelForSequenceClassification": "code.Model"}),
        ("tokenizer_config.json", {"AutoTokenizer": ["code.Words", None]}),
    ],
)
def test_code_named_in_auto_map_is_refused(candidate, name, target):
    change(candidate / name, auto_map=target)
    is_refused(candidate, f"{name} of the encoder: 'auto_map' can make transformers run foreign code")


@pytest.mark.parametrize("name", ["tokenizer_config.json", "special_tokens_map.json"])
@pytest.mark.parametrize("kind", [list, dict])
def test_a_chat_template_cannot_name_a_file_outside(candidate, tmp_path, name, kind):
    outside = str(tmp_path / "outside")
    change(candidate / "tokenizer_config.json", remove=("added_tokens_decoder",))
    change(candidate / name, chat_template={outside: "text"} if kind is dict else [{"name": outside, "template": "text"}])
    is_refused(candidate, f"{name} of the encoder: 'chat_template' is not one text")
    assert not list(tmp_path.glob("outside*"))


@pytest.mark.parametrize(("content", "message"), [("{", "not valid JSON"), ("[]", "not a JSON object"), (None, "has no config.json")])
def test_a_config_that_cannot_be_read_is_refused(candidate, content, message):
    (candidate / "config.json").unlink()
    if content:
        (candidate / "config.json").write_text(content, encoding="utf-8")
    is_refused(candidate, message)


@pytest.mark.parametrize(
    ("architecture", "tokenizer_class"),
    [
        ("bert", "BertTokenizer"),
        ("roberta", "RobertaTokenizerFast"),
        ("distilbert", "DistilBertTokenizer"),
        ("bert", "TokenizersBackend"),
        ("xlm-roberta", "XLMRobertaTokenizerFast"),
        ("camembert", "CamembertTokenizer"),
        ("deberta-v2", "DebertaV2TokenizerFast"),
        ("modernbert", "PreTrainedTokenizerFast"),
    ],
)
def test_the_encoders_that_come_along_are_accepted(tmp_path, architecture, tokenizer_class):
    folder = make_encoder(tmp_path / "candidate", architecture)
    change(folder / "tokenizer_config.json", chat_template="one text", tokenizer_class=tokenizer_class)
    take(folder)
    assert (tmp_path / "checkpoint" / "model.safetensors").exists()


def test_a_sentencepiece_model_is_read_as_data_and_never_run(tmp_path, monkeypatch):
    """transformers takes pieces and scores out of the file; the C++ library, which parses it anew, is not asked."""
    content = io.BytesIO()
    sentences = ["a warm film", "a cold film of one hour", "the film was long"]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences), model_writer=content, vocab_size=30, hard_vocab_limit=False, minloglevel=2
    )
    folder = make_encoder(tmp_path / "candidate", "xlm-roberta")
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (folder / name).unlink(missing_ok=True)
    (folder / "sentencepiece.bpe.model").write_bytes(content.getvalue())
    monkeypatch.setattr(sentencepiece.SentencePieceProcessor, "Load", lambda *_, **__: pytest.fail("the model was run"))
    with pytest.raises(pytest.fail.Exception):  # to see that it would have been noticed
        sentencepiece.SentencePieceProcessor(model_proto=content.getvalue())
    take(folder)
    assert (tmp_path / "checkpoint" / "tokenizer.json").exists()
