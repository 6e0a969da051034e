"""How fast an encoder trains in one process and in several, step by step: the efficiency of data parallelism (Li et al. 2020)."""

import statistics
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import torch
from accelerate import PartialState
from transformers import TrainerCallback

from encoder_compression.encoders import encoder_facts
from encoder_compression.errors import UserError
from encoder_compression.run import memory, progress
from encoder_compression.training import artifacts, processes
from encoder_compression.training.distributed import launch
from encoder_compression.training.examples import lengths, of_train
from encoder_compression.training.heads import new_model
from encoder_compression.training.objectives import from_labels
from encoder_compression.training.train import Goal, train

WARMUP_STEPS, TIMED_STEPS, ROUNDS = 4, 16, 3
LONGEST = 20  # trainings are ended by their clock, long before so many times the steps that it asks for


class Timed(Exception):
    """Ends a training whose steps have been timed, before it is validated or saved."""


class StepClock(TrainerCallback):
    """Times optimizer steps from the end of the one before to their own, the loading of the batch included; not the first of an epoch.

    Raises Timed after ``TIMED_STEPS``. ``tokens`` are those that this process read in them, without padding.
    """

    def __init__(self):
        self.seconds: list[float] = []
        self.tokens, self.pending = 0, 0
        self.before: float | None = None

    def count(self, module, arguments, named) -> None:
        """Add the tokens of a forward pass; a hook of the model, whose sum stays on its device."""
        self.pending = self.pending + named["attention_mask"].sum()

    def on_epoch_begin(self, args, state, control, **_):
        """Forget what has passed since the last step, such as a validation."""
        self.before, self.pending = None, 0

    def on_step_end(self, args, state, control, **_):
        """Add the step, once the device has finished it."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        now = time.perf_counter()
        if self.before is not None and state.global_step > WARMUP_STEPS:
            self.seconds.append(now - self.before)
            self.tokens = self.tokens + self.pending
        self.before, self.pending = now, 0
        if len(self.seconds) == TIMED_STEPS:
            raise Timed


@dataclass(frozen=True)
class TimedGoal(Goal):
    """A goal whose training is ended by a clock."""

    clock: StepClock

    def watchers(self) -> list[TrainerCallback]:
        """Return the clock."""
        return [self.clock]


def time_processes(
    *, encoder: Path, dataset: Path, metric: str, training: dict, numbers: list[int], threads: int, output: Path, name: str
) -> dict:
    """Write to ``output`` a row per number of processes, in which ``encoder`` trains with a new head; return all rounds as facts.

    All numbers train on the same batches of the ``training`` options, several times in turns, each process with as many threads
    as the largest number leaves it of ``threads``. A number for which the machine is too small gets a row that says so.
    """
    obstacles = {number: _obstacle(number, threads) for number in sorted(numbers)}
    able = [number for number, obstacle in obstacles.items() if not obstacle]
    each = threads // max(able) if able else 0
    goal = Goal(dataset=Path(dataset), metric=metric, seed=1, name=name)
    length = {"steps": LONGEST * (WARMUP_STEPS + TIMED_STEPS)}
    options = {key: value for key, value in training.items() if key not in ("epochs", "seconds")} | length
    rounds: dict[int, list[dict]] = {number: [] for number in able}
    with progress.bar(ROUNDS * len(able), description=name, unit="start") as bar:
        for _ in range(ROUNDS):
            for number, of_number in rounds.items():
                of_number.append(_start(number, each, encoder=str(encoder), goal=goal, options=options))
                bar.update()
    rows = [_row(number, rounds) for number in able]
    rows += [{"processes": number, "left_out": obstacle} for number, obstacle in obstacles.items() if obstacle]
    pd.DataFrame(rows).to_csv(output, index=False, float_format="%.6g")
    return {"rounds": rounds, "warmup_steps": WARMUP_STEPS, "timed_steps": TIMED_STEPS}


def _obstacle(number: int, threads: int) -> str:
    """Say why the machine cannot train in so many processes; nothing where it can."""
    if torch.cuda.is_available():
        cards = torch.cuda.device_count()
        return f"needs {number} GPUs; there are {cards}" if number > cards else ""
    return f"needs {number} cores; the job has {threads}" if number > threads else ""


def _start(number: int, threads: int, **arguments) -> dict:
    """Return what `time_training` measured in freshly started processes with so many threads each."""
    with TemporaryDirectory() as folder:
        model = str(Path(folder) / "model")
        return launch(time_training, nodes=1, processes=number, threads=number * threads, model=model, **arguments)


def time_training(*, encoder: str, goal: Goal, options: dict, model: str) -> dict:
    """Train for the steps that are timed, as one of the processes that do so together; return what they took and held.

    UserError where an epoch is too short for a step to be timed.
    """
    clock, examples = StepClock(), of_train(goal.dataset, goal.seed)
    network = new_model(Path(encoder), goal)
    network.register_forward_pre_hook(clock.count, with_kwargs=True)
    with suppress(Timed):
        train(
            model=network,
            tokenizer=encoder_facts.load_tokenizer(encoder),
            goal=TimedGoal(**vars(goal), clock=clock),
            options=options,
            objective=from_labels,
            checkpoints=artifacts.checkpoints_of(Path(model)),
            examples=examples,
            ramp=None,
        )
    if not clock.seconds:
        raise UserError(f"processes: an epoch of train has no second batch of {options['batch_size']} to time; lower batch_size")
    device = PartialState().device
    peak = torch.cuda.max_memory_allocated() / 1e6 if torch.cuda.is_available() else memory.peak_mb()
    return {
        "tokens": float(processes.total(torch.as_tensor(clock.tokens, dtype=torch.float64, device=device))),
        "seconds": sum(clock.seconds),
        "epoch_tokens": int(lengths(examples).sum()),
        "memory_mb": -float(processes.smallest(torch.tensor(-peak, device=device))),
        "threads": torch.get_num_threads(),
    }


def _row(number: int, rounds: dict[int, list[dict]]) -> dict:
    """Return the row of a number of processes: medians over its rounds, and their range; efficiency against the smallest number."""
    speeds = {each: [start["tokens"] / start["seconds"] for start in starts] for each, starts in rounds.items()}
    (first, *_), speed = rounds, statistics.median(speeds[number])
    speedup = speed / statistics.median(speeds[first])
    return {
        "processes": number,
        "threads_per_process": rounds[number][0]["threads"],
        "tokens_per_second": speed,
        "tokens_per_second_low": min(speeds[number]),
        "tokens_per_second_high": max(speeds[number]),
        "epoch_seconds": rounds[number][0]["epoch_tokens"] / speed,
        "speedup": speedup,
        "efficiency": speedup * first / number,
        "memory_mb_per_process": max(start["memory_mb"] for start in rounds[number]),
        "left_out": "",
    }
