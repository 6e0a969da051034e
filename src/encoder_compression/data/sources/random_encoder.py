"""A small encoder with random weights and a tokenizer of its architecture's own kind, to try a study in seconds."""

from pathlib import Path

from encoder_compression.data.sources.random_tokenizer import make_tokenizer
from encoder_compression.encoders.architectures import ARCHITECTURES

OF_DEBERTA_V3 = {
    "relative_attention": True,
    "position_biased_input": False,
    "norm_rel_ebd": "layer_norm",
    "pos_att_type": ["p2c", "c2p"],
    "share_att_key": True,
    "pooler_hidden_act": "gelu",
}


def make_random_encoder(scratch: Path, *, architecture: str, seed: int, **options) -> Path:
    """Write an encoder with random weights and its tokenizer into ``scratch``; returns it.

    ``options`` holds the shape and either ``vocabulary_from``, a text, with ``vocabulary_size``, or ``tokenizer``, a folder.
    """
    from transformers import AutoConfig, AutoModel, set_seed

    tokenizer = make_tokenizer(scratch, architecture, options)
    tokenizer.save_pretrained(scratch)
    config = AutoConfig.for_model(
        architecture,
        vocab_size=len(tokenizer),
        num_hidden_layers=options["layers"],
        hidden_size=options["hidden_size"],
        num_attention_heads=options["heads"],
        max_position_embeddings=options["positions"],
        pad_token_id=tokenizer.pad_token_id,
        **{ARCHITECTURES[architecture].neurons_key: options["intermediate_size"]},
        **_as_published(architecture, tokenizer, options),
    )
    set_seed(seed)
    AutoModel.from_config(config).save_pretrained(scratch)
    return scratch


def _as_published(architecture: str, tokenizer, options: dict) -> dict:
    """Return what the published models of an architecture have other than the default of its class, in proportion to the shape."""
    ends = {"bos_token_id": tokenizer.cls_token_id, "eos_token_id": tokenizer.sep_token_id}
    return {
        "camembert": {"type_vocab_size": 1} | ends,
        "deberta-v2": OF_DEBERTA_V3 | {"position_buckets": options["positions"] // 2},
        "electra": {"embedding_size": options["hidden_size"]},
        "modernbert": {"local_attention": options["positions"] // 4}
        | ends
        | {"cls_token_id": tokenizer.cls_token_id, "sep_token_id": tokenizer.sep_token_id},
        "roberta": {"type_vocab_size": 1},
        "xlm-roberta": {"type_vocab_size": 1} | ends,
    }.get(architecture, {})
