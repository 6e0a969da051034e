"""What rules read that is not of a single step: models that stand behind a start, and a training in several processes."""

import re

import pytest

from conftest import ROOT, load_study, load_tiny
from encoder_compression.errors import UserError
from encoder_compression.study.inputs import Experiment
from encoder_compression.study.targets import check_target, processes_pattern


def test_the_models_before_a_start_are_those_of_its_whole_chain_in_the_other_experiment():
    studies = {name: load_study(ROOT, name) for name in ("tiny-wikitext", "tiny-bert-wikitext-sst2")}
    behind = [f"results/tiny-wikitext/{chain}/seed1/model" for chain in ("teacher+student6", "teacher")]
    assert Experiment(studies, "tiny-bert-wikitext-sst2").pretrained_models == behind
    assert Experiment(studies, "tiny-wikitext").pretrained_models == []


def test_so_are_those_before_an_encoder_of_another_experiment():
    encoder = {"variant": {"experiment": "tiny-wikitext", "variant": "teacher", "seed": 3}}
    studies = {"tiny-wikitext": load_study(ROOT, "tiny-wikitext"), "mine": load_tiny(encoder=encoder)}
    assert Experiment(studies, "mine").pretrained_models == ["results/tiny-wikitext/teacher/seed3/model"]


def test_the_first_training_of_the_baseline_is_timed_in_the_processes_that_an_experiment_names():
    studies = {"tiny": load_tiny(), "asks": load_tiny(processes=[1, 2])}
    assert Experiment(studies, "tiny").processes_times == []
    assert Experiment(studies, "asks").processes_times == "results/asks/processes/times.csv"
    options = Experiment(studies, "asks").processes_options
    assert options["numbers"] == [1, 2]
    assert options["training"] == studies["asks"].options["finetune"]["teacher"]["training"]
    assert re.fullmatch(processes_pattern(studies), "asks")
    assert not re.fullmatch(processes_pattern(studies), "tiny")


def test_times_that_an_experiment_does_not_name_are_one_line():
    check_target("results/asks/processes/times.csv", {"asks": load_tiny(processes=[1, 2])})
    with pytest.raises(UserError, match="the experiment names no 'processes'; give it a list such as \\[1, 2\\]$"):
        check_target("results/tiny/processes/times.csv", {"tiny": load_tiny()})
