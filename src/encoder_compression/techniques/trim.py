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
    _require_positions(parent, smaller)
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
    """Return the model with the embeddings of these entries alone, in this order, which is that of ``tokenizer``.

    Ids of special tokens in the config follow.
    """
    whole, config = model.get_input_embeddings(), model.config
    table = torch.nn.Embedding(len(kept), whole.embedding_dim, padding_idx=tokenizer.pad_token_id)
    table.weight = torch.nn.Parameter(whole.weight.detach()[kept].clone())
    model.set_input_embeddings(table)
    config.vocab_size = len(kept)
    new = {old: number for number, old in enumerate(kept)}
    for name, old in config.to_dict().items():
        if name.endswith("_token_id") and isinstance(old, int):
            setattr(config, name, new.get(old))
    return model


def _require_positions(parent: Path, smaller) -> None:
    """Raise UserError where the model counts positions from the padding token, which has got another id."""
    counted = encoder_facts.padding_position(parent)
    if counted not in (-1, smaller.pad_token_id):
        raise UserError(
            f"trim: positions are counted from the padding token {counted}, which would become {smaller.pad_token_id}; take the step out"
        )
