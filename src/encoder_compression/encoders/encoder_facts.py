"""What the files of an encoder say about it: positions, segments, layers, heads, head of a task, tokenizer.

Importing this module imports neither torch nor transformers. A key that config.json lacks has the default of the encoder's class;
only then, and for the tokenizer, transformers is imported.
"""

from pathlib import Path

from encoder_compression.encoders import removed_heads
from encoder_compression.encoders.architectures import ARCHITECTURES, STATIC, Architecture
from encoder_compression.encoders.safety import CONFIG, read_json, require_harmless
from encoder_compression.errors import UserError

WEIGHTS = "model.safetensors"
SAFE = {"local_files_only": True, "trust_remote_code": False}
CLASSIFIER = "classifier."
SPANS = ("qa_outputs.", CLASSIFIER)  # the second of ModernBERT


def load_config(encoder: Path):
    """Return the config of an encoder's folder with the defaults of its class; UserError where it could run code."""
    from transformers import AutoConfig

    require_harmless(Path(encoder), made_here=True)
    return AutoConfig.from_pretrained(encoder, **SAFE)


def load_tokenizer(encoder: Path):
    """Return the tokenizer in the folder of an encoder or a model, a fast one of transformers."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(encoder, **SAFE)


def _setting(encoder: Path, name: str):
    """Return the value that config.json has under a name, else the default of the class."""
    content = read_json(Path(encoder) / CONFIG)
    return content[name] if name in content else getattr(load_config(encoder), name)


def architecture(encoder: Path) -> Architecture:
    """Return the adapter of an encoder's architecture; UserError where it is not known."""
    require_harmless(Path(encoder), made_here=True)
    return (ARCHITECTURES | {STATIC.model_type: STATIC})[read_json(Path(encoder) / CONFIG)["model_type"]]


def require_possible(model_type: str, technique: str) -> None:
    """Raise UserError where a technique, or an option of one, cannot work on an architecture, with the reason."""
    if reason := ARCHITECTURES[model_type].refused.get(technique):
        raise UserError(f"{technique} cannot work on {model_type}: {reason}; take it out, or another encoder")


def token_types(encoder: Path) -> int:
    """Return how many segments of one input an encoder tells apart: 2 for BERT, 1 for DistilBERT, which has no matrix of them."""
    return _setting(encoder, "type_vocab_size") if architecture(encoder).token_types else 1


def padding_position(encoder: Path) -> int:
    """Return the id of the padding token that positions are counted from, or -1 where they are counted from the first token."""
    position = architecture(encoder).padding_position
    if position is None:
        return -1
    return _setting(encoder, position) if isinstance(position, str) else position


def positions(encoder: Path) -> int:
    """Return how many tokens an encoder has positions for.

    RoBERTa and MPNet count them from the id of the padding token plus 1 (``create_position_ids_from_input_ids`` in transformers).
    """
    return _setting(encoder, "max_position_embeddings") - padding_position(encoder) - 1


def depth(encoder: Path) -> int:
    """Return how many transformer layers an encoder or a model has."""
    return _setting(encoder, architecture(encoder).depth_key)


def hidden_size(encoder: Path) -> int:
    """Return how many numbers an encoder or a model has for each token, which are the rows of its matrices."""
    return _setting(encoder, architecture(encoder).width_key)


def vocabulary_size(encoder: Path) -> int:
    """Return how many token ids an encoder or a model has embeddings for."""
    return _setting(encoder, "vocab_size")


def require_whole_blocks(encoder: Path, size: int) -> None:
    """Raise UserError where the rows of an encoder's matrices are not whole blocks of so many weights."""
    if hidden_size(encoder) % size:
        raise UserError(
            f"{Path(encoder) / CONFIG}: a step of the experiment needs rows of whole blocks of {size} weights, "
            f"but the encoder has {hidden_size(encoder)}; take bits: 8 for bits: 4, and 'qlora' out"
        )


def attention_heads(encoder: Path) -> int:
    """Return how many attention heads each layer of an encoder or a model has in its files, removed ones included."""
    return _setting(encoder, architecture(encoder).heads_key)


def require_all_heads(encoder: Path, technique: str) -> None:
    """Raise UserError where attention heads of the encoder are removed: its layers then differ in shape."""
    content = read_json(Path(encoder) / CONFIG)
    removed = removed_heads.of_config(content) or removed_heads.cut_by_transformers_4(content)
    if removed:
        layers = ", ".join(str(int(layer) + 1) for layer in removed)
        raise UserError(
            f"{Path(encoder) / CONFIG}: attention heads of layer {layers} are removed already, "
            f"and {technique} needs layers of one shape; give an encoder with all its heads, or take the step out"
        )


def tensor_shapes(file: Path) -> dict[str, list[int]]:
    """Return the shape of every tensor by name, from the header of a safetensors file."""
    from safetensors import safe_open

    with safe_open(file, framework="numpy") as weights:
        return {name: weights.get_slice(name).get_shape() for name in weights.keys()}  # noqa: SIM118, as it is no dict


def head_outputs(encoder: Path) -> int | None:
    """Return how many outputs the sequence-classification head has that the folder holds weights for; None without such a head."""
    if not _class_name(encoder).endswith("ForSequenceClassification"):
        return None
    shapes = tensor_shapes(Path(encoder) / WEIGHTS)
    return next((shapes[name][0] for name in (f"{CLASSIFIER}weight", f"{CLASSIFIER}out_proj.weight") if name in shapes), None)


def has_span_head(encoder: Path) -> bool:
    """Return whether the folder holds weights of a question-answering head: a start and an end logit for each token."""
    if not _class_name(encoder).endswith("ForQuestionAnswering"):
        return False
    shapes = tensor_shapes(Path(encoder) / WEIGHTS)
    return any(shapes.get(f"{layer}weight", [0])[0] == 2 for layer in SPANS)


def _class_name(encoder: Path) -> str:
    """Return the class of transformers that an encoder was saved as, "" where its config names none."""
    return (read_json(Path(encoder) / CONFIG).get("architectures") or [""])[0]


def classification_head(encoder: Path) -> list[str] | None:
    """Return the class names of the sequence-classification head that the folder holds weights for, in the order of its outputs.

    None where there is no such head, or one of a single output, which is for regression. UserError where config.json
    (``id2label``) does not name the outputs one by one.
    """
    outputs = head_outputs(encoder)
    if outputs in (None, 1):
        return None
    names = load_config(encoder).id2label
    if sorted(names) != list(range(outputs)):
        raise UserError(
            f"{Path(encoder) / CONFIG}: id2label names {len(names)} classes, but the head in {WEIGHTS} has {outputs} outputs; "
            "name each output, from 0 on"
        )
    return [names[index] for index in range(outputs)]
