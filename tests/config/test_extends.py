"""An experiment that extends another one, which may itself extend one, has what the nearest file says."""

import pytest
import yaml

from encoder_compression.errors import UserError
from own_experiments import TINY, load_options


def load(folder, experiment: dict) -> dict:
    return load_options(folder, ["mine"], mine=experiment)["mine"]


def extend(tmp_path, experiment: dict, **others: dict) -> dict:
    """Return the options of an experiment that says ``experiment``, beside other experiments of these names."""
    (tmp_path / "experiments").mkdir()
    for name, content in others.items():
        (tmp_path / "experiments" / f"{name}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return load(tmp_path, experiment)


def test_an_experiment_overrides_the_one_it_extends_deeply(tmp_path):
    experiment = {"extends": "study", "finetune": {"teacher": {"training": {"epochs": 7}}}, "variants": ["teacher"], "compare": []}
    options = extend(tmp_path, experiment, study=TINY)
    before = TINY["finetune"]["teacher"]["training"]
    training = options["finetune"]["teacher"]["training"]
    assert (training["epochs"], training["learning_rate"]) == (7, before["learning_rate"])
    assert options["variants"] == ["teacher"]
    assert options["dataset"]["max_length"] == TINY["dataset"]["max_length"]
    assert "extends" not in options


@pytest.mark.parametrize("length", [{"steps": 7}, {"seconds": 7}])
def test_another_kind_of_length_takes_the_place_of_the_extended_ones(tmp_path, length):
    experiment = {"extends": "study", "finetune": {"teacher": {"training": length}}}
    training = extend(tmp_path, experiment, study=TINY)["finetune"]["teacher"]["training"]
    assert {name: training[name] for name in ("epochs", "steps", "seconds") if name in training} == length
    assert training["learning_rate"] == TINY["finetune"]["teacher"]["training"]["learning_rate"]


def test_an_encoder_or_dataset_of_its_own_leaves_nothing_of_the_extended_one(tmp_path):
    hub = {"id": "somebody/something", "revision": "0" * 40}
    study = TINY | {"encoder": {"hub": hub}, "dataset": {"hub": hub | {"splits": {"train": "train"}}, "columns": {"text": "sentence"}}}
    experiment = {"extends": "study", "encoder": TINY["encoder"], "dataset": TINY["dataset"]}
    assert extend(tmp_path, experiment, study=study) == load(tmp_path, TINY)


def test_an_unknown_name_to_extend_is_answered_with_the_nearest(tmp_path):
    with pytest.raises(UserError, match="mine.yaml:1: extends: unknown experiment 'stdy'; did you mean 'study'\\?$"):
        extend(tmp_path, {"extends": "stdy"}, study=TINY)


def test_a_twin_of_a_twin_has_what_each_of_them_changes(tmp_path):
    """Nearest wins, at any depth: a length or a source gives way to that of a nearer file, of whichever kind, and to nothing else."""
    hub = {"id": "somebody/something", "revision": "0" * 40}
    teacher = {"epochs": 9, "learning_rate": 1.0e-4, "batch_size": 8}
    study = TINY | {"encoder": {"hub": hub}, "finetune": {"teacher": {"training": teacher}}}
    twin = {"extends": "study", "encoder": TINY["encoder"], "finetune": {"teacher": {"training": {"steps": 5, "warmup": 0.2}}}}
    smaller = {"extends": "twin", "finetune": {"teacher": {"training": {"seconds": 2}}}, "seeds": [4]}
    options = extend(tmp_path, {"extends": "smaller", "variants": ["teacher"], "compare": []}, study=study, twin=twin, smaller=smaller)
    training = options["finetune"]["teacher"]["training"]
    assert {name for name in ("epochs", "steps", "seconds") if name in training} == {"seconds"}
    assert (training["seconds"], training["warmup"], training["learning_rate"]) == (2, 0.2, 1.0e-4)
    assert set(options["encoder"]) == {"random"}
    assert (options["seeds"], options["variants"]) == ([4], ["teacher"])


@pytest.mark.parametrize(
    ("others", "circle"),
    [({}, "mine -> mine"), ({"twin": {"extends": "mine"}}, "mine -> twin -> mine")],
    ids=["itself", "its twin"],
)
def test_experiments_that_extend_each_other_in_a_circle_are_told(tmp_path, others, circle):
    with pytest.raises(UserError, match=f"experiments extend each other in a circle, {circle}; take 'extends' out of one of them$"):
        extend(tmp_path, {"extends": next(iter(others), "mine")}, **others)
