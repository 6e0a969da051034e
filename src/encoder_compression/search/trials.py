"""Trials of a search: options drawn by Optuna (Akiba et al. 2019), the step trained with them, its score on validation or on folds told.

Workers, jobs of their own, share one study in a journal, a text file that grows by a line per event and works on shared file
systems. What a killed worker left running is failed by the worker of the same number that takes its place: it alone knows that
no other has that number.
"""

import hashlib
import itertools
import json
import logging
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import optuna
import torch
from optuna.pruners import MedianPruner, NopPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import TrialState
from transformers import TrainerCallback

from encoder_compression.run import provenance
from encoder_compression.search.cross_validation import cross_validate
from encoder_compression.search.training import multiplications, train_once
from encoder_compression.study import nested
from encoder_compression.training.divergence import Diverged
from encoder_compression.training.train import Goal

log = logging.getLogger(__name__)

DIRECTIONS = {"score": "maximize", "multiplications": "minimize"}
DONE = (TrialState.COMPLETE, TrialState.PRUNED)
FOLDS = "folds.json"  # of a running trial, beside the outputs
DECIDING = ("objectives", "sampler", "space", "version")  # of a search; how many trials and workers change no trial


@dataclass(frozen=True)
class WatchedGoal(Goal):
    """A goal whose training tells its validation scores to a trial, and ends where those of others are better."""

    trial: optuna.Trial
    numbers: Iterator[int]

    def watchers(self) -> list[TrainerCallback]:
        """Return what reports to the trial."""
        return [Reporter(self.trial, self.numbers)]


class Reporter(TrainerCallback):
    """Tells each validation score to a trial; raises TrialPruned where the median of earlier trials was better by then.

    ``numbers`` are those of the validations and not of epochs: a step that tries two starts has two first epochs.
    """

    def __init__(self, trial: optuna.Trial, numbers: Iterator[int]):
        self.trial, self.numbers = trial, numbers

    def on_evaluate(self, args, state, control, metrics, **_):
        """Tell the score of the epoch that has just ended."""
        self.trial.report(metrics["eval_score"], next(self.numbers))
        if self.trial.should_prune():
            raise optuna.TrialPruned


def work(*, technique: str, parts: list[dict], goal: Goal, options: dict, search: dict, worker: int, journal: Path, output: Path) -> dict:
    """Run trials until the study has as many finished or running ones as ``search`` asks for; returns facts.

    ``parts`` are what the technique reads, by the names of its parameters: of the whole data set, whose validation scores the trials, or of
    each fold in turn. ``options`` are those of the step. Models are dropped. Writes the name of the study, which `choice.choose` reads.
    A trial whose training diverges is pruned; any other error of a trial ends the job, and the trial does not count.
    """
    name = _name(technique, parts, goal, options, search)
    study = open_study(journal, name, search["objectives"])
    with _alone(journal):
        _fail_stale(study, worker, search["workers"])
    folder = output.parent / "trial"
    shutil.rmtree(folder, ignore_errors=True)  # of a trial that was killed: none goes on from another's checkpoint
    fresh = torch.get_rng_state()
    done = 0
    while trial := _take(study, journal, search, goal.seed, worker):
        torch.set_rng_state(fresh)  # as in a job of its own, so that the chosen options train to the same model
        _run(study, trial, technique=technique, parts=parts, goal=goal, options=options, search=search, folder=folder)
        done += 1
    (output.parent / FOLDS).unlink(missing_ok=True)
    output.write_text(json.dumps({"study": name}) + "\n", encoding="utf-8")
    return {"trials": done}


def _name(technique: str, parts: list[dict], goal: Goal, options: dict, search: dict) -> str:
    """Return a name that changes with whatever decides the result of a trial."""
    prints = [{name: provenance.fingerprint(path) for name, path in inputs.items() if path} for inputs in parts]
    deciding = {name: search[name] for name in DECIDING}
    claims = [technique, options, deciding, goal.metric, goal.seed, prints if len(parts) > 1 else prints[0]]
    return hashlib.sha256(json.dumps(claims, sort_keys=True).encode()).hexdigest()[:16]


def open_study(journal: Path, name: str, objectives: list[str]) -> optuna.Study:
    """Return the study of this name in the journal, a new one where there is none; bad trials of one objective are pruned."""
    path = str(journal)
    storage = JournalStorage(JournalFileBackend(path, lock_obj=JournalFileOpenLock(path)))
    return optuna.create_study(
        storage=storage,
        study_name=name,
        directions=[DIRECTIONS[objective] for objective in objectives],
        pruner=MedianPruner() if objectives == ["score"] else NopPruner(),
        load_if_exists=True,
    )


@contextmanager
def _alone(journal: Path) -> Iterator[None]:
    """Keep other workers from taking a trial; a lock that a killed one left is broken after half a minute."""
    lock = JournalFileOpenLock(f"{journal}.taking")
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _fail_stale(study: optuna.Study, worker: int, workers: int) -> None:
    """Fail the running trials of nobody: this worker's own from before it was killed, those of numbers that there are no more."""
    other_workers = set(range(1, workers + 1)) - {worker}
    for trial in study.get_trials(states=[TrialState.RUNNING]):
        if trial.user_attrs.get("worker") not in other_workers:
            study.tell(trial.number, state=TrialState.FAIL)


def _take(study: optuna.Study, journal: Path, search: dict, seed: int, worker: int) -> optuna.Trial | None:
    """Return the next trial, or None where enough are finished or running.

    A trial has a place, which it leaves when it fails, and the place gives the sampler's seed: no two trials draw the same, and one
    worker that goes on after a kill draws what it would have.
    """
    with _alone(journal):
        taken = {trial.user_attrs.get("place") for trial in study.get_trials(states=[*DONE, TrialState.RUNNING])}
        place = next((place for place in range(search["trials"]) if place not in taken), None)
        if place is None:
            return None
        study.sampler = _sampler(search["sampler"], seed, place)
        trial = study.ask()
        trial.set_user_attr("worker", worker)
        trial.set_user_attr("place", place)
        return trial


def _sampler(kind: str, seed: int, place: int) -> BaseSampler:
    """Return a sampler for one trial; the seeds are mixed, as neighbouring ones would begin with similar numbers."""
    mixed = int(np.random.SeedSequence([seed, place]).generate_state(1)[0])
    return TPESampler(seed=mixed) if kind == "tpe" else RandomSampler(seed=mixed)


def _run(study: optuna.Study, trial: optuna.Trial, *, search: dict, folder: Path, **call) -> None:
    """Train in a folder that is gone afterwards, and tell the study what came of it."""
    start, state, values = time.monotonic(), TrialState.FAIL, None
    before = signal.getsignal(signal.SIGTERM)
    try:
        values = _train(trial, search, folder, **call)
        state = TrialState.COMPLETE
    except optuna.TrialPruned:
        state = TrialState.PRUNED
    except Diverged as error:
        log.warning("trial %d: %s", trial.number, error)
        state = TrialState.PRUNED
    finally:
        signal.signal(signal.SIGTERM, before)  # which a training that was pruned still has
        trial.set_user_attr("seconds", time.monotonic() - start)
        study.tell(trial, values, state=state)
        shutil.rmtree(folder, ignore_errors=True)
    (folder.parent / FOLDS).unlink(missing_ok=True)  # not of a trial that failed, whose options are drawn again


def _train(trial: optuna.Trial, search: dict, folder: Path, *, technique: str, parts: list[dict], goal: Goal, options: dict) -> list[float]:
    """Return the values of the objectives that the step reaches with the trial's options."""
    step_options = nested.put(options, {name: _suggest(trial, name, tried) for name, tried in search["space"].items()})
    step = {"technique": technique, "options": step_options, "folder": folder}
    objectives = search["objectives"]
    if len(parts) > 1:
        return cross_validate(trial, parts=parts, goal=goal, objectives=objectives, kept=folder.parent / FOLDS, **step)
    watched = WatchedGoal(**asdict(goal), trial=trial, numbers=itertools.count(1)) if objectives == ["score"] else goal
    facts, model = train_once(inputs=parts[0], goal=watched, **step)
    measure = {"score": lambda: facts["validation_score"], "multiplications": lambda: multiplications(model)}
    return [measure[objective]() for objective in objectives]


def _suggest(trial: optuna.Trial, name: str, tried: dict):
    if "choices" in tried:
        return json.loads(trial.suggest_categorical(name, nested.encode(tried["choices"])))
    suggest = trial.suggest_int if isinstance(tried["low"], int) else trial.suggest_float
    return suggest(name, tried["low"], tried["high"], log=tried["log"])
