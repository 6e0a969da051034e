"""A job that is told to stop saves what it has."""

import signal

import torch
from transformers import TrainerCallback

from encoder_compression.errors import UserError
from encoder_compression.training import processes

TOGETHER = 5  # steps after which several processes ask each other, as that makes them wait


class StopOnSignal(TrainerCallback):
    """Ends a training with a checkpoint of the very step during which SIGTERM came, as before a cluster's time limit.

    Several processes stop at one step, soon after. The job fails, so that nobody takes it for done; its next attempt goes on
    from there to the same weights.
    """

    def __init__(self):
        self.asked = self.stops = False

    def on_train_begin(self, args, state, control, **_):
        """Listen from the first step on; before, there is nothing to save."""
        self.before = signal.signal(signal.SIGTERM, self._ask)

    def _ask(self, *_):
        self.asked = True

    def on_step_end(self, args, state, control, **_):
        """Let the Trainer log, for the seconds trained so far, and save."""
        if processes.count() == 1 or state.global_step % TOGETHER == 0:
            self.stops = bool(processes.total(torch.tensor(float(self.asked), device=args.device)))
        if self.stops and state.epoch % 1:  # an epoch that ends here is validated first, and saved then
            control.should_log = control.should_save = True

    def on_save(self, args, state, control, **_):
        """Raise UserError once the checkpoint that was asked for is on disk."""
        if self.stops:
            processes.wait()
            signal.signal(signal.SIGTERM, self.before)
            raise UserError(f"stopped by SIGTERM after step {state.global_step} of {state.max_steps}; the next run goes on from there")

    def on_train_end(self, args, state, control, **_):
        """Leave the signal to whoever had it."""
        signal.signal(signal.SIGTERM, self.before)
