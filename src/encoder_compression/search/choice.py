"""The end of a search: a table of its trials, a picture of it, and the options that were found."""

import json
from pathlib import Path

import optuna
import pandas as pd
from optuna.trial import FrozenTrial, TrialState

from encoder_compression.errors import UserError
from encoder_compression.reporting.plots import plot_search
from encoder_compression.search.trials import DONE, open_study
from encoder_compression.study import nested


def choose(*, step: str, search: dict, journal: Path, workers: list[Path], best: Path, table: Path, picture: Path) -> dict:
    """Write the best options to ``best``, every trial to ``table`` and a picture to ``picture`` (.png and .svg); returns facts.

    Of one objective the best score wins; of two the least multiplications among the trials whose score is at most ``within``
    below the best. With folds the score is the pooled one, which has a standard error. ``workers`` are the files that `trials.work` wrote.
    UserError where trials are missing, or all diverged.
    """
    study = open_study(journal, json.loads(Path(workers[0]).read_text(encoding="utf-8"))["study"], search["objectives"])
    finished = len(study.get_trials(states=DONE))
    if finished < search["trials"]:
        raise UserError(f"{finished} of {search['trials']} trials are finished; remove {workers[0]} and run again")
    chosen = _chosen(study, search)
    front = {trial.number for trial in study.best_trials}
    frame = pd.DataFrame([_row(trial, search) | {"pareto": trial.number in front} for trial in study.trials])
    frame.to_csv(table, index=False)
    certainty = _certainty(chosen, search)
    measured = f"score on {certainty['examples']:,} examples in {search['folds']} folds (%)" if certainty else "score on validation (%)"
    plot_search(frame, chosen=chosen.number, objectives=search["objectives"], title=f"search of {step}", measured=measured, path=picture)
    best_trial = {
        "options": nested.decode(chosen.params, search["space"]),
        **dict(zip(search["objectives"], chosen.values, strict=True)),
        **certainty,
        "trial": chosen.number,
        "trials": finished,
        "seconds": frame["seconds"].sum(),
    }
    Path(best).write_text(json.dumps(best_trial, indent=2) + "\n", encoding="utf-8")
    return best_trial


def _chosen(study: optuna.Study, search: dict) -> FrozenTrial:
    trials = study.get_trials(states=[TrialState.COMPLETE])
    if not trials:
        raise UserError("no trial trained to its end, as all diverged; search lower values of training.learning_rate")
    lowest = max(trial.values[0] for trial in trials) - (search["within"] if len(search["objectives"]) > 1 else 0)
    good = [trial for trial in trials if trial.values[0] >= lowest]
    return min(good, key=lambda trial: (trial.values[1:], -trial.values[0], trial.number))


def _certainty(chosen: FrozenTrial, search: dict) -> dict:
    """Return on how many examples in how many folds the best trial was scored, and its standard error; nothing without folds."""
    if "folds" not in search:
        return {}
    return {"folds": search["folds"], **{name: chosen.user_attrs[name] for name in ("examples", "standard_error")}}


def _row(trial: FrozenTrial, search: dict) -> dict:
    """Return a row of the table; a pruned trial has its last score, one that was killed no seconds."""
    return {
        "trial": trial.number,
        "state": trial.state.name.lower(),
        **dict(zip(search["objectives"], trial.values or [None] * len(search["objectives"]), strict=True)),
        **_of_folds(trial, search),
        "seconds": trial.user_attrs.get("seconds"),
        "worker": trial.user_attrs.get("worker"),
        **nested.decode(trial.params, search["space"]),
    }


def _of_folds(trial: FrozenTrial, search: dict) -> dict:
    """Return the standard error of a trial's score and the scores of its folds, as far as it came; nothing of a search on validation."""
    if "folds" not in search:
        return {}
    scores = dict(enumerate(trial.user_attrs.get("fold_scores", []), start=1))
    of_each = {f"score_fold{number}": scores.get(number) for number in range(1, search["folds"] + 1)}
    return {"standard_error": trial.user_attrs.get("standard_error"), **of_each}
