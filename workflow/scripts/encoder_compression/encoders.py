"""Encoders as the techniques see them: how to load one, where its layers are, what its weights are."""

from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from encoder_compression.errors import UserError

SAFE = {"local_files_only": True, "trust_remote_code": False}


def load_classifier(folder: Path, **options) -> PreTrainedModel:
    """Return the encoder of a folder with its classification head, a new random one where it has none.

    ``options`` go to ``from_pretrained``, for example ``num_labels``. Only safetensors weights are read.
    """
    return AutoModelForSequenceClassification.from_pretrained(folder, use_safetensors=True, **SAFE, **options)


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Return the tokenizer that lies beside a model."""
    return AutoTokenizer.from_pretrained(folder, **SAFE)


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write a model and its tokenizer in Hugging Face format, safetensors only."""
    model.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)


def layer_stack(model: PreTrainedModel) -> torch.nn.Module:
    """Return the module whose ``layer`` is the list of transformer layers."""
    base = model.base_model
    for name in ("encoder", "transformer"):  # BERT, RoBERTa, ELECTRA, MPNet; DistilBERT
        if hasattr(getattr(base, name, None), "layer"):
            return getattr(base, name)
    raise UserError(f"unknown architecture '{model.config.model_type}'; BERT, RoBERTa, DistilBERT, ELECTRA and MPNet are known")


def encoder_linears(model: PreTrainedModel) -> dict[str, torch.nn.Linear]:
    """Return the linear layers inside the transformer layers by name: attention and feed-forward, no head, no pooler."""
    return {name: module for name, module in layer_stack(model).named_modules() if isinstance(module, torch.nn.Linear)}


def count_zeros(model: PreTrainedModel) -> dict[str, int]:
    """Return how many weights the encoder's linear layers have, and how many of them are exactly zero."""
    weights = [linear.weight for linear in encoder_linears(model).values()]
    return {
        "weights": sum(weight.numel() for weight in weights),
        "zeros": sum(int((weight == 0).sum()) for weight in weights),
    }
