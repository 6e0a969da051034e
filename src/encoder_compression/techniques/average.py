"""Average the weights of models that were trained from the same start (model soups; Wortsman et al. 2022, equation 1)."""

from pathlib import Path

import torch
from transformers import PreTrainedModel

from encoder_compression.encoders import encoder_facts, pretrained, removed_heads
from encoder_compression.errors import UserError
from encoder_compression.run import provenance
from encoder_compression.training import artifacts
from encoder_compression.training.train import Goal, validate


def average(*, parent: Path, others: list[Path], goal: Goal, model: Path, curve: Path) -> dict:
    """Write the parent with the mean of its weights and those of the ``others`` to ``model``; returns facts, each validation score too.

    UserError where they do not have the same layers, sizes and vocabulary.
    """
    tokenizer = encoder_facts.load_tokenizer(parent)
    networks = [pretrained.load_model(folder) for folder in (parent, *others)]
    for folder, network in zip(others, networks[1:], strict=True):
        _require_likeness(networks[0], network, parent, folder)
        if encoder_facts.load_tokenizer(folder).get_vocab() != tokenizer.get_vocab():
            raise UserError(f"{folder} has another vocabulary than {parent}, so their weights have no mean; average models of one encoder")
    scores = [validate(model=network, tokenizer=tokenizer, goal=goal)[1]["validation_score"] for network in networks]
    soup = _mean(networks)
    history, facts = validate(model=soup, tokenizer=tokenizer, goal=goal)
    artifacts.publish(soup, tokenizer, model, dataset=goal.dataset)
    artifacts.write_curve(history, curve)
    by_model = dict(zip(map(str, (parent, *others)), scores, strict=True))
    return facts | {"validation_score_by_model": by_model, "layer_map": provenance.read_facts(parent).get("layer_map", {})}


def _require_likeness(first: PreTrainedModel, averaged: PreTrainedModel, parent: Path, folder: Path) -> None:
    shapes = [{name: weight.shape for name, weight in network.state_dict().items()} for network in (first, averaged)]
    removed = [removed_heads.of_config(network.config.to_dict()) for network in (first, averaged)]
    if shapes[0] != shapes[1] or removed[0] != removed[1]:
        raise UserError(
            f"{folder} has other layers, heads or sizes than {parent}, so their weights have no mean; average models of one shape"
        )


def _mean(networks: list[PreTrainedModel]) -> PreTrainedModel:
    """Return the first network with the mean of all weights; whole numbers, such as places in a table, stay its own."""
    states = [network.state_dict() for network in networks]
    means = {
        name: torch.stack([state[name] for state in states]).mean(dim=0) if weight.is_floating_point() else weight
        for name, weight in states[0].items()
    }
    networks[0].load_state_dict(means)
    return networks[0]
