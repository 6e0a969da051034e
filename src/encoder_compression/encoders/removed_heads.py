"""Attention heads that structured pruning removed: zeros in the files of a model, physically gone once it is loaded here.

transformers 5 loads no model whose layers differ in shape. So a saved model has all its heads, the removed ones as zeros, and loads
anywhere with the same logits; config.json names them. Training, export and measuring get the small matrices.
Importing this module imports neither torch nor transformers.
"""

import re
from pathlib import Path

from encoder_compression.encoders.architectures import ARCHITECTURES
from encoder_compression.encoders.safety import CONFIG, read_json
from encoder_compression.errors import UserError

KEY = "removed_heads"  # in config.json: {"1": [0, 2]}, layers and heads counted from 0
KEY_OF_TRANSFORMERS_4 = "pruned_heads"


# Linear layers whose outputs belong to heads, with how many times over, and those whose inputs do.
_OUTPUTS = {path: parts for architecture in ARCHITECTURES.values() for path, parts in architecture.per_head.items()}
_INPUTS = {architecture.attention_output: 1 for architecture in ARCHITECTURES.values()}


def _pattern(paths: dict[str, int], ends: str) -> re.Pattern:
    """Return a pattern of the tensors of linear layers at the paths, with their LoRA updates; it finds layer number and path."""
    return re.compile(rf"layers?\.(\d+)\.({'|'.join(map(re.escape, paths))})(?:{ends})$")


_ROWS = _pattern(_OUTPUTS, r"(?:\.base_layer)?\.(?:weight|bias)|\.lora_B\..*weight")
_COLUMNS = _pattern(_INPUTS, r"(?:\.base_layer)?\.weight|\.lora_A\..*weight")


def read(folder: Path) -> dict[str, list[int]]:
    """Return the removed heads of a saved model by layer; layers with all heads are left out."""
    return of_config(read_json(Path(folder) / CONFIG))


def of_config(config: dict) -> dict[str, list[int]]:
    """Return the removed heads that the content of a config names; layers with all heads are left out."""
    return {layer: heads for layer, heads in (config.get(KEY) or {}).items() if heads}


def cut_by_transformers_4(config: dict) -> dict[str, list[int]]:
    """Return the heads that the content of a config names as transformers 4 did, which took them out of the files."""
    return of_config({KEY: config.get(KEY_OF_TRANSFORMERS_4)})


def require_known(key: str, named, *, layers: int, heads: int) -> None:
    """Raise UserError unless what config.json has under the key names heads of known layers by number, and leaves each layer one."""
    known = {str(layer) for layer in range(layers)}
    by_layer = named.items() if isinstance(named, dict) else [("", named)]
    if not all(layer in known and isinstance(gone, list) and _leave_one(gone, heads) for layer, gone in by_layer):
        raise UserError(f'{CONFIG} of the encoder: {key} is no list of heads by layer, such as {{"1": [0, 2]}}, that leaves one; mend it')


def _leave_one(gone: list, heads: int) -> bool:
    return all(type(head) is int and 0 <= head < heads for head in gone) and len(set(gone)) == len(gone) < heads


def without(name: str, values, removed: dict[str, list[int]], heads: int):
    """Return a tensor or an array of a model with all its ``heads``, by its name, without the entries of removed ones."""
    place = _place(name, removed)
    if place is None:
        return values
    layer, axis, parts = place
    kept = entries(removed[layer], heads=heads, width=values.shape[axis] // (heads * parts), parts=parts)
    return values[kept] if axis == 0 else values[:, kept]


def with_zeros(name: str, tensor, removed: dict[str, list[int]], heads: int):
    """Return a tensor of a model without its removed heads, by its name, in full shape with zeros in their place."""
    place = _place(name, removed)
    if place is None:
        return tensor
    layer, axis, parts = place
    width = tensor.shape[axis] // ((heads - len(removed[layer])) * parts)
    kept, size = entries(removed[layer], heads=heads, width=width, parts=parts), parts * heads * width
    full = tensor.new_zeros(size, *tensor.shape[1:]) if axis == 0 else tensor.new_zeros(len(tensor), size)
    full[kept if axis == 0 else (slice(None), kept)] = tensor
    return full


def entries(removed: list[int], *, heads: int, width: int, parts: int) -> list[int]:
    """Return the rows, or columns, of a matrix that belong to the heads that stay; in each of its parts a head has ``width`` of them."""
    kept = [head for head in range(heads) if head not in removed]
    return [(part * heads + head) * width + entry for part in range(parts) for head in kept for entry in range(width)]


def _place(name: str, removed: dict[str, list[int]]) -> tuple[str, int, int] | None:
    """Return the layer, the axis along which a tensor has entries for each head, and its parts, where that layer lost some."""
    for axis, (pattern, parts) in enumerate(((_ROWS, _OUTPUTS), (_COLUMNS, _INPUTS))):
        match = pattern.search(name)
        if match and match[1] in removed:
            return match[1], axis, parts[match[2]]
    return None
