"""Settings in an encoder's files that change what is returned or how it is padded: set to normal values once, when it is prepared.

Training, validation, export and measuring would read them differently. They change nothing that the encoder has learned.
"""

import json
from pathlib import Path

from encoder_compression.encoders.safety import CONFIG, TOKENIZER_CONFIGS, read_json

# Each key with its normal value, which is transformers' default, so that the key can be removed.
OF_MODEL = {
    "chunk_size_feed_forward": 0,
    "gradient_checkpointing": False,
    "output_attentions": False,
    "output_hidden_states": False,
    "return_dict": True,
    "torchscript": False,
}
PADDING = "pad_token_id"  # null in a config, where the class has a default
OF_TOKENIZER = {"padding_side": "right", "truncation_side": "right"}
PATHS = ("merges_file", "tokenizer_file", "vocab_file")  # of the machine that saved it; the files of the folder are read
POSITIONAL = "init_inputs"  # the first of them is a path, too
INPUTS = "model_input_names"  # the first is what is padded; without the attention mask it would not be padded with it
TOKENIZER = "tokenizer.json"


def normalise(folder: Path) -> list[str]:
    """Rewrite config.json and the tokenizer's files in a folder; returns each setting that was not normal, as "file: key: value"."""
    changed = _remove(folder / CONFIG, _changes_outputs)
    for name in TOKENIZER_CONFIGS:
        if (folder / name).exists():
            changed += _remove(folder / name, _changes_inputs)
    if (folder / TOKENIZER).exists():
        changed += _turn_right(folder / TOKENIZER)
    return changed


def _changes_outputs(key: str, value) -> bool:
    """Return whether a key of config.json makes a model return something else, or leaves its padding open."""
    return (key in OF_MODEL and value != OF_MODEL[key]) or (key == PADDING and value is None)


def _changes_inputs(key: str, value) -> bool:
    """Return whether a key of a tokenizer's config makes it pad, cut or read files in another way."""
    if key == INPUTS:
        return not isinstance(value, list) or value[:1] != ["input_ids"] or "attention_mask" not in value
    if key == POSITIONAL:
        return bool(value)
    return key in PATHS or (key in OF_TOKENIZER and value != OF_TOKENIZER[key])


def _remove(file: Path, is_changed) -> list[str]:
    content = read_json(file)
    removed = {key: value for key, value in content.items() if is_changed(key, value)}
    if removed:
        _write(file, {key: value for key, value in content.items() if key not in removed})
    return [f"{file.name}: {key}: {json.dumps(value)}" for key, value in removed.items()]


def _turn_right(file: Path) -> list[str]:
    """Set the side on which tokenizer.json pads and cuts; transformers sets all else at each call, and takes the side from here."""
    content = read_json(file)
    left = {key: content[key] for key in ("padding", "truncation") if (content.get(key) or {}).get("direction", "Right") != "Right"}
    if left:
        _write(file, content | {key: part | {"direction": "Right"} for key, part in left.items()})
    return [f"{file.name}: {key}: {part['direction']}" for key, part in left.items()]


def _write(file: Path, content: dict) -> None:
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
