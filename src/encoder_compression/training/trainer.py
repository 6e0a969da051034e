"""Hugging Face's Trainer with batches by length, named loss terms, and a curve that survives a killed run."""

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from torch.optim.lr_scheduler import LambdaLR
from transformers import EvalPrediction, PreTrainedTokenizerBase, Trainer, TrainerCallback
from transformers.trainer_pt_utils import LengthGroupedSampler
from transformers.utils import ModelOutput

from encoder_compression.encoders import pretrained
from encoder_compression.errors import UserError
from encoder_compression.run import progress
from encoder_compression.training import processes
from encoder_compression.training.divergence import DivergenceGuard
from encoder_compression.training.length import ENDLESS, TimeLimit
from encoder_compression.training.mlm_masks import DynamicMlmMasks
from encoder_compression.training.objectives import Distillation, Objective, answer, hard_loss, means_over, unwrapped
from encoder_compression.training.processes import ShareLoader, ShareOfBatches
from encoder_compression.training.weight_average import WeightAverage


class EpochLengthSampler(LengthGroupedSampler):
    """Groups sentences of similar length; the order is a function of seed and epoch alone, so a resumed epoch repeats it."""

    def __init__(self, *, batch_size: int, lengths: list[int], seed: int, mlm_masks: DynamicMlmMasks | None):
        super().__init__(batch_size, lengths=lengths, generator=torch.Generator())
        self.seed = seed
        self.mlm_masks = mlm_masks
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Called by accelerate before each epoch; tells it to the MLM masks of train, which change with it."""
        if self.mlm_masks is not None:
            self.mlm_masks.set_epoch(epoch)
        self.generator.manual_seed(self.seed * 100_003 + epoch)


class EncoderTrainer(Trainer):
    """A Trainer whose loss is an objective of named terms; it logs each term and the tokens per second.

    ``score`` turns predictions on validation into the score that chooses the epoch. With ``seconds`` it ends after that long,
    whatever its number of epochs. With ``average`` the averages of the weights are what is validated and chosen among.
    """

    def __init__(
        self,
        *,
        objective: Objective,
        lengths: list[int],
        score: Callable[[np.ndarray], float],
        seconds: float | None,
        warmup: float,
        average: WeightAverage | None,
        **options,
    ):
        self.guard = DivergenceGuard()
        super().__init__(compute_metrics=self._score, **options)
        self.add_callback(self.guard)
        self.add_callback(EpochLog())
        self.average = average
        if average:
            self.add_callback(average)
        self.objective = objective
        if isinstance(objective, Distillation):
            objective.passed = self.passed
        self.lengths = lengths
        self.score = score
        self.model_accepts_loss_kwargs = False  # the terms are means over the batch
        self.elapsed = Stopwatch()
        self.time_limit = self._limit(seconds, warmup) if seconds else None
        self._start_interval()

    def passed(self) -> float:
        """Return the share of the training that has passed, by its clock where that ends it, else by its steps: 1 in the last one."""
        if self.time_limit:
            return min(self.time_limit.share(), 1.0)
        return self.state.global_step / max(self.state.max_steps - 1, 1)

    def _limit(self, seconds: float, warmup: float) -> TimeLimit:
        limit = TimeLimit(lambda: self.elapsed.seconds(self.state.log_history) / seconds, warmup=warmup)
        self.add_callback(limit)
        return limit

    def create_scheduler(self, num_training_steps: int, optimizer=None):
        """Let the learning rate follow the clock where there is a limit of time, else the steps."""
        if self.time_limit and self.lr_scheduler is None:
            self.lr_scheduler = LambdaLR(optimizer or self.optimizer, self.time_limit.rate)
            self._created_lr_scheduler = True
        return super().create_scheduler(num_training_steps, optimizer)

    def _kept_weights(self):
        """Return the context in which the model has the weights that would be kept if the training ended now."""
        return self.average.put_on() if self.average else nullcontext()

    def evaluate(self, *arguments, **options) -> dict[str, float]:
        """Validate the weights that would be kept."""
        with self._kept_weights():
            return super().evaluate(*arguments, **options)

    def save_model(self, output_dir=None, _internal_call=False) -> None:
        """Save the weights that would be kept, and beside averages what they are made of, before the checkpoint counts as complete."""
        with self._kept_weights():
            super().save_model(output_dir, _internal_call)
        if self.average and self.args.should_save:
            self.average.save(Path(output_dir))

    def _score(self, out: EvalPrediction) -> dict[str, float]:
        """Return the score of a validation; raises Diverged where its logits are not finite, UserError where the score is not."""
        self.guard.require_validation(self.args, self.state)
        score = self.score(out.predictions)
        if not math.isfinite(score):
            raise UserError("training: the score on validation is not a number; give the split labels that differ, or another 'metric'")
        return {"score": score}

    def _start_interval(self) -> None:
        self.interval = {"steps": 0, "tokens": 0, "terms": {}, "start": time.monotonic()}

    @property
    def _mlm_masks(self) -> DynamicMlmMasks | None:
        return self.train_dataset if isinstance(self.train_dataset, DynamicMlmMasks) else None

    def get_train_dataloader(self) -> ShareLoader:
        """Return this process's share of the batches; the batches themselves are the same whatever the number of processes."""
        together = self.args.train_batch_size * processes.count()
        grouped = together * self.args.gradient_accumulation_steps
        sampler = EpochLengthSampler(batch_size=grouped, lengths=self.lengths, seed=self.args.seed, mlm_masks=self._mlm_masks)
        batches = ShareOfBatches(sampler, together)
        return ShareLoader(
            self.train_dataset, batch_sampler=batches, collate_fn=self.data_collator, pin_memory=self.args.dataloader_pin_memory
        )

    def get_batch_samples(self, epoch_iterator, num_batches, device):
        """Return the parts of the next step's batch, each with ``weights``: what each mean over it counts among those of all parts.

        The Trainer takes the mean over the parts, and that of the gradients over the processes. With these weights it is the mean
        over all items of the batch, as if it were in one part: all are 1 but for parts of different sizes.
        """
        parts, _ = super().get_batch_samples(epoch_iterator, num_batches, device)
        items = [means_over(part) for part in parts]
        totals = self._totals(items)
        for part, of_part in zip(parts, items, strict=True):
            part["weights"] = {name: count * len(parts) * processes.count() / totals[name] for name, count in of_part.items()}
        return parts, None

    def _totals(self, items: list[dict[str, int]]) -> dict[str, int | torch.Tensor]:
        """Return the sum of each count over the parts and the processes."""
        totals = {name: sum(of_part[name] for of_part in items) for of_part in items for name in of_part}
        if processes.count() == 1 or not totals:
            return totals
        summed = processes.total(torch.tensor([float(total) for total in totals.values()], device=self.args.device))
        return dict(zip(totals, summed, strict=True))

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """Return the sum of the objective's terms while training, the loss towards the labels while evaluating."""
        if return_outputs:
            out = answer(model, inputs)
            loss = self._validation_loss(model, inputs, out)
            self.guard.watch_validation(pretrained.logits(out), loss)
            return loss, out
        weights = inputs.pop("weights")
        with self.accelerator.autocast():  # the student's forward pass has it anyway, a teacher that answers beside it has not
            terms = {name: weights[name] * term for name, term in self.objective(model, inputs).items()}
        self._count(terms, inputs)
        loss = sum(terms.values())
        self.guard.watch_loss(loss, self.state.global_step + 1)
        return loss

    def _validation_loss(self, model, inputs: dict[str, torch.Tensor], out: ModelOutput) -> torch.Tensor:
        """Return the loss of a batch of validation towards its labels.

        Accelerate fills the last batches of several processes up with the first inputs once more. The Trainer drops them from the
        predictions, but its mean is over batches: so the loss is that of the others, if this process has any.
        """
        state, rows = self.accelerator.gradient_state, len(inputs["attention_mask"])
        before = processes.rank() * rows
        count = state.remainder - before if state.end_of_dataloader and state.remainder > 0 else rows
        if not 0 < count < rows:
            return hard_loss(out, inputs)
        first = {name: values[:count] for name, values in inputs.items()}
        return hard_loss(answer(unwrapped(model), first), first)

    def _count(self, terms: dict[str, torch.Tensor], inputs: dict[str, torch.Tensor]) -> None:
        """Add up terms and tokens on their device, so that no step waits for it."""
        interval, parts = self.interval, self.current_gradient_accumulation_steps
        interval["steps"] += 1 / parts
        interval["tokens"] = interval["tokens"] + inputs["attention_mask"].sum()
        for name, term in terms.items():
            interval["terms"][name] = interval["terms"].get(name, 0) + term.detach() / parts

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the interval's mean terms, tokens per second, and the seconds trained so far, also by killed runs."""
        interval = self.interval
        if "loss" in logs and interval["steps"]:
            tokens, *terms = processes.total(torch.stack([interval["tokens"], *interval["terms"].values()])).tolist()
            steps = interval["steps"] * processes.count()
            means = {f"loss_{name}": term / steps for name, term in zip(interval["terms"], terms, strict=True)}
            logs |= means | {"tokens_per_second": tokens / (time.monotonic() - interval["start"])}
            self._start_interval()
        if "eval_loss" in logs and self._mlm_masks:
            logs["eval_perplexity"] = math.exp(logs["eval_loss"])
        logs["seconds"] = self.elapsed.seconds(self.state.log_history)
        super().log(logs)


class EpochLog(TrainerCallback):
    """Ends an interval of the log with each epoch, so that the losses logged in an epoch are those of its own steps."""

    def on_epoch_end(self, args, state, control, **_):
        """Ask for an entry of what is not yet logged."""
        control.should_log = True


class Stopwatch:
    """Seconds of training, counted on from the last log entry of a checkpoint."""

    def __init__(self):
        self.start = time.monotonic()
        self.before: float | None = None

    def seconds(self, log_history: list[dict]) -> float:
        """Return the seconds trained so far; ``log_history`` is that of the Trainer's state."""
        if self.before is None:
            self.before = log_history[-1]["seconds"] if log_history else 0.0
        return self.before + time.monotonic() - self.start


class Collator:
    """Pads the inputs of a batch, and the teacher's logits with -inf where those are of tokens."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase):
        self.tokenizer = tokenizer

    def __call__(self, rows: list[dict]) -> dict[str, torch.Tensor]:
        """Return a tensor of every column; ``teacher_logits`` become [batch, classes], [batch, 2, length] or [places, k]."""
        logits, tokens = ([torch.tensor(row.pop(name)) for row in rows if name in row] for name in ("teacher_logits", "teacher_tokens"))
        batch = self.tokenizer.pad(rows, return_attention_mask=True, return_tensors="pt")
        if tokens:
            batch["teacher_logits"], batch["teacher_tokens"] = torch.cat(logits), torch.cat(tokens)
        elif logits:
            longest = max(part.shape[-1] for part in logits)
            padded = [functional.pad(part, (0, longest - part.shape[-1]), value=-torch.inf) for part in logits]
            batch["teacher_logits"] = torch.stack(padded)
        return batch


class ProgressBar(TrainerCallback):
    """A bar of optimizer steps with the time left and the last loss and validation score."""

    def __init__(self, description: str):
        self.description = description

    def on_train_begin(self, args, state, control, **_):
        """Open the bar where a resumed run stands."""
        total = state.max_steps if args.num_train_epochs < ENDLESS else None
        self.bar = progress.bar(total, description=self.description, unit="step")
        self.bar.update(state.global_step)

    def on_step_end(self, args, state, control, **_):
        """Move on by what has been done since."""
        self.bar.update(state.global_step - self.bar.n)

    def on_log(self, args, state, control, logs=None, **_):
        """Show the loss or score just logged."""
        shown = {key: f"{logs[key]:.3f}" for key in ("loss", "eval_score") if key in (logs or {})}
        if shown:
            self.bar.set_postfix(shown, refresh=False)

    def on_train_end(self, args, state, control, **_):
        """Take the bar off the screen."""
        self.bar.close()
