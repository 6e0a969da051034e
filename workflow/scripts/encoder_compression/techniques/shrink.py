"""Take the least important heads and neurons out of an encoder, and train what is left (Michel et al. 2019; Kwon et al. 2022)."""

import json
import shutil
from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from encoder_compression import encoders
from encoder_compression.pruning import calibration
from encoder_compression.pruning.correction import correct
from encoder_compression.pruning.gates import importance
from encoder_compression.pruning.structure import Structure, choose, remove
from encoder_compression.techniques import teaching
from encoder_compression.training import artifacts
from encoder_compression.training.train import Goal


def shrink(*, parent: Path, teacher: Path, soft_targets: Path | None, goal: Goal, options: dict, model: Path, curve: Path) -> dict:
    """Write the smaller model to ``model`` and its training curve to ``curve``; returns facts, the structure among them.

    Without training, the kept weights are only fitted to what all gave. ``teacher`` gives soft targets for the training.
    """
    teaching.require_gate(teacher, options["gate"])
    inputs = [parent, teacher, goal.dataset]
    checkpoints = artifacts.claim_checkpoints(model, options=options, seed=goal.seed, inputs=inputs)
    tokenizer = encoders.load_tokenizer(parent)
    network = encoders.load_model(parent)
    before = encoders.count_zeros(network, ["encoder"])["weights"]
    structure = _cut(network, tokenizer, goal, options, checkpoints / "structure.json")
    history, facts = teaching.learn(
        network,
        teacher=teacher,
        soft_targets=soft_targets,
        layer_map=list(range(1, network.config.num_hidden_layers + 1)),
        tokenizer=tokenizer,
        goal=goal,
        options=options,
        checkpoints=checkpoints,
        ramp=None,
    )
    after = encoders.count_zeros(artifacts.publish(network, tokenizer, model, dataset=goal.dataset), ["encoder"])["weights"]
    artifacts.write_curve(history, curve)
    shutil.rmtree(checkpoints)
    kept = {"heads": structure.heads.sum(dim=1).int().tolist(), "neurons": structure.neurons.sum(dim=1).int().tolist()}
    return facts | {"kept": kept, "removed_share": 1 - after / before}


def _cut(network: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, goal: Goal, options: dict, memory: Path) -> Structure:
    """Take heads and neurons out of ``network`` and return what is left; a job that goes on takes the same ones."""
    batches = calibration.batches(goal.dataset, tokenizer, options["calibration"])
    if memory.exists():
        structure = Structure(*(torch.tensor(gates) for gates in json.loads(memory.read_text())))
    else:
        found = importance(network, batches, options["score"])
        structure = choose(found, options["remove"], hidden_size=network.config.hidden_size)
        memory.write_text(json.dumps([structure.heads.tolist(), structure.neurons.tolist()]))
    if options["correct"]:
        correct(network, structure, batches)
    remove(network, structure)
    return structure
