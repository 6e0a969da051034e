"""What the command line gives wins over an experiment's file, is read as YAML reads it, and is blamed for its own mistakes."""

from pathlib import Path

import pytest
import yaml

from conftest import ROOT
from encoder_compression.config import load, overrides
from encoder_compression.errors import UserError

STUDY = """\
encoder:
  random: {architecture: bert, vocabulary_from: tests/data/tiny.csv}
dataset:
  files: {train: tests/data/tiny.csv}
  max_length: 32
seeds: [4]
finetune:
  teacher: &short {training: {epochs: 2}}
  warm: *short
distill:
  even1: {layers: even, keep: 1}
variants:
  - teacher
  - teacher+even1
"""


def read(folder: Path, config: dict, files: tuple[Path, ...] = (), **experiments: str) -> dict[str, dict]:
    """Return the options of a run of the experiments with these texts, as --config and --configfile change them."""
    (folder / "experiments").mkdir()
    for name, text in experiments.items():
        (folder / "experiments" / f"{name}.yaml").write_text(text, encoding="utf-8")
    given = overrides.given(config, list(files))
    shared = {"experiments": list(experiments)} | given.options
    return load.load_experiments(shared=shared, given=given, config_folder=folder, schema_folder=ROOT / "workflow" / "schemas")


def refusal(folder: Path, config: dict, files: tuple[Path, ...] = (), **experiments: str) -> list[str]:
    with pytest.raises(UserError) as error:
        read(folder, config, files, **experiments)
    return str(error.value).replace(f"{folder}/", "").splitlines()


def test_the_command_line_wins_over_the_experiment_and_a_later_file_over_an_earlier(tmp_path):
    files = [tmp_path / "first.yaml", tmp_path / "second.yaml"]
    files[0].write_text("seeds: [5]\nbudget: {points: 3}\n", encoding="utf-8")
    files[1].write_text("seeds: [6]\n", encoding="utf-8")
    options = read(tmp_path, {"variants": ["teacher"]}, tuple(files), mine=STUDY)["mine"]
    assert (options["variants"], options["seeds"], options["budget"]) == (["teacher"], [6], {"points": 3})
    assert options["finetune"]["teacher"]["training"]["epochs"] == 2


def test_numbers_that_snakemake_leaves_as_texts_are_numbers(tmp_path):
    given = yaml.load("{finetune: {teacher: {training: {epochs: 3, learning_rate: 1.0e-4}}}, seeds: [1, 2]}", Loader=yaml.BaseLoader)
    options = read(tmp_path, given, mine=STUDY)["mine"]
    assert options["seeds"] == [1, 2]
    assert options["finetune"]["teacher"]["training"]["epochs"] == 3
    assert options["finetune"]["teacher"]["training"]["learning_rate"] == 1e-4


def test_a_mistake_of_the_command_line_is_blamed_on_it_and_one_of_a_file_on_its_line(tmp_path):
    (tmp_path / "given.yaml").write_text("seeds: [1, -2]\n", encoding="utf-8")
    lines = refusal(tmp_path, {"budget": {"points": "much"}}, (tmp_path / "given.yaml",), mine=STUDY)
    assert [line.partition(";")[0].partition(" is less")[0] for line in lines] == [
        "--config: budget.points: 'much' is text to YAML, not a number",
        "given.yaml:1: seeds.1: -2",
    ]


def test_all_chains_that_cannot_work_are_told_at_their_lines(tmp_path):
    chains = STUDY + "  - teacher+evn1\n  - even1\n  - teacher + even1\nbaseline: {variant: techer}\n"
    lines = refusal(tmp_path, {}, mine=chains)
    assert [line.partition(";")[0] for line in lines] == [
        "experiments/mine.yaml:15: variants: unknown step 'evn1'",
        "experiments/mine.yaml:16: variants: variant 'even1': a chain begins with a finetune or lora or bag_of_words step, "
        "but 'even1' is a distill step",
        "experiments/mine.yaml:17: variants: variant 'teacher + even1': blanks stand between its steps",
        "experiments/mine.yaml:18: baseline: unknown step 'techer'",
    ]
    assert lines[2].endswith("; write 'teacher+even1'")


def test_the_mistakes_of_all_experiments_of_a_run_are_told(tmp_path):
    lines = refusal(tmp_path, {}, one=STUDY.replace("keep: 1", "keep: 0"), two=STUDY.replace("max_length: 32", "max_length: 900"))
    assert [line.partition(": ")[0] for line in lines] == ["experiments/one.yaml:11", "experiments/two.yaml:5"]
    (tmp_path / "chains").mkdir()
    lines = refusal(tmp_path / "chains", {}, one=STUDY + "  - one\n", two=STUDY + "  - teacher+two\n")
    assert [line.partition("; ")[0] for line in lines] == [
        "experiments/one.yaml:15: variants: unknown step 'one'",
        "experiments/two.yaml:15: variants: unknown step 'two'",
    ]


def test_a_mistake_that_an_alias_repeats_is_told_once(tmp_path):
    (line,) = refusal(tmp_path, {}, mine=STUDY.replace("epochs: 2", "epochs: two"))
    assert line.startswith("experiments/mine.yaml:8: finetune.teacher.training.epochs: 'two' is text to YAML, not a number")
    assert line.endswith(" (this line serves 2 places)")


@pytest.mark.parametrize(
    ("config", "advice"),
    [
        ({"devices": {"fast": {"runtime": "pytorch", "hardware": "gpu"}}}, "unknown value 'gpu'; did you mean 'cuda'?"),
        ({"devices": {"my cpu": {"runtime": "pytorch"}}}, "take letters, digits, '_' and '-', a letter or digit first"),
        ({"seeds": "[1"}, "'[1' is no whole list; close the bracket"),
        ({"seeds": {"first": 1}}, "write its parts between brackets"),
        ({"dataset": {"files": {"train": "tests/data/tny.csv"}}}, "does not exist; did you mean 'tests/data/tiny.csv'?"),
        ({"dataset": {"files": {"train": "/nowhere.csv"}}}, "does not exist; mend the path, which is taken from the folder of the run"),
    ],
)
def test_advice_is_about_what_was_meant(tmp_path, config, advice):
    (line,) = refusal(tmp_path, config, mine=STUDY)
    assert advice in line


def test_a_misspelt_extends_is_told_as_such(tmp_path):
    lines = refusal(tmp_path, {}, mine=f"Extends: study\n{STUDY}")
    assert lines == ["experiments/mine.yaml:1: unknown key 'Extends'; did you mean 'extends'?"]
