"""Numbers rounded to what few bits can hold, in float, so that a model learns to do with them (Jacob et al. 2018)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.nn.utils import parametrize
from transformers import PreTrainedModel

from encoder_compression.encoders import pretrained

TINY = torch.finfo(torch.float32).tiny


def per_output(weight: Tensor) -> Tensor:
    """Return a matrix [outputs, inputs] rounded to 8 bits with a scale max |w| / 127 per output, as method "dynamic" stores it.

    Here and below the gradient passes as if nothing had been rounded (the straight-through estimator).
    """
    scale = (weight.detach().abs().amax(dim=1) / 127).clamp(min=TINY)
    return torch.fake_quantize_per_channel_affine(weight, scale, torch.zeros_like(scale, dtype=torch.int32), 0, -127, 127)


def in_blocks(weight: Tensor, block: int) -> Tensor:
    """Return a matrix [outputs, inputs] rounded to 4 bits with a scale per ``block`` inputs, as ONNX Runtime's MatMulNBits stores it.

    The number of a block that is farthest from zero becomes -8 steps, whichever its sign; the others reach from there to 7.
    """
    outputs, inputs = weight.shape
    rows = pad(weight, (0, -inputs % block)).view(-1, block)
    farthest = rows.detach().gather(1, rows.detach().abs().argmax(dim=1, keepdim=True))
    sign = torch.where(farthest > 0, -1.0, 1.0)
    scale = (farthest.abs()[:, 0] / 8).clamp(min=TINY)
    rounded = torch.fake_quantize_per_channel_affine(rows * sign, scale, torch.zeros_like(scale, dtype=torch.int32), 0, -8, 7) * sign
    return rounded.view(outputs, -1)[:, :inputs]


def by_batch(activations: Tensor) -> Tensor:
    """Return activations of any shape rounded to 8 bits with one scale and zero point, as DynamicQuantizeLinear of ONNX does.

    The range is that of the batch, padding included, and of zero, which stays exactly zero.
    """
    values = activations.float()
    low, high = values.detach().min().clamp(max=0), values.detach().max().clamp(min=0)
    scale = ((high - low) / 255).clamp(min=TINY)
    return torch.fake_quantize_per_tensor_affine(values, scale, (-low / scale).round().int(), 0, 255).to(activations.dtype)


class Rounded(nn.Module):
    """The parametrization of a weight that is rounded each time it is read; its own module keeps the exact one."""

    def __init__(self, *, bits: int, block: int):
        super().__init__()
        self.bits, self.block = bits, block

    def forward(self, weight: Tensor) -> Tensor:
        """Return the matrix [outputs, inputs] as the graph will hold it."""
        return per_output(weight) if self.bits == 8 else in_blocks(weight, self.block)


class FakeQuantization:
    """Makes a model compute as the graph will that is quantized from it, until it is taken off.

    With 8 bits every linear layer has rounded weights and inputs; with 4 those of the encoder's layers have rounded weights;
    with 32 nothing is rounded.
    """

    def __init__(self, model: PreTrainedModel, *, bits: int, block: int):
        every = [module for module in model.modules() if isinstance(module, nn.Linear)]
        self.layers = {8: every, 4: list(pretrained.encoder_linears(model).values()), 32: []}[bits]
        for layer in self.layers:
            parametrize.register_parametrization(layer, "weight", Rounded(bits=bits, block=block))
        self.hooks = [layer.register_forward_pre_hook(_round_input) for layer in self.layers if bits == 8]

    def take_off(self) -> None:
        """Leave a plain model with its exact weights."""
        for hook in self.hooks:
            hook.remove()
        for layer in self.layers:
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)


def _round_input(layer: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
    return (by_batch(inputs[0]),)
