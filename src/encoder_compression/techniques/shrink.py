"""Take the least important heads and neurons out of an encoder, and train what is left (Michel et al. 2019; Kwon et al. 2022)."""

import json
from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.pruning import calibration
from encoder_compression.pruning.budget import Budget, of_multiplications, of_time
from encoder_compression.pruning.correction import correct
from encoder_compression.pruning.gates import Batches, importance, open_gates
from encoder_compression.pruning.structure import Structure, choose, remove
from encoder_compression.teaching.retraining import Retraining
from encoder_compression.training import processes, resume
from encoder_compression.training.train import Goal


def shrink(
    *, parent: Path, teacher: Path, soft_targets: Path | None, times: Path | None, goal: Goal, options: dict, model: Path, curve: Path
) -> dict:
    """Write the smaller model to ``model`` and its training curve to ``curve``; returns facts, the structure among them.

    Without training, the kept weights are only fitted to what all gave. ``teacher`` gives soft targets for the training.
    ``times`` is what the parent's structures take on the device, where the step has a target of speed.
    """
    encoder_facts.require_all_heads(parent, "structured pruning")
    step = Retraining(parent=parent, teacher=teacher, soft_targets=soft_targets, goal=goal, options=options, model=model, curve=curve)
    network, tokenizer = step.begin(*([times] if times else []))
    before = pretrained.count_zeros(network, ["encoder"])["weights"]
    budget = _budget(network, options, times)
    structure = _cut(network, tokenizer, goal, options, budget, step.checkpoints / "structure.json")
    history, facts = step.train(network, tokenizer, None)
    after = pretrained.count_zeros(step.publish(network, tokenizer), ["encoder"])["weights"]
    step.end(history)
    kept = {"heads": structure.kept_heads.tolist(), "neurons": structure.kept_neurons.tolist()}
    cost = float(budget.cost(structure.kept_heads, structure.kept_neurons[0]))
    predicted = {"predicted_speedup": budget.whole / cost} if times else {}
    return facts | predicted | {"kept": kept, "removed_share": 1 - after / before}


def _budget(network: PreTrainedModel, options: dict, times: Path | None) -> Budget:
    """Return what may be left of the network: multiplications, or time on the target's device."""
    if times:
        return of_time(json.loads(Path(times).read_text(encoding="utf-8")), **options["target"])
    (layers, heads), (_, neurons) = (gates.shape for gates in open_gates(network))
    return of_multiplications(
        options["remove"],
        layers=layers,
        heads=heads,
        neurons=neurons,
        hidden_size=network.config.hidden_size,
        gated=pretrained.architecture(network).gated,
    )


def _cut(
    network: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, goal: Goal, options: dict, budget: Budget, memory: Path
) -> Structure:
    """Take heads and neurons out of ``network`` and return what is left."""
    batches = calibration.batches(goal.dataset, tokenizer, options["calibration"])
    structure = _choose_once(network, batches, options["score"], budget, memory)
    if options["correct"]:
        correct(network, structure, batches)
    remove(network, structure)
    return structure


def _choose_once(network: PreTrainedModel, batches: Batches, score: str, budget: Budget, memory: Path) -> Structure:
    """Return what the first of the job's processes chooses, for all of them; a resumed job keeps the structure in ``memory``."""
    if processes.rank() == 0 and not memory.exists():
        structure = choose(importance(network, batches, score), budget)
        resume.remember(memory, [structure.heads.tolist(), structure.neurons.tolist()])
    processes.wait()
    return Structure(*(torch.tensor(gates) for gates in json.loads(memory.read_text(encoding="utf-8"))))
