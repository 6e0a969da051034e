"""All mistakes in an experiment's options are told at once, each with the file and the line where its value stands."""

from pathlib import Path

import pytest
import yaml

from conftest import ROOT
from encoder_compression.config.load import load_experiments
from encoder_compression.config.overrides import NOTHING
from encoder_compression.errors import UserError
from encoder_compression.study.nested import merge
from own_experiments import TINY, mistakes

STUDY = """\
encoder:
  random: {architecture: bert, vocabulary_from: tests/data/tiny.csv}
dataset:
  files: {train: tests/data/tiny.csv}
  max_length: 32

finetune:
  teacher: {}
distill:
  even1:
    layers: even
    keep: 1
variants: [teacher, teacher+even1]
"""


def refusal(folder: Path, shared: dict | None = None, **files: str) -> list[str]:
    """Return the lines for which experiments of these texts are refused; "config" is config.yaml, "mine" the experiment that is read."""
    (folder / "experiments").mkdir()
    for name, text in files.items():
        (folder if name == "config" else folder / "experiments").joinpath(f"{name}.yaml").write_text(text, encoding="utf-8")
    read = yaml.safe_load(files.get("config", "{}")) | {"experiments": ["mine"]} | (shared or {})
    with pytest.raises(UserError) as error:
        load_experiments(given=NOTHING, shared=read, config_folder=folder, schema_folder=ROOT / "workflow" / "schemas")
    return str(error.value).replace(f"{folder}/", "").splitlines()


def changed(old: str, new: str) -> str:
    assert old in STUDY
    return STUDY.replace(old, new)


def test_all_that_the_schema_refuses_is_told_at_once_in_the_order_of_the_lines(tmp_path):
    text = STUDY.replace("layers: even", "layers: evn").replace("max_length: 32", "max_length: '32'").replace("{}", "{frieze: encoder}")
    assert refusal(tmp_path, mine=text + "seeds: []\ncolour: red\n") == [
        "experiments/mine.yaml:5: dataset.max_length: '32' is text to YAML, not a number; write it without quotes",
        "experiments/mine.yaml:8: finetune.teacher: unknown key 'frieze'; did you mean 'freeze'?",
        "experiments/mine.yaml:11: distill.even1.layers: unknown value 'evn'; did you mean 'even'?; or give a list, such as [1, 2]",
        "experiments/mine.yaml:14: seeds: [] should be non-empty; list at least 1",
        "experiments/mine.yaml:15: unknown key 'colour'; did you mean 'lora'?",
    ]


def test_all_that_does_not_fit_each_other_is_told_at_once(tmp_path):
    text = STUDY.replace("max_length: 32", "max_length: 70").replace("tests/data/tiny.csv}\n  max", "tests/data/tyny.csv}\n  max")
    assert refusal(tmp_path, mine=text.replace("keep: 1", "keep: 1\n    unlabelled: true\n    gate: -1")) == [
        "experiments/mine.yaml:4: dataset.files.train: 'tests/data/tyny.csv' does not exist; did you mean 'tests/data/tiny.csv'?",
        "experiments/mine.yaml:5: dataset.max_length: 70 is more than the 62 tokens that the encoder reads; give at most 62",
        "experiments/mine.yaml:13: distill.even1: there is no unlabeled text; say in a section 'unlabelled' where it is",
        "experiments/mine.yaml:14: distill.even1.gate: accuracy is from 0 to 1, so -1 keeps nothing out; "
        "give 0 where the teacher need not have learnt anything",
    ]


def test_what_does_not_fit_is_looked_at_only_where_the_schema_allows_all(tmp_path):
    text = STUDY.replace("max_length: 32", "max_length: 70").replace("keep: 1", "keep: 0")
    (line,) = refusal(tmp_path, mine=text)
    assert line.startswith("experiments/mine.yaml:12: distill.even1.keep: 0 is less than the minimum of 1")


def test_all_that_cannot_be_searched_is_told_at_once(tmp_path):
    space = "search:\n  even1:\n    parent: teacher\n    space:\n      keep: {low: 2, high: 1}\n      teacher: {choices: [a, b]}\n"
    lines = refusal(tmp_path, mine=STUDY + space + "  evn1:\n    space: {keep: {low: 1, high: 2}}\n")
    assert [line.partition("; ")[0] for line in lines] == [
        "experiments/mine.yaml:18: search.even1.space: keep: 'low' 2 is not below 'high' 1",
        "experiments/mine.yaml:19: search.even1.space: teacher: this says what the step reads or which rows there are",
        "experiments/mine.yaml:20: search: unknown step 'evn1'",
    ]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"distill": {"even1": {"layrs": "odd"}}}, "distill.even1: unknown key 'layrs'; did you mean 'layers'?"),
        ({"shrink": {"few": {"remov": 0.5}}}, "shrink.few: unknown key 'remov'; did you mean 'remove'?"),
        ({"dataset": {"hub": {"id": 1}}}, "dataset: give exactly one of: package, hub, files"),
        ({"unlabelled": None}, "unlabelled: nothing stands here; give keys with values, such as {}, or take the key out"),
        ({"task": "question-answering", "unlabelled": {"files": 1}}, "unlabelled: not for this task; take it out or change 'task'"),
        (
            {"distill": {"even1": {"loss": {"hard": 0, "soft": 0, "hidden": 0}}}},
            "distill.even1.loss: all weights are 0, so that nothing is learnt; give a term a weight above 0",
        ),
        ({"devices": {"a": {"runtime": "onnxruntime", "precision": "int8"}}}, "devices.a: onnxruntime computes in float32; "),
    ],
)
def test_what_follows_from_another_mistake_is_not_told(tmp_path, change, line):
    experiment = merge(TINY, change)
    if "layrs" in str(change):
        del experiment["distill"]["even1"]["layers"]
    (mistake,) = mistakes(tmp_path, experiment)
    assert line in mistake


def test_two_keys_that_are_missing_are_two_mistakes_at_the_line_of_their_section(tmp_path):
    given = f"    {{name: a, version: '1', archive: wheel, weights_sha256: {64 * 'a'}}}"
    text = changed("random: {architecture: bert, vocabulary_from: tests/data/tiny.csv}", "package:\n" + given)
    assert refusal(tmp_path, mine=text) == [
        "experiments/mine.yaml:2: encoder.package: the key 'folder' is missing; add it",
        "experiments/mine.yaml:2: encoder.package: the key 'sha256' is missing; add it",
    ]


def test_a_mistake_in_what_is_extended_stands_in_that_file_unless_it_is_overridden(tmp_path):
    extending = "extends: study\ndistill: {even1: {temperature: 0}}\ndataset:\n  files: {train: tests/data/tiny.csv}\n"
    study = STUDY.replace("keep: 1", "keep: 0\n    temperature: -1").replace("max_length: 32", "max_length: 5")
    lines = refusal(tmp_path, mine=extending, study=study)
    assert [line.partition(" is less")[0] for line in lines] == [
        "experiments/mine.yaml:2: distill.even1.temperature: 0",
        "experiments/study.yaml:12: distill.even1.keep: 0",
    ]


def test_a_default_is_told_at_the_section_of_the_file_that_counts(tmp_path):
    """The dataset is given wholly by the nearer file, so that the line of the other one's length means nothing."""
    extending = "extends: study\ndataset:\n  files: {train: tests/data/tiny.csv}\n"
    assert refusal(tmp_path, mine=extending, study=STUDY) == [
        "experiments/mine.yaml:2: dataset.max_length: 128 is more than the 62 tokens that the encoder reads; give at most 62"
    ]


def test_a_mistake_in_the_config_of_all_experiments_stands_there_and_one_of_the_command_line_nowhere_else(tmp_path):
    config = "experiments: [mine]\nbudget: {points: 101}\nmeasure:\n  calls: 1\n  rounds: 3\nmeasur: {}\n"
    shared = {"measure": {"calls": 1, "rounds": 1}, "seeds": [1, -1], "experiment": "tiny"}
    lines = refusal(tmp_path, shared, config=config, mine=STUDY)
    assert [line.partition(" is less")[0].partition(" is greater")[0] for line in lines] == [
        "--config or --configfile: measure.rounds: 1",
        "--config or --configfile: seeds.1: -1",
        "--config or --configfile: unknown key 'experiment'; did you mean 'experiments'?",
        "config.yaml:2: budget.points: 101",
        "config.yaml:4: measure.calls: 1",
        "config.yaml:6: unknown key 'measur'; did you mean 'measure'?",
    ]


@pytest.mark.parametrize(
    ("shared", "line"),
    [
        ({"experiments": "mine"}, '--config or --configfile: experiments: "mine" is not a list, such as [1, 2]; write [mine]'),
        ({"experiments": ["mime"]}, "--config or --configfile: experiments.0: unknown experiment 'mime'; did you mean 'mine'?"),
        ({"experiments": ["nine"]}, "config.yaml:2: experiments.0: unknown experiment 'nine'; did you mean 'mine'?"),
    ],
)
def test_a_wrong_name_of_an_experiment_is_told_where_it_was_given(tmp_path, shared, line):
    assert refusal(tmp_path, shared, config="experiments:\n  - nine\n", mine=STUDY) == [line]


def test_a_file_below_the_working_directory_is_told_from_there(tmp_path, monkeypatch):
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    (tmp_path / "config").mkdir()
    monkeypatch.chdir(tmp_path)
    lines = refusal(tmp_path / "config", mine=changed("keep: 1", "kep: 1"))
    assert lines == ["config/experiments/mine.yaml:12: distill.even1: unknown key 'kep'; did you mean 'keep'?"]


def test_one_name_for_two_techniques_is_told_at_the_nearer_file_and_across_experiments_with_both(tmp_path):
    config = "quantize:\n  int8: {}\n"
    assert refusal(tmp_path, config=config, mine=STUDY + "prune: {int8: {sparsity: 0.5}}\n") == [
        "experiments/mine.yaml:14: prune.int8: step 'int8' stands in 'prune' and in 'quantize'; rename one"
    ]
    (tmp_path / "two").mkdir()
    second = changed("even1", "small")
    lines = refusal(tmp_path / "two", {"experiments": ["mine", "other"]}, mine=STUDY, other=second + "prune: {even1: {sparsity: 0.5}}\n")
    assert lines == [
        "experiments/other.yaml:14: prune.even1: 'even1' is a distill step in experiments/mine.yaml:10; "
        "rename one, or run the experiments one at a time"
    ]
