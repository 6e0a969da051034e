"""Cross-validation of a trial (Stone 1974): a training per fold, and one score of what all folds leave out together.

The score is the metric of all predictions at once and not a mean of folds, since F1, Matthews and correlations are no means.
"""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from types import ModuleType

import optuna
import torch

from encoder_compression.data import tasks
from encoder_compression.search import held_out
from encoder_compression.search.kept_folds import KeptFolds
from encoder_compression.search.training import multiplications, train_once
from encoder_compression.statistics import quality
from encoder_compression.training.train import Goal


@dataclass(frozen=True)
class Pool:
    """Predictions on what ``folds`` left out: of each the columns "label", "prediction" and perhaps "group", a row per example."""

    task: ModuleType
    metric: str
    folds: list[dict]

    def score(self) -> float:
        """Return the score of all predictions together."""
        return quality.score_decoded(self.task, self.metric, _joined(self.folds))

    def facts(self) -> dict:
        """Return the number of examples, the standard error of the score over them, and the score of each fold alone."""
        joined = _joined(self.folds)
        return {
            "examples": len(joined["label"]),
            "standard_error": quality.standard_error(self.task, self.metric, joined),
            "fold_scores": [quality.score_decoded(self.task, self.metric, fold) for fold in self.folds],
        }


def parts_of(inputs: dict, *, folds: int | None) -> list[dict]:
    """Return what the trials read in each fold, of paths by name in the order of the folds; as it is where there are none."""
    if not folds:
        return [inputs | {"dataset": Path(inputs["dataset"])}]
    return [{name: Path(paths[index]) if paths else None for name, paths in inputs.items()} for index in range(folds)]


def _joined(folds: list[dict]) -> dict[str, list]:
    """Return the columns of several folds, one behind the other."""
    return {name: [value for fold in folds for value in fold[name]] for name in held_out.KEPT if name in folds[0]}


def cross_validate(
    trial: optuna.Trial, *, technique: str, parts: list[dict], goal: Goal, options: dict, objectives: list[str], folder: Path, kept: Path
) -> list[float]:
    """Return the values of the objectives: the pooled score and, where they are asked for, the mean multiplications of the folds' models.

    ``parts`` are what the technique reads in each fold, ``options`` those of the trial; it trains in ``folder`` and keeps finished folds
    in the file ``kept``. After each fold the trial gets the facts of the `Pool`, and of one objective its score; raises TrialPruned where
    the median of earlier trials was better after as many folds.
    """
    finished = KeptFolds(kept, [trial.study.study_name, options])
    folds, fresh = finished.recall(), torch.get_rng_state()
    task = tasks.of_dataset(parts[0]["dataset"])
    for number, inputs in enumerate(parts, start=1):
        if number > len(folds):
            torch.set_rng_state(fresh)  # as in a job of its own
            of_fold = replace(goal, dataset=inputs["dataset"])
            folds.append(_train(folder / str(number), objectives, technique=technique, inputs=inputs, goal=of_fold, options=options))
            finished.remember(folds)
        _tell(trial, Pool(task, goal.metric, folds[:number]), objectives, is_last=number == len(parts))
    costs = [mean(fold[name] for fold in folds) for name in objectives[1:]]
    return [Pool(task, goal.metric, folds).score(), *costs]


def _train(folder: Path, objectives: list[str], *, technique: str, inputs: dict, goal: Goal, options: dict) -> dict:
    """Return what a fold gives: predictions on what it leaves out, and the multiplications of its model where they are asked for."""
    _, model = train_once(technique=technique, inputs=inputs, goal=goal, options=options, folder=folder)
    predicted = held_out.predict(model=model, dataset=goal.dataset, technique=technique, options=options, metric=goal.metric)
    costs = {"multiplications": multiplications(model)} if "multiplications" in objectives else {}
    shutil.rmtree(folder)
    return predicted | costs


def _tell(trial: optuna.Trial, pool: Pool, objectives: list[str], *, is_last: bool) -> None:
    """Tell a trial what the folds that are done say of it; raises TrialPruned where others were better by then."""
    for name, value in pool.facts().items():
        trial.set_user_attr(name, value)
    if objectives == ["score"]:
        trial.report(pool.score(), len(pool.folds))
        if not is_last and trial.should_prune():
            raise optuna.TrialPruned
