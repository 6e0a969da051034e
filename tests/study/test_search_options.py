"""What a search may try is checked before anything runs; what it found reaches jobs, controls, tables and cards."""

import inspect
import json
import re
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest

from encoder_compression.errors import UserError
from encoder_compression.reporting.study_warnings import warnings
from encoder_compression.study.controls import taken
from encoder_compression.study.nested import merge, put
from encoder_compression.study.study import Study
from encoder_compression.study.techniques import TECHNIQUES
from encoder_compression.training import jobs
from own_experiments import TINY, load, mistakes
from saved_rows import SavedStudy

RATE = {"training.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}


def of_space(name: str, **tried) -> dict:
    return {"search": {"even1": {"parent": "teacher", "space": {name: tried}}}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"search": {"evn1": {"space": RATE}}}, "search: unknown step 'evn1'; did you mean 'even1'?"),
        ({"search": {"int8": {"space": RATE}}}, "search.int8: a quantize step trains nothing by a score on validation; take it out"),
        (of_space("training.learnin_rate", low=0.1, high=1), "a distill step has no such option; did you mean 'learning_rate'?"),
        (of_space("temperature", low=0, high=8), "space: temperature: distill.even1.temperature: 0.0 is less than or equal to"),
        (of_space("temperature", low=1, high="8e0"), "high: '8e0' is text to YAML, not a number; write it like 5.0e-5"),
        (of_space("temperature", low=1), "space: temperature: a range has two ends; give 'high', too"),
        (of_space("temperature", low=8, high=1), "space: temperature: 'low' 8 is not below 'high' 1; swap them"),
        (of_space("loss.hard", low=0, high=1, log=True), "space: loss.hard: a logarithm needs 'low' above 0; raise it, or take 'log' out"),
        (
            {"search": {"aware8": {"parent": "teacher", "space": {"bits": {"choices": [4, 8]}}}}},
            "search.aware8.space: bits: a quantize step stores what this step trained for",
        ),
        (
            {
                "search": {
                    "even1": {"parent": "teacher", "space": {f"loss.{term}": {"choices": [0, 1]} for term in ("hard", "soft", "hidden")}},
                }
            },
            "search.even1.space: distill.even1.loss: all weights are 0",
        ),
        (of_space("keep", low=1.5, high=2), "space: keep: distill.even1.keep: 1.5 is not a whole number"),
        (of_space("loss.sft", low=0, high=1), "space: loss.sft: a distill step has no such option; did you mean 'soft'?"),
        (
            {"search": {"lora4": {"space": {"loss.hidden": {"low": 0, "high": 1}}}}},
            "space: loss.hidden: the step gives it no weight and so reads no answers of a teacher; give it one there",
        ),
        (of_space("layers", low=1, high=2), "space: layers: not a number, so it has no range; give 'choices'"),
        (of_space("layers", choices=["even", "od"]), "space: layers: distill.even1.layers: unknown value 'od'; did you mean 'odd'?"),
        (of_space("layers", choices=["even", "odd"], low=1), "space.layers: give exactly one of: low, choices"),
        (of_space("unlabelled", choices=[True, False]), "space: unlabelled: this says what the step reads or which rows there are; give"),
        (of_space("training.steps", low=5, high=9), "space: training.steps: distill.even1.training: give exactly one of: epochs, steps"),
        (
            merge({"distill": {"even1": {"loss": {"soft": 0}}}}, of_space("loss.soft", low=0, high=1)),
            "space: loss.soft: the step gives it no weight and so reads no answers of a teacher; give it one there",
        ),
        (
            {"search": {"magnitude60": {"parent": "teacher", "space": {"scope": {"choices": ["global", "fours"]}}}}},
            "space: scope: prune.magnitude60: of four neighbours one, two or three can be zero",
        ),
        (
            {"search": {"even1": {"space": RATE, "objectives": ["speed"]}}},
            'search.even1.objectives: unknown value ["speed"]; known: ["score"], ["score", "multi',
        ),
        (
            {"search": {"even1": {"parent": "teacher+width40", "space": RATE}, "width40": {"parent": "teacher+even1", "space": RATE}}},
            "search: steps wait for each other's options, even1 -> width40 -> even1; give one another 'parent'",
        ),
    ],
)
def test_a_search_that_cannot_work_is_one_line_with_the_remedy(tmp_path, change, message):
    (line,) = mistakes(tmp_path, merge(TINY, change))
    assert re.match(r"mine.yaml:\d+: ", line)
    assert message in line


def test_the_chain_behind_which_a_step_is_searched_must_be_able_to_stand_there(tmp_path):
    change = {"search": {"even1": {"space": RATE}}}
    with pytest.raises(UserError, match="but 'even1' is a distill step; mend 'parent' of search.even1$"):
        Study("mine", load(tmp_path, merge(TINY, change)))


def test_a_sparsity_that_a_search_may_find_is_never_below_the_one_before(tmp_path):
    prune = {"more": {"sparsity": 0.9}, "magnitude60": {"sparsity": 0.6}}
    chain = {"prune": prune, "variants": ["teacher", "teacher+magnitude60+more"], "runtimes": {}, "compare": []}
    for low, error in ((0.7, None), (0.5, "'more' asks for fewer zeros than 'magnitude60' before it")):
        search = {"more": {"parent": "teacher+magnitude60", "space": {"sparsity": {"low": low, "high": 0.9}}}}
        experiment = TINY | merge(chain, {"search": search})
        if error:
            with pytest.raises(UserError, match=error):
                load(tmp_path, experiment)
        else:
            load(tmp_path, experiment)


def test_a_range_is_whole_where_the_option_is(tmp_path):
    space = {"temperature": {"low": 1, "high": 8}, "training.epochs": {"low": 1, "high": 3}}
    found = load(tmp_path, merge(TINY, {"search": {"even1": {"parent": "teacher", "space": space}}}))["search"]["even1"]["space"]
    assert [type(found[name]["low"]) for name in space] == [float, int]


def test_a_control_takes_what_was_found_but_for_what_it_lacks():
    student = {"loss.soft": 0.5, "start": "pretrained", "layers": [1], "training.learning_rate": 0.01}
    assert taken("even1", TECHNIQUES["distill"], student) == student
    assert taken("even1-control", TECHNIQUES["distill"], student) == {"layers": [1], "training.learning_rate": 0.01}
    pruned = {"sparsity": 0.5, "ramp.share": 0.5, "loss.soft": 0.5, "training.learning_rate": 0.01}
    assert taken("half", TECHNIQUES["prune"], pruned) == pruned
    assert taken("half-control", TECHNIQUES["prune"], pruned) == {"loss.soft": 0.5, "training.learning_rate": 0.01}


@pytest.mark.parametrize("variant", ["teacher+even1", "teacher+even1-control"])
@pytest.mark.parametrize("certainty", [{}, {"folds": 3, "examples": 48}])
def test_the_options_found_replace_those_of_the_step_and_are_recorded(tmp_path, variant, certainty):
    best, cost = tmp_path / "best.json", {"trials": 3, "seconds": 12.5} | certainty
    found = {"options": {"loss.soft": 0.5, "training.batch_size": 4}, "score": 0.9} | cost
    best.write_text(json.dumps(found), encoding="utf-8")
    own = {"loss": {"hard": 1, "soft": 0}, "training": {"batch_size": 8}}

    def distill(*, goal, options):
        return {"options": options}

    snakemake = SimpleNamespace(
        resources={},
        input=SimpleNamespace(get={"best": str(best)}.get, dataset="x"),
        params=SimpleNamespace(metric="accuracy", get={}.get),
        rule="distill",
        wildcards=Wildcards(variant=variant, seed="2"),
    )
    facts = jobs.train(distill, snakemake, options=own)
    is_control = variant.endswith("control")
    expected = {"training.batch_size": 4} if is_control else {"loss.soft": 0.5, "training.batch_size": 4}
    assert facts == {"options": put(own, expected), "searched": cost | {"options": expected}}


class Wildcards(dict):
    """Wildcards as Snakemake hands them to a script."""

    __getattr__ = dict.__getitem__


@pytest.mark.parametrize("technique", [name for name, technique in TECHNIQUES.items() if technique.searchable])
def test_a_search_reads_all_that_the_function_of_the_technique_does(technique):
    function = getattr(import_module(f"encoder_compression.techniques.{technique}"), technique)
    made = {"goal", "options", "model", "adapter", "curve"}
    assert set(inspect.signature(function).parameters) - made <= {*TECHNIQUES[technique].reads, "encoder"}


def test_a_warning_says_on_how_many_examples_in_how_many_folds_a_search_chose(tmp_path):
    study = SavedStudy(tmp_path, "teacher", "teacher+even1")
    study.train("teacher+even1", searched={"trials": 20, "seconds": 60.0, "folds": 5, "examples": 9631, "options": {}})
    table = study.table()
    (searched,) = [warning for warning in warnings(table, table.over_seeds) if warning.kind == "searched_options"]
    assert searched.facts == {"step": "even1", "trials": 20, "seconds": 60.0, "folds": 5, "examples": 9631}
    assert "on the 9,631 examples of train and validation in 5 folds; " in searched.text


def test_tables_and_cards_say_what_a_search_cost_and_found(tmp_path):
    study = SavedStudy(tmp_path, "teacher", "teacher+even1", "teacher+even1-control")
    for variant in ("teacher+even1", "teacher+even1-control"):
        path = Path(study.study.folder(variant, 1, "model")) / "provenance.json"
        record = json.loads(path.read_text(encoding="utf-8"))
        record["facts"]["searched"] = {"trials": 20, "seconds": 1234.4, "options": {"training.learning_rate": 0.0123}}
        path.write_text(json.dumps(record), encoding="utf-8")
    table = study.table()
    (searched,) = [warning for warning in warnings(table, table.over_seeds) if warning.kind == "searched_options"]
    assert searched.facts == {"step": "even1", "trials": 20, "seconds": 1234.4}
    assert "1,234 s" in searched.text
    assert dict(zip(table.by_seed["variant"], table.by_seed["search_seconds"], strict=True)) == {
        "teacher": 0,
        "teacher+even1": 1234.4,
        "teacher+even1-control": 1234.4,
    }
    study.summarize()
    cards = {
        variant: (Path(study.study.folder(variant, 1, "model")) / "README.md").read_text(encoding="utf-8")
        for variant in ("teacher", "teacher+even1")
    }
    assert {variant: "training.learning_rate: 0.0123" in card for variant, card in cards.items()} == {
        "teacher": False,
        "teacher+even1": True,
    }
