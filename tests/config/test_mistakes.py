"""What a newcomer writes into an experiment's file and cannot work is one line with file, place and remedy."""

import datetime
import re

import pytest

from encoder_compression.study.nested import merge
from own_experiments import TINY, load, mistakes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": [2**32]}, "seeds.0: 4294967296 is greater than the maximum of 4294967295; give at least 0 and at most 4294967295"),
        ({"encoder": {"random": {"seed": 2**32}}}, "encoder.random.seed: 4294967296 is greater than the maximum of 4294967295"),
        (
            {"distill": {"even1": {"start": {"experiment": "other", "variant": "teacher", "seed": 2**32}}}},
            "distill.even1.start.seed: 4294967296 is greater than the maximum of 4294967295",
        ),
        (
            {"distill": {"even1": {"gate": 70}}},
            "distill.even1.gate: 70 is greater than the maximum of 1; give at least -1 and at most 1 (70 % is 0.7)",
        ),
        ({"distill": {"even1": {"gate": -0.5}}}, "distill.even1.gate: accuracy is from 0 to 1, so -0.5 keeps nothing out; give 0 where"),
        (
            {"search": {"even1": {"parent": "teacher", "space": {"gate": {"choices": [0, 70]}}}}},
            "search.even1.space: gate: distill.even1.gate: 70",
        ),
        ({"processes": [1, 3]}, "processes: 3 processes do not divide batch_size 8 of 'teacher'; change one"),
        (
            {"processes": [4], "finetune": {"teacher": {"training": {"accumulation": 4}}}},
            "processes: 4 processes times accumulation 4 do not divide batch_size 8 of 'teacher'",
        ),
        ({"processes": [0]}, "processes.0: 0 is less than the minimum of 1"),
        ({"encoder": {"random": {"heads": 3}}}, "encoder.random: 3 heads do not divide hidden_size 32; change one"),
        ({"budget": {"points": 101}}, "budget.points: 101 is greater than the maximum of 100; give at least 0 and at most 100"),
        ({"quantize": {"mixed": {"drop": {"points": 101}}}}, "quantize.mixed.drop.points: 101 is greater than the maximum of 100"),
        (
            {"finetune": {"teacher": {"training": {"learning_rate": 5}}}},
            "learning_rate: 5 is greater than the maximum of 1; give more than 0",
        ),
        (
            {"finetune": {"teacher": {"training": {"learning_rate": float("nan")}}}},
            "learning_rate: nan is not a number; give a finite number",
        ),
        ({"finetune": {"teacher": {"training": {"epochs": 3.0}}}}, "teacher.training.epochs: 3.0 is not a whole number; write 3"),
        ({"prune": {"magnitude60": {"sparsity": "60%"}}}, "'60%' is text to YAML, not a number; write a share, such as 0.6 for 60 %"),
        ({"prune": {"magnitude60": {"sparsity": "much"}}}, "'much' is text to YAML, not a number; give a number"),
        ({"prune": {"magnitude60": {"version": 7}}}, "magnitude60.version: 7 is not 2, which the workflow itself sets; take the key out"),
        (
            {"dataset": {"label_names": [True, "b"]}},
            "label_names.0: YAML takes yes, no, on, off, true and false for true; put the text in",
        ),
        ({"dataset": {"label_names": [datetime.date(2026, 11, 28), "b"]}}, "2026-11-28 is a date to YAML; write '2026-11-28' in quotes"),
        ({"dataset": {"label_names": [1, "b"]}}, "dataset.label_names.0: 1 is a number to YAML; write '1' in quotes"),
        ({"dataset": {"label_names": ["a", "a"]}}, 'dataset.label_names: "a" is listed twice; take one out'),
        ({"dataset": {"label_names": ["a"]}}, "dataset.label_names: ['a'] is too short; list at least 2"),
        (
            {"dataset": {"threshold": 3, "label_names": ["a", "b", "c"]}},
            "dataset: threshold makes two classes, but 'label_names' has 3; name two, or take one out",
        ),
        ({"dataset": {"split": {"validation": 0.6, "test": 0.4}}}, "dataset.split: test and validation together leave nothing of train"),
        ({"dataset": {"files": {"train": "tests/data"}}}, "train: 'tests/data' is a folder; name a file in it"),
        ({"dataset": {"max_length": 63}}, "dataset.max_length: 63 is more than the 62 tokens that the encoder reads; give at most 62"),
        ({"variants": "teacher"}, 'variants: "teacher" is not a list, such as [1, 2]; write [teacher]'),
        ({"variants": [["teacher"]]}, 'variants.0: ["teacher"] is not a text; write one, without brackets'),
        ({"unlabelled": None}, "unlabelled: nothing stands here; give keys with values, such as {}, or take the key out"),
        ({"devices": {"cpu": "pytorch"}}, 'devices.cpu: "pytorch" is not keys with values, such as {}; its keys: runtime, hardware'),
        ({"task": ["classification"]}, 'task: unknown value ["classification"]; known: "classification", "regression"'),
        ({"extends": ["tiny"]}, "extends: ['tiny'] is not a text; name one experiment"),
    ],
)
def test_a_mistake_is_one_line_with_file_place_and_remedy(tmp_path, change, message):
    (line,) = mistakes(tmp_path, merge(TINY, change))
    assert re.match(r"mine.yaml:\d+: ", line)
    assert message in line


@pytest.mark.parametrize(
    "change", [{"seeds": [2**32 - 1]}, {"metric": "matthews", "distill": {"even1": {"gate": -0.1}}}, {"dataset": {"max_length": 62}}]
)
def test_what_lies_at_the_end_of_a_range_is_in_it(tmp_path, change):
    load(tmp_path, merge(TINY, change))


def test_what_is_missing_is_named(tmp_path):
    experiment = {key: value for key, value in TINY.items() if key != "variants"}
    assert mistakes(tmp_path, experiment) == ["mine.yaml: the key 'variants' is missing; add it"]
