"""Keep the entries of a vocabulary that a task needs: the table of embeddings is half of a small encoder (Abdaoui et al. 2020)."""

from collections import Counter
from pathlib import Path

import torch
from pyarrow import compute
from transformers import PreTrainedModel

from encoder_compression.data import features
from encoder_compression.data.tasks import sentences
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.errors import UserError
from encoder_compression.pruning import vocabulary
from encoder_compression.training import artifacts
from encoder_compression.training.train import Goal, validate


def trim(*, parent: Path, goal: Goal, options: dict, model: Path, dataset: Path, curve: Path) -> dict:
    """Write the parent with fewer embeddings to ``model`` and its data set, cut into what is left, to ``dataset``; returns facts.

    Kept are the ``options["vocabulary"]`` entries commonest in train, special ones and single characters whether they are
    common or not, so that every text can still be read: in shorter pieces. UserError where so few entries cannot be.
    """
    tokenizer = encoder_facts.load_tokenizer(parent)
    kept = vocabulary.choose(tokenizer, counts(goal.dataset), options["vocabulary"])
    smaller = vocabulary.keep(tokenizer, kept)
    described = sentences.cut_anew(goal.dataset, Path(dataset), tokenizer=smaller)
    trimmed = keep_embeddings(pretrained.load_model(parent), kept, smaller)
    there = Goal(dataset=Path(dataset), metric=goal.metric, seed=goal.seed, name=goal.name)
    history, facts = validate(model=trimmed, tokenizer=smaller, goal=there)
    artifacts.publish(trimmed, smaller, model, dataset=there.dataset)
    artifacts.write_curve(history, curve)
    return facts | described | {"vocabulary": len(kept), "vocabulary_before": len(tokenizer)}


def counts(dataset: Path) -> Counter:
    """Return how often train has each entry, by its number."""
    counts = compute.value_counts(features.read(dataset, "train")["input_ids"].combine_chunks().flatten())
    return Counter({entry["values"]: entry["counts"] for entry in counts.to_pylist()})


def keep_embeddings(model: PreTrainedModel, kept: list[int], tokenizer) -> PreTrainedModel:
    """Return the model with the embeddings of these entries alone, in this order, which is that of ``tokenizer``."""
    whole = model.get_input_embeddings()
    table = torch.nn.Embedding(len(kept), whole.embedding_dim, padding_idx=whole.padding_idx)
    table.weight = torch.nn.Parameter(whole.weight.detach()[kept].clone())
    model.set_input_embeddings(table)
    model.config.vocab_size = len(kept)
    for name in ("pad_token_id", "bos_token_id", "eos_token_id", "sep_token_id", "cls_token_id"):
        if getattr(model.config, name, None) is not None:
            setattr(model.config, name, getattr(tokenizer, name))
    if model.config.pad_token_id != whole.padding_idx:
        raise UserError(f"padding is entry {whole.padding_idx} of this vocabulary and would become another; it cannot be trimmed")
    return model
