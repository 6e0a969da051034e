"""How many layers an encoder has, and which of them a student keeps; imports no torch."""

from pathlib import Path

from encoder_compression.encoders import encoder_facts
from encoder_compression.encoders.safety import CONFIG, require_harmless
from encoder_compression.errors import UserError


def depth(encoder: dict) -> int | None:
    """Return how many layers the encoder of an experiment's options has, where that is known before it is fetched."""
    if "random" in encoder:
        return encoder["random"]["layers"]
    folder = local_folder(encoder)
    return encoder_facts.depth(folder) if folder else None


def hidden_size(encoder: dict) -> int | None:
    """Return how wide the encoder of an experiment's options is, where that is known before it is fetched."""
    if "random" in encoder:
        return encoder["random"]["hidden_size"]
    folder = local_folder(encoder)
    return encoder_facts.hidden_size(folder) if folder else None


def attention_heads(encoder: dict) -> int | None:
    """Return how many attention heads a layer of an experiment's encoder has, where that is known before it is fetched."""
    if "random" in encoder:
        return encoder["random"]["heads"]
    folder = local_folder(encoder)
    return encoder_facts.attention_heads(folder) if folder else None


def model_type(encoder: dict) -> str | None:
    """Return the architecture of an experiment's encoder, where that is known before it is fetched."""
    if "random" in encoder:
        return encoder["random"]["architecture"]
    folder = local_folder(encoder)
    if folder:
        require_harmless(folder, made_here=False)
    return encoder_facts.architecture(folder).model_type if folder else None


def local_folder(encoder: dict) -> Path | None:
    """Return the folder of an experiment's encoder where it is a local one with a config.json, which can be read before any job."""
    folder = encoder.get("files", {}).get("folder")
    return Path(folder) if folder and (Path(folder) / CONFIG).exists() else None


def choose_layers(rule: str | list[int], keep: int, depth: int) -> list[int]:
    """Return the teacher's layers, counted from 1, that a student keeps: ``choose_layers("even", 3, 6) == [2, 4, 6]``.

    "spread" takes the layers nearest to even steps that end with the last one. Raises UserError where the teacher
    does not have them.
    """
    layers = (
        rule
        if isinstance(rule, list)
        else {
            "even": list(range(2, depth + 1, 2))[:keep],
            "odd": list(range(1, depth + 1, 2))[:keep],
            "first": list(range(1, min(keep, depth) + 1)),
            "last": list(range(max(depth - keep, 0) + 1, depth + 1)),
            "spread": sorted({round(depth * (index + 1) / keep) for index in range(keep)} - {0}),
        }[rule]
    )
    if max(layers) > depth or (not isinstance(rule, list) and len(layers) != keep):
        raise UserError(f"layers '{rule}' with keep {keep} do not fit a teacher of {depth} layers; lower 'keep' or list the layers")
    return layers


def require_narrower(hidden_size: int, *, width: int, heads: int) -> None:
    """Raise UserError where a model of this width and so many heads cannot become one whose hidden states have ``hidden_size`` numbers."""
    head = width // heads
    if hidden_size >= width or hidden_size % head:
        sizes = f"{head} to {width - head} in steps of {head}"
        raise UserError(f"hidden_size {hidden_size} does not cut whole heads out of {heads} that are {head} wide each; give {sizes}")


def match_layers(rule: str | list[int], count: int, *, depth: int) -> list[int]:
    """Return for each of the ``count`` layers of a student the layer of a teacher, counted from 1, that it is compared with.

    ``rule`` is one of `choose_layers`, or names them. Raises UserError where they are not one for each, or the teacher does not have them.
    """
    layers = rule if isinstance(rule, list) else choose_layers(rule, count, depth)
    if len(layers) != count:
        raise UserError(f"layer_map {layers} has {len(layers)} of the teacher's layers for {count} of the student's; name one for each")
    if max(layers) > depth:
        raise UserError(f"layer_map {layers} does not fit a teacher of {depth} layers; name layers from 1 to {depth}")
    return layers
