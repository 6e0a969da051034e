"""Clauses of cost: a call's milliseconds are bounded by what starts differ, sizes and memory by what seeds differ."""

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from scipy import stats

from conftest import ROOT
from encoder_compression.config import gate_options, schema
from encoder_compression.reporting import gate, gate_words
from saved_rows import DEVICES, ONNX, TORCH, SavedStudy

SCHEMA = schema.read(ROOT / "workflow" / "schemas" / "gate.schema.yaml")
STARTS_MS = [1.9, 2.0, 2.2]


def starts(medians: list[float]) -> list[dict]:
    """Return launches of one round each, whose calls have these medians and a slow one at the end."""
    rounds = [{"latencies_ms": [ms] * 5 + [50.0], "processor_ms": [ms] * 6} for ms in medians]
    nobody = {"partner_latencies_ms": None, "partner_processor_ms": None}
    return [{"rounds": [each | nobody], "foreign_cpu_share": 0.0} for each in rounds]


def clause_of(study: SavedStudy, name: str, limit: float, variant: str = "teacher+even1") -> dict:
    table = study.table()
    rows = gate.release_gate(table, table.over_seeds, {name: {"at_most": limit}})
    Draft202012Validator(SCHEMA).validate(rows)
    (row,) = [row for row in rows["rows"] if (row["variant"], row["device"]) == (variant, TORCH)]
    return next(clause for clause in row["clauses"] if clause["clause"] == name)


@pytest.fixture
def study(tmp_path) -> SavedStudy:
    return SavedStudy(tmp_path, "teacher", "teacher+even1")


def test_the_bounds_of_a_latency_are_students_over_starts_whose_variance_all_rows_of_the_device_share(study):
    study.save("teacher", TORCH, launches=starts([10.0, 10.0, 10.0]))
    study.save("teacher+even1", TORCH, launches=starts(STARTS_MS))
    clause = clause_of(study, "latency_ms", 3)
    variance, freedom = np.var(np.log(STARTS_MS), ddof=1) / 2, 4  # pooled: the teacher's starts do not differ
    of_the_row = max(variance, np.var(np.log(STARTS_MS), ddof=1))
    half = stats.t.ppf(0.95, freedom) * np.sqrt(of_the_row / 3)
    assert clause["value"] == 2.0
    assert (clause["lower_bound"], clause["upper_bound"]) == pytest.approx((2 * np.exp(-half), 2 * np.exp(half)))


@pytest.mark.parametrize(("limit", "verdict"), [(2.5, "kept"), (2.1, "open"), (1.9, "open"), (1.7, "exceeded")])
def test_a_latency_is_kept_where_its_upper_bound_is_and_exceeded_where_its_lower_one_is_beyond_it(study, limit, verdict):
    study.save("teacher", TORCH, launches=starts([10.0, 10.0, 10.0]))
    study.save("teacher+even1", TORCH, launches=starts(STARTS_MS))
    assert clause_of(study, "latency_ms", limit)["verdict"] == verdict


def test_starts_of_one_time_leave_no_doubt(study):
    clause = clause_of(study, "latency_ms", 10, variant="teacher")
    assert (clause["value"], clause["lower_bound"], clause["upper_bound"], clause["verdict"]) == (10, 10, 10, "kept")


def test_times_that_a_row_took_over_do_not_count_twice_in_the_spread(study):
    study.save("teacher", TORCH, launches=starts(STARTS_MS))
    study.save("teacher+even1", TORCH, launches=starts(STARTS_MS), timed_as="teacher")
    half = stats.t.ppf(0.95, 2) * np.sqrt(np.var(np.log(STARTS_MS), ddof=1) / 3)  # two degrees of freedom, and not four
    assert clause_of(study, "latency_ms", 3)["upper_bound"] == pytest.approx(2 * np.exp(half))


@pytest.mark.parametrize(("clause", "saved"), [("size_mb", "size_mb"), ("memory_mb", "memory_run_mb")])
def test_a_size_is_kept_where_that_of_every_seed_is(tmp_path, clause, saved):
    study = SavedStudy(tmp_path, "teacher", "teacher+even1", seeds=(1, 2))
    for seed, value in ((1, 10.0), (2, 12.0)):
        study.save("teacher+even1", TORCH, seed=seed, **{saved: value})
    verdicts = {limit: clause_of(study, clause, limit)["verdict"] for limit in (12, 11, 9.9)}
    assert verdicts == {12: "kept", 11: "open", 9.9: "exceeded"}
    assert clause_of(study, clause, 12)["value"] == 11


def test_a_line_names_cost_unit_and_the_bound_that_decides():
    latency = {"clause": "latency_ms", "value": 2.04, "lower_bound": 1.9, "upper_bound": 2.21, "at_most": 3, "verdict": "kept"}
    size = {"clause": "size_mb", "value": 22.4, "lower_bound": 22.4, "upper_bound": 22.4, "at_most": 20, "verdict": "exceeded"}
    static = latency | {"value": 0.0203, "upper_bound": 0.0224, "at_most": 0.03}
    memory = {"clause": "memory_mb", "value": 105.2, "lower_bound": 104, "upper_bound": 106.4, "at_most": 106, "verdict": "open"}
    lines = gate_words.lines({"variant": "teacher+int8", "device": ONNX, "clauses": [latency, static, size, memory]})
    assert [line.removeprefix(f"teacher+int8 on {ONNX}: ") for line in lines] == [
        "p50, at most 3 ms: 2.04 ms (below 2.21): kept",
        "p50, at most 0.03 ms: 0.0203 ms (below 0.0224): kept",
        "size, at most 20 MB: 22.4 MB (above 22.4): exceeded",
        "memory, at most 106 MB: 105 MB (below 106.4): open",
    ]


def test_a_contract_for_a_device_that_is_not_measured_is_refused_with_the_nearest():
    options = {"task": "classification", "dataset": {}, "devices": DEVICES, "contract": {"device": "cpu-onnxrutime"}}
    (mistake,) = gate_options.find_mistakes(options)
    assert mistake.place == ("contract", "device")
    assert "cpu-onnxrutime" in mistake.message
    assert ONNX in mistake.message
