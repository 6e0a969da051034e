"""Whether the weights, the config and the tokenizer of an encoder belong together; loads them as the jobs will."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from encoder_compression.data.sources import unigram_files
from encoder_compression.data.sources.settings import TOKENIZER
from encoder_compression.encoders import removed_heads
from encoder_compression.encoders.encoder_facts import (
    SAFE,
    WEIGHTS,
    load_config,
    load_tokenizer,
    padding_position,
)
from encoder_compression.encoders.safety import CONFIG, REMEDY, VOCABULARY_FILES
from encoder_compression.errors import UserError

Answer = TypeVar("Answer")
DECODER_KEYS = ("is_decoder", "is_encoder_decoder", "add_cross_attention")
POOLER = "pooler."  # made for the task where an encoder comes without one, as after masked language modeling


def require_fit(folder: Path) -> None:
    """Raise UserError, in one line with the remedy, where the files of an encoder contradict each other or hold no finite weights."""
    config = read(CONFIG, lambda: load_config(folder))
    _require_encoder(config)
    unigram_files.require_unigram(folder)
    tokenizer = read("the tokenizer", lambda: load_tokenizer(folder))
    _require_vocabulary(folder, tokenizer)
    _require_padding(folder, tokenizer)
    _require_finite(folder)
    model = _load(folder)
    _require_zeros(folder, model)
    largest, rows = max(tokenizer.get_vocab().values()), model.get_input_embeddings().num_embeddings
    if largest >= rows:
        raise UserError(
            f"the encoder's tokenizer has ids up to {largest}, but the embedding matrix in {WEIGHTS} has {rows} rows; "
            "give the tokenizer that belongs to it, or call resize_token_embeddings and save_pretrained"
        )


def read(what: str, call: Callable[[], Answer]) -> Answer:
    """Return ``call()``; UserError with the first line of what a library says where it fails."""
    try:
        return call()
    except UserError:
        raise
    except Exception as error:  # transformers, tokenizers and safetensors share no base class
        reason = next(iter(str(error).strip().splitlines()), "")
        raise UserError(
            f"{what} of the encoder cannot be read ({type(error).__name__}: {reason}); load and save_pretrained it with transformers"
        ) from None


def _require_encoder(config) -> None:
    for key in DECODER_KEYS:
        if getattr(config, key, False):
            raise UserError(f"{CONFIG} of the encoder: '{key}' makes it a decoder, which sees no later tokens; {REMEDY}")
    if getattr(config, "quantization_config", None):
        raise UserError(f"{CONFIG} of the encoder: 'quantization_config' says that its weights are quantized; give it in floating point")


def _require_vocabulary(folder: Path, tokenizer) -> None:
    """Raise UserError where files of the vocabulary are missing: transformers 5 then makes a tokenizer of special tokens alone."""
    files = [name for name in tokenizer.vocab_files_names.values() if name in VOCABULARY_FILES]
    missing = [name for name in files or [TOKENIZER] if not (folder / name).exists()]
    if missing and not (folder / TOKENIZER).exists():
        raise UserError(
            f"the tokenizer of the encoder cannot be read: a {type(tokenizer).__name__} has its vocabulary in "
            f"{' and '.join(files or [TOKENIZER])}, and {missing[0]} is missing; add it{f', or {TOKENIZER}' if files else ''}"
        )


def _require_padding(folder: Path, tokenizer) -> None:
    if tokenizer.pad_token_id is None:
        raise UserError(
            "the encoder's tokenizer has no padding token, and batches are padded; name it as 'pad_token' in tokenizer_config.json"
        )
    counted = padding_position(folder)
    if counted not in (-1, tokenizer.pad_token_id):
        raise UserError(
            f"the encoder counts positions from the padding token {counted}, but its tokenizer pads with {tokenizer.pad_token_id}; "
            f"give the tokenizer that belongs to it, or mend 'pad_token_id' in {CONFIG}"
        )


def _require_finite(folder: Path) -> None:
    from safetensors import safe_open

    with read(WEIGHTS, lambda: safe_open(folder / WEIGHTS, framework="pt")) as weights:
        for name in weights.keys():  # noqa: SIM118, as it is no dict
            tensor = weights.get_tensor(name)
            if not tensor.isfinite().all():
                count = int((~tensor.isfinite()).sum())
                raise UserError(f"{WEIGHTS} of the encoder: {count} weights of '{name}' are NaN or infinite; give an intact checkpoint")


def _require_zeros(folder: Path, model) -> None:
    """Raise UserError where a head that config.json says to be removed has weights: a loaded model would be another without it."""
    removed, heads = removed_heads.read(folder), model.config.num_attention_heads
    for name, tensor in model.state_dict().items():
        small = removed_heads.without(name, tensor, removed, heads)
        if not removed_heads.with_zeros(name, small, removed, heads).equal(tensor):
            raise UserError(f"{CONFIG} of the encoder: {removed_heads.KEY} names heads of '{name}' that are not zero; take the key out")


def _load(folder: Path):
    """Return the encoder without a head; UserError where weights are missing or of another shape than config.json says."""
    from transformers import AutoModel

    model, info = read(
        WEIGHTS,
        lambda: AutoModel.from_pretrained(folder, use_safetensors=True, output_loading_info=True, ignore_mismatched_sizes=True, **SAFE),
    )
    for name, stored, expected in sorted(info["mismatched_keys"]):
        raise UserError(
            f"{WEIGHTS} of the encoder: '{name}' has shape {list(stored)}, but {CONFIG} says {list(expected)}; "
            "give the config that belongs to it"
        )
    missing = sorted(name for name in info["missing_keys"] if not name.startswith(POOLER))
    if missing:
        raise UserError(
            f"{WEIGHTS} of the encoder lacks {len(missing)} tensors that {CONFIG} asks for, such as '{missing[0]}', "
            "and they would be random; give the config that belongs to it"
        )
    return model
