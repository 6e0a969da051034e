"""Refuse an encoder whose JSON files make transformers run code or write outside its folder.

A pinned hash says that files are the same, not that they are good. So they are read as plain JSON before transformers
sees them. docs/security.md tells what is known.
"""

import json
from pathlib import Path

from encoder_compression.encoders import quantization_config
from encoder_compression.encoders.architectures import ARCHITECTURES, STATIC
from encoder_compression.errors import UserError, nearest

CONFIG = "config.json"
TOKENIZER_CONFIGS = ("tokenizer_config.json", "special_tokens_map.json")
TOKENIZER_CLASSES = (
    "BertTokenizer",
    "CamembertTokenizer",
    "DebertaV2Tokenizer",
    "DistilBertTokenizer",
    "ElectraTokenizer",
    "MPNetTokenizer",
    "PreTrainedTokenizer",
    "RobertaTokenizer",
    "TokenizersBackend",
    "XLMRobertaTokenizer",
)
VOCABULARY_FILES = ("vocab.txt", "vocab.json", "merges.txt", "spm.model", "sentencepiece.bpe.model")  # those of the known tokenizers
ADDED_TOKENS = "added_tokens.json"
CODE_KEYS = (
    "trust_remote_code",
    "auto_map",
    "_attn_implementation",
    "attn_implementation",
    "_experts_implementation",
    "experts_implementation",
)
HARMLESS_FLAG = "_attn_implementation_autoset"  # true or false; transformers 4.46 to 4.5x wrote it, and no version reads it as a name
REMEDY = "change a copy of the encoder and name its folder under encoder.files"


def require_harmless(folder: Path, *, made_here: bool) -> None:
    """Raise UserError unless an encoder's JSON files name only known classes, no code, and no files.

    Of a model that a step ``made_here`` the class may also be the static one.
    """
    contents = {CONFIG: read_json(folder / CONFIG)}
    contents |= {name: read_json(folder / name) for name in TOKENIZER_CONFIGS if (folder / name).exists()}
    known = (*ARCHITECTURES, STATIC.model_type) if made_here else tuple(ARCHITECTURES)
    _require_known(CONFIG, "model_type", contents[CONFIG].get("model_type"), known)
    for name, content in contents.items():
        _require_known_tokenizer(name, content)
        _require_no_code(name, content)
        _require_one_chat_template(name, content)
        _require_one_tokenizer(name, content)
    quantization_config.require_known(CONFIG, contents[CONFIG])
    if (folder / ADDED_TOKENS).exists():
        _require_ids(read_json(folder / ADDED_TOKENS))


def read_json(path: Path) -> dict:
    """Return the JSON object in a file of an encoder; UserError where there is none."""
    if not path.exists():
        raise UserError(f"the encoder has no {path.name}; it says what the weights are, so add the one they were saved with")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path.name} of the encoder is not valid JSON ({error}); fetch the encoder again or mend the file") from None
    if not isinstance(content, dict):
        raise UserError(f"{path.name} of the encoder is not a JSON object; fetch the encoder again or mend the file")
    return content


def _require_known(name: str, key: str, found, known: tuple[str, ...]) -> None:
    """PYSEC-2026-2290: another config class may load the code of a nested one, whatever ``trust_remote_code`` says."""
    if found not in known:
        raise UserError(f"{name} of the encoder: unknown {key} {found!r}{nearest(str(found), known)}")


def _require_known_tokenizer(name: str, content: dict) -> None:
    """PYSEC-2026-2290: transformers takes any of its classes as tokenizer, ``LightGlueConfig`` too; from config.json as well."""
    found = content.get("tokenizer_class")
    if found is not None:
        _require_known(name, "tokenizer_class", str(found).removesuffix("Fast"), TOKENIZER_CLASSES)


def _require_no_code(name: str, content: dict) -> None:
    """PYSEC-2026-2290 and PYSEC-2026-2289: keys by which a config asks for code of its own or for a kernel of the hub."""
    for key, value in content.items():
        if key.startswith(CODE_KEYS) and not (key == HARMLESS_FLAG and isinstance(value, bool)):
            raise UserError(f"{name} of the encoder: {key!r} can make transformers run foreign code; {REMEDY}")


def _require_one_chat_template(name: str, content: dict) -> None:
    """CVE-2026-9856: names of several templates become paths of files when the tokenizer is saved.

    special_tokens_map.json counts too: where the tokenizer's config lists no added tokens, its keys are arguments of the tokenizer.
    """
    if not isinstance(content.get("chat_template"), str | None):
        raise UserError(f"{name} of the encoder: 'chat_template' is not one text, and its names could be paths; {REMEDY}")


def _require_one_tokenizer(name: str, content: dict) -> None:
    """transformers takes the tokenizer from the file of this list that fits its version, and only tokenizer.json is copied."""
    files = content.get("fast_tokenizer_files", ["tokenizer.json"])
    if files != ["tokenizer.json"]:
        raise UserError(f"{name} of the encoder: 'fast_tokenizer_files' names {files}, and only tokenizer.json is read; {REMEDY}")


def _require_ids(added: dict) -> None:
    """Raise UserError unless added_tokens.json maps tokens to ids and nothing else."""
    for token, index in added.items():
        if type(index) is not int or index < 0:
            raise UserError(f"{ADDED_TOKENS} of the encoder: the id of {token!r} is {index!r}, not a whole number from 0 on; mend it")
