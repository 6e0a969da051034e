"""Zeros that come little by little while the other weights learn to do without them."""

import math
from collections.abc import Callable

from transformers import TrainerCallback


class Ramp(TrainerCallback):
    """Raises the sparsity with a cubic curve over the first ``share`` of the training; the rest is recovery.

    s(t) = target + (start - target) · (1 - t / end)³ (Zhu & Gupta 2017, equation 1), from the first step on, ``every`` so
    many steps, and at the end. It depends on the step alone, so a resumed run goes on as if it had not stopped.
    """

    def __init__(self, raise_to: Callable[[float], None], *, start: float, target: float, share: float, every: int):
        self.raise_to = raise_to
        self.start = start
        self.target = target
        self.share = share
        self.every = every

    def sparsity(self, step: int, end: int) -> float:
        """Return the share of zeros from this step on, for a ramp of ``end`` steps."""
        return self.target + (self.start - self.target) * (1 - step / end) ** 3

    def on_step_begin(self, args, state, control, **_):
        """Set more weights to zero where the curve says so."""
        end = math.ceil(self.share * state.max_steps)
        if state.global_step == end or (state.global_step < end and state.global_step % self.every == 0):
            self.raise_to(self.sparsity(state.global_step, end))
