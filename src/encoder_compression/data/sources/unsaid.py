"""What an encoder's configs leave unsaid and its other files tell: the class of the weights, special tokens of a lone tokenizer.json."""

import json
from pathlib import Path

from encoder_compression.data.sources.fit import read
from encoder_compression.data.sources.settings import TOKENIZER
from encoder_compression.encoders.encoder_facts import WEIGHTS, load_config, load_tokenizer, tensor_shapes
from encoder_compression.encoders.safety import CONFIG, TOKENIZER_CONFIGS, read_json

HEADS = ("ForSequenceClassification", "ForQuestionAnswering", "ForMaskedLM", "ForTokenClassification")
BUFFER = "position_ids"  # older checkpoints hold it, and no class of transformers 5 stores it
SPECIAL = {  # what transformers asks for, and the names that such a token goes by
    "pad_token": ("[PAD]", "<pad>"),
    "unk_token": ("[UNK]", "<unk>"),
    "cls_token": ("[CLS]", "<s>"),
    "sep_token": ("[SEP]", "</s>"),
    "mask_token": ("[MASK]", "<mask>"),
}


def complete(folder: Path) -> list[str]:
    """Write what config.json and the tokenizer's config do not say; returns each key that was added, as "file: key: null"."""
    added = [] if read_json(folder / CONFIG).get("architectures") else _name_class(folder)
    if (folder / TOKENIZER).exists() and not any((folder / name).exists() for name in TOKENIZER_CONFIGS):
        added += _name_special_tokens(folder)
    return added


def _name_class(folder: Path) -> list[str]:
    """Write under ``architectures`` the class whose tensors the weights are, by name; else that of the encoder without a head."""
    import transformers

    config = read(CONFIG, lambda: load_config(folder))
    config.num_labels = 2  # names of tensors do not depend on it, and a DistilBERT for questions takes no other number
    stored = {name for name in read(WEIGHTS, lambda: tensor_shapes(folder / WEIGHTS)) if not name.endswith(BUFFER)}
    models = (_empty(getattr(transformers, f"AutoModel{head}"), config) for head in HEADS)
    fitting = [model for model in models if set(model.state_dict()) - set(model.all_tied_weights_keys) <= stored <= set(model.state_dict())]
    name = type((fitting or [_empty(transformers.AutoModel, config)])[0]).__name__
    _write(folder / CONFIG, read_json(folder / CONFIG) | {"architectures": [name]})
    return [f"{CONFIG}: architectures: null"]


def _empty(auto_class, config):
    """Return a model of the class without memory for its weights."""
    import torch

    with torch.device("meta"):
        return auto_class.from_config(config)


def _name_special_tokens(folder: Path) -> list[str]:
    """Write a tokenizer's config with the special tokens that its class does not know by itself, as ModernBERT's does not."""
    tokenizer = read("the tokenizer", lambda: load_tokenizer(folder))
    special = {token["content"]: token for token in read_json(folder / TOKENIZER)["added_tokens"] if token["special"]}
    named = {
        key: {"__type": "AddedToken"} | {field: value for field, value in special[name].items() if field != "id"}
        for key, names in SPECIAL.items()
        for name in names
        if getattr(tokenizer, key) is None and name in special
    }
    if named:
        _write(folder / TOKENIZER_CONFIGS[0], named)
    return [f"{TOKENIZER_CONFIGS[0]}: {key}: null" for key in named]


def _write(file: Path, content: dict) -> None:
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
