"""Pruning masks on a model's matrices: which of their weights are zero, and that they stay zero."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import prune as pruning

NEIGHBOURS = 4  # inputs that NVIDIA's sparse kernels read together: two zeros among them are the 2:4 form


class PruningMasks:
    """Set the least important weights to zero, more of them with each call of `raise_to`; a zero never comes back.

    While pruning masks are on, every forward pass multiplies by them, so no training step can bring a weight back. They are
    buffers of the modules, so checkpoints hold them. ``factors`` are those of `scores.factors`; ``scope`` says how far one
    ranking goes: over all layers ("global"), a matrix ("layer"), an output, or four neighbouring inputs of one ("fours").
    """

    def __init__(self, modules: dict[str, nn.Module], *, scope: str, factors: dict[str, Tensor]):
        self.scope = scope
        self.factors = factors
        self.modules = modules
        for module in modules.values():
            pruning.identity(module, "weight")

    def share(self) -> float:
        """Return the share of the weights that are zero."""
        weights = [module.weight_orig * module.weight_mask for module in self.modules.values()]
        return sum(int((weight == 0).sum()) for weight in weights) / sum(weight.numel() for weight in weights)

    @torch.no_grad()
    def raise_to(self, sparsity: float) -> None:
        """Prune the given share of the weights, those first that are zero already."""
        scores = [self._scores(name) for name in self.modules]
        if self.scope == "global":
            together = torch.cat([score.flatten() for score in scores])
            kept = _kept(together[None], sparsity)[0].split([score.numel() for score in scores])
        else:
            kept = [_kept(score.view(_rows(score, self.scope)), sparsity) for score in scores]
        for module, pruning_mask, score in zip(self.modules.values(), kept, scores, strict=True):
            module.weight_mask.copy_(pruning_mask.view_as(score) * (score >= 0))  # a row of few weights may have more zeros than asked for

    def _scores(self, name: str) -> Tensor:
        """Return the importance of each weight of a matrix [outputs, inputs]; -1 for zeros, so that they go first."""
        weight = self.modules[name].weight_orig * self.modules[name].weight_mask
        return torch.where(weight == 0, -1.0, weight.abs() * self.factors[name].to(weight.device)).cpu()

    def make_permanent(self) -> None:
        """Multiply the pruning masks into the weights and take them off."""
        for module in self.modules.values():
            pruning.remove(module, "weight")
            module.weight.data += 0.0  # -0.0, a negative weight times 0, becomes 0.0: one kind of zero compresses better


def _rows(scores: Tensor, scope: str) -> tuple[int, int]:
    """Return the shape in which each row of a matrix's scores [outputs, inputs] is one ranking."""
    return {"layer": (1, scores.numel()), "output": tuple(scores.shape), "fours": (-1, NEIGHBOURS)}[scope]


def _kept(scores: Tensor, sparsity: float) -> Tensor:
    """Return 1 for the scores that stay and 0 for the given share of smallest ones in each row, of exactly that number."""
    count = round(sparsity * scores.shape[1])
    kept = torch.ones_like(scores)
    if count:
        smallest = np.argpartition(scores.numpy(), count - 1, axis=1)[:, :count]
        kept.scatter_(1, torch.from_numpy(smallest), 0)
    return kept
