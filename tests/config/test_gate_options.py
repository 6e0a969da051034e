"""A clause of the release gate that cannot be judged is refused in one line before anything runs."""

import pytest

from encoder_compression.study.nested import merge
from encoder_compression.study.rule_inputs import Inputs
from own_experiments import TINY, load, load_studies, mistakes

RECALL = {"label": "good", "false_positive_rate": 0.05, "at_least": 0.8}
NAMED = {"dataset": {"label_names": ["bad", "good"]}}


def refused(tmp_path, gate: dict, changes: dict) -> str:
    """Return the line about the gate; of a task of another kind there are lines about its metric, too."""
    lines = mistakes(tmp_path, merge(TINY, changes | {"gate": gate}))
    (line,) = [line.partition(": ")[2] for line in lines if ": gate" in line]
    return line


@pytest.mark.parametrize(
    ("gate", "changes", "message"),
    [
        ({"recall": RECALL | {"label": "god"}}, NAMED, "gate.recall.label: the data set has no class 'god'; did you mean 'good'?"),
        (
            {"recall": RECALL | {"label": 1}},
            {"dataset": {"label_map": {0: "bad", 1: "good"}}},
            "gate.recall.label: the data set has no class '1'; known: bad, good",
        ),
        (
            {"recall": RECALL},
            {"task": "regression"},
            "gate.recall: regression has no classes whose recall could be measured; take the clause out",
        ),
        (
            {"calibration_error": {"at_most": 0.1}},
            {"task": "regression"},
            "gate.calibration_error: regression has no probabilities of classes",
        ),
        ({"worst_slice": {"at_least": 0.7}}, {"task": "regression"}, "gate.worst_slice: regression has no slices; take the clause out"),
        ({"agreement": {"at_least": 0.9}}, {"task": "regression"}, "gate.agreement: regression has no predictions that agree or not; take"),
        (
            {"recall": RECALL | {"false_positive_rate": 0}},
            {},
            "gate.recall.false_positive_rate: 0 is less than or equal to the minimum of 0",
        ),
        (
            {"recall": RECALL | {"false_positive_rate": 1}},
            {},
            "gate.recall.false_positive_rate: 1 is greater than or equal to the maximum of 1",
        ),
        ({"recall": {"label": "good", "at_least": 0.8}}, {}, "gate.recall: the key 'false_positive_rate' is missing; add it"),
        (
            {"metric": {"at_least": 85}},
            {},
            "gate.metric.at_least: 85 is greater than the maximum of 1; give at least -1 and at most 1 (85 % is 0.85)",
        ),
        ({"metric": {"at_least": -0.5}}, {}, "gate.metric.at_least: accuracy is from 0 to 1, so -0.5 keeps nothing out; give 0 or more"),
        ({"metric": {"at_most": 0.5}}, {}, "gate.metric: unknown key 'at_most'; did you mean 'at_least'?"),
        ({"recal": RECALL}, {}, "gate: unknown key 'recal'; did you mean 'recall'?"),
        ({}, {}, "gate: "),
    ],
)
def test_a_mistake_is_one_line_with_the_clause_and_the_remedy(tmp_path, gate, changes, message):
    assert message in refused(tmp_path, gate, changes)


def test_agreement_needs_a_row_beside_the_baseline(tmp_path):
    alone = {"variants": ["teacher"], "compare": [], "runtimes": {}, "gate": {"agreement": {"at_least": 0.9}}}
    alone |= {"devices": {"reference": {"runtime": "pytorch"}}}
    (line,) = mistakes(tmp_path, TINY | alone)
    assert "gate.agreement: the baseline is the only row and agrees with itself; add a variant, or take the clause out" in line
    on_two = alone | {"devices": {"reference": {"runtime": "pytorch"}, "served": {"runtime": "onnxruntime"}}}
    assert load(tmp_path, TINY | on_two)["gate"] == {"agreement": {"at_least": 0.9}}


@pytest.mark.parametrize("label", ["good", "Good", 1])
def test_a_class_that_may_be_there_is_left_to_the_data_set(tmp_path, label):
    """The names of an encoder's own head may differ from those of ``label_map`` in case, and from its numbers altogether."""
    maps = {"good": {0: "bad", 1: "good"}, "Good": {0: "bad", 1: "good"}, 1: {0: "0", 1: "1"}}[label]
    options = load(tmp_path, merge(TINY, {"dataset": {"label_map": maps}, "gate": {"recall": RECALL | {"label": label}}}))
    assert options["gate"]["recall"]["label"] == label


def test_measurements_depend_on_class_and_rate_and_on_no_limit(tmp_path):
    """A measurement is made anew for another threshold; a limit is a matter of the tables."""

    def options_of(**gate) -> dict:
        studies = load_studies(tmp_path, ["mine"], mine=TINY | ({"gate": gate} if gate else {}))
        return Inputs(studies).of_row("measure_options")(Wildcards)["measure"]

    plain = options_of()
    assert options_of(metric={"at_least": 0.8}, agreement={"at_least": 0.9}) == plain
    first = options_of(recall=RECALL)
    assert first == plain | {"recall": {"label": "good", "false_positive_rate": 0.05}}
    assert options_of(recall=RECALL | {"at_least": 0.1}) == first
    assert options_of(recall=RECALL | {"false_positive_rate": 0.1}) != first


class Wildcards:
    experiment, variant, seed, device = "mine", "teacher", "1", "cpu-pytorch"
