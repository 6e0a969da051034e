"""Encoders from which transformers 4 cut attention heads: their matrices get zeros in place of those, so that transformers 5 loads them."""

import json
from pathlib import Path

from encoder_compression.encoders import encoder_facts, removed_heads
from encoder_compression.encoders.encoder_facts import WEIGHTS
from encoder_compression.encoders.safety import CONFIG, read_json


def restore(folder: Path) -> list[str]:
    """Give the weights in a folder their full shape again, in place; returns what was restored, as "file: key: value".

    The logits stay. config.json then names the heads under a key of this package, and a loaded model is again without them.
    UserError where either key names none that there are.
    """
    content = read_json(folder / CONFIG)
    heads = encoder_facts.attention_heads(folder)
    for key in (removed_heads.KEY, removed_heads.KEY_OF_TRANSFORMERS_4):
        removed_heads.require_known(key, content.get(key) or {}, layers=encoder_facts.depth(folder), heads=heads)
    cut = removed_heads.cut_by_transformers_4(content)
    if not cut:
        return []
    from safetensors.torch import load_file, save_file

    weights = {name: removed_heads.with_zeros(name, tensor, cut, heads) for name, tensor in load_file(folder / WEIGHTS).items()}
    save_file(weights, folder / WEIGHTS, {"format": "pt"})
    content[removed_heads.KEY] = cut
    del content[removed_heads.KEY_OF_TRANSFORMERS_4]
    (folder / CONFIG).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return [f"{CONFIG}: {removed_heads.KEY_OF_TRANSFORMERS_4}: {json.dumps(cut)}"]
