"""Which row can tell the time of another one, by what the steps of their chains make of shapes."""

import pytest

from conftest import load_tiny
from encoder_compression.study.chain import Chain
from encoder_compression.study.row_inputs import Row
from encoder_compression.study.techniques import TECHNIQUES
from encoder_compression.study.twins import timed_as

VARIANTS = [
    "teacher", "lora4", "teacher+even1", "teacher+odd1", "teacher+magnitude60", "teacher+int8", "teacher+aware8+int8",
    "teacher+width40", "teacher+even1+magnitude60",
]  # fmt: skip


def study(**measure):
    tiny = load_tiny().options
    odd = tiny["distill"]["even1"] | {"layers": [1]}
    return load_tiny(variants=VARIANTS, measure=tiny["measure"] | measure, distill=tiny["distill"] | {"odd1": odd})


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ("teacher", None),
        ("lora4", "teacher"),
        ("teacher+magnitude60", "teacher"),
        ("teacher+even1", None),
        ("teacher+odd1", "teacher+even1"),
        ("teacher+even1-control", "teacher+even1"),
        ("teacher+even1+magnitude60", "teacher+even1"),
        ("teacher+width40", None),
        ("teacher+int8", None),
        ("teacher+aware8+int8", "teacher+int8"),
    ],
)
def test_a_row_is_timed_as_the_first_one_of_its_shapes(variant, expected):
    assert timed_as(study(), variant, "cpu-onnxruntime") == expected


def test_a_student_that_keeps_all_layers_keeps_their_shapes():
    shape = TECHNIQUES["distill"].shape
    assert shape("small", {"teacher": {"experiment": "big", "variant": "teacher"}}) is None
    assert shape("small", {"layers": "even", "keep": 3}) == shape("other", {"layers": [1, 4, 6]}) == "3 layers"


def test_the_job_reads_the_measurement_of_the_same_seed_and_device():
    studies = {"mine": study()}
    twin = Row(studies, "mine", Chain("teacher+magnitude60"), 1, "cpu-pytorch")
    assert twin.timed_as == f"{studies['mine'].folder('teacher', 1, 'cpu-pytorch')}/measurement.json"
    assert Row(studies, "mine", Chain("teacher"), 1, "cpu-pytorch").timed_as == []


def test_every_row_is_timed_itself_where_the_experiment_asks_for_that():
    assert timed_as(study(shared=False), "teacher+magnitude60", "cpu-pytorch") is None
