"""The shortest training: its options, and what trains a classifier towards labels."""

from pathlib import Path

import torch

from encoder_compression.encoders import encoder_facts
from encoder_compression.training import objectives
from encoder_compression.training.examples import of_train
from encoder_compression.training.heads import new_model
from encoder_compression.training.train import Goal, train

TRAINING = {
    "epochs": 1,
    "learning_rate": 1e-3,
    "batch_size": 8,
    "accumulation": 1,
    "warmup": 0.1,
    "weight_decay": 0.01,
    "patience": 2,
    "precision": "float32",
}


def train_classifier(encoder: Path, goal: Goal, options: dict, checkpoints: Path) -> tuple:
    """Train a new head and the encoder; return the model, its curve and its facts."""
    model = new_model(encoder, goal)
    history, facts = train(
        model=model,
        tokenizer=encoder_facts.load_tokenizer(encoder),
        goal=goal,
        options=options,
        objective=objectives.from_labels,
        checkpoints=checkpoints,
        examples=of_train(goal.dataset, goal.seed),
        ramp=None,
    )
    return model, history, facts


def equal(model, another) -> bool:
    """Say whether two models have the same weights, bit for bit."""
    return all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), another.state_dict().values(), strict=True))
