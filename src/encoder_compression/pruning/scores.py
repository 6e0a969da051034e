"""How important a weight is: its size times a factor that is measured once, on labelled examples or on none."""

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from encoder_compression.pruning.gates import Batches
from encoder_compression.training.objectives import from_labels


def factors(model: PreTrainedModel, modules: dict[str, nn.Module], score: str, batches: Batches) -> dict[str, Tensor]:
    """Return, for each of the model's modules, the factor of its weights' importance |w| · factor, in eval mode.

    "magnitude": 1 (Han et al. 2015). "taylor": the mean of |dL/dw|, the first-order change of the loss (Molchanov et al.
    2019, equation 8). "fisher": the root of the mean of (dL/dw)², so that the square of the importance is w² times the
    diagonal of the empirical Fisher information (LeCun et al. 1990; oBERT, Kurtic et al. 2022, with blocks of 1).
    "activation": the root of the mean square of the weight's input (Wanda, Sun et al. 2024).
    """
    model.eval()
    if score == "magnitude":
        return {name: torch.ones(1) for name in modules}
    if score == "activation":
        return _input_norms(model, modules, batches)
    return _gradient_sizes(model, modules, batches, power={"taylor": 1, "fisher": 2}[score])


def _gradient_sizes(model: PreTrainedModel, modules: dict[str, nn.Module], batches: Batches, power: int) -> dict[str, Tensor]:
    """Return the mean of |gradient|ᵖ over the batches, to the power of 1/p, [outputs, inputs] of each layer."""
    weights = [module.weight for module in modules.values()]
    totals = [torch.zeros_like(weight) for weight in weights]
    for batch in batches:
        (loss,) = from_labels(model, batch).values()
        for total, gradient in zip(totals, torch.autograd.grad(loss, weights), strict=True):
            total += gradient.abs() ** power
    return {name: (total / len(batches)) ** (1 / power) for name, total in zip(modules, totals, strict=True)}


@torch.no_grad()
def _input_norms(model: PreTrainedModel, modules: dict[str, nn.Module], batches: Batches) -> dict[str, Tensor]:
    """Return the root mean square [inputs] of what reaches each layer over the tokens, without padding."""
    totals = {name: torch.zeros(module.in_features) for name, module in modules.items()}
    tokens, present = 0, None

    def hook_of(name: str):
        def add(module, inputs):
            totals[name] += inputs[0][present].square().sum(dim=0)

        return add

    hooks = [module.register_forward_pre_hook(hook_of(name)) for name, module in modules.items()]
    for batch in batches:
        present = batch["attention_mask"].bool()
        tokens += int(present.sum())
        model(**batch)
    for hook in hooks:
        hook.remove()
    return {name: (total / tokens).sqrt() for name, total in totals.items()}
