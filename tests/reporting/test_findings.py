"""Every code has a meaning and a sentence, and programs find the codes where people find the sentences."""

import json
import re
from pathlib import Path

import pytest

from conftest import ROOT
from encoder_compression.reporting import findings
from encoder_compression.reporting.findings import KINDS, Finding
from every_finding import every_finding, in_lines
from saved_rows import TORCH, SavedStudy

GOLDEN = Path(__file__).with_name("sentences.txt")
DROP = Finding("drop", "It drops.")
FASTER = Finding("faster", "It is faster.", also=("by_runtime",), facts={"ratio": 2.0})


def test_the_sentences_are_those_of_the_golden_file(tmp_path):
    written = in_lines(every_finding(tmp_path))
    remedy = "sentences have changed; if they are meant to: python tests/every_finding.py > tests/reporting/sentences.txt"
    assert written.splitlines() == GOLDEN.read_text(encoding="utf-8").splitlines(), remedy


def test_every_code_has_a_sentence_in_the_golden_file():
    lines = [line for line in GOLDEN.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    assert {code for line in lines for code in line.partition(":")[0].split()} == set(KINDS)


def test_the_documentation_lists_every_code_with_its_meaning():
    text = (ROOT / "docs" / "measuring.md").read_text(encoding="utf-8").partition("## Codes")[2]
    assert dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", text, re.MULTILINE)) == KINDS


def test_a_code_that_is_not_listed_is_refused():
    with pytest.raises(ValueError, match="'dorp'.*reporting/findings.py"):
        Finding("dorp", "It drops.")
    with pytest.raises(ValueError, match="'by_runtme'"):
        Finding("faster", "It is faster.", also=("by_runtme",))


def test_a_row_has_its_sentences_and_its_codes_in_order():
    assert findings.columns([[DROP, FASTER], []]) == {
        "verdict": ["It drops. It is faster.", ""],
        "verdict_kinds": ["drop faster by_runtime", ""],
    }


def test_findings_become_plain_values_wherever_they_stand():
    conclusions = {"machine": "Some", "warnings": [DROP], "comparisons": [[FASTER]], "answers": [{"fastest": FASTER, "caution": None}]}
    faster = {"kinds": ["faster", "by_runtime"], "text": "It is faster.", "facts": {"ratio": 2.0}}
    plain = findings.as_json(conclusions)
    assert plain["warnings"] == [{"kinds": ["drop"], "text": "It drops.", "facts": {}}]
    assert (plain["machine"], plain["comparisons"], plain["answers"]) == ("Some", [[faster]], [{"fastest": faster, "caution": None}])


def test_a_finding_that_two_devices_share_is_one_whatever_its_facts():
    assert len({FASTER, Finding("faster", "It is faster.", also=("by_runtime",), facts={"ratio": 2.0001})}) == 1
    assert Finding("faster", "It is faster.") != FASTER


def test_tables_page_and_record_of_a_study_hold_the_codes(tmp_path):
    study = SavedStudy(tmp_path, "teacher", "teacher+even1", compare=[["teacher", "teacher+even1"]])
    study.save("teacher+even1", TORCH, wrong=range(80), ratios=2.0, foreign=0.5)
    written = study.summarize(points=50)
    row = written.aggregate.set_index(["variant", "device"]).loc["teacher+even1", TORCH]
    assert row["verdict_kinds"] == "drop kept faster by_compression noisy"
    assert written.pairs["verdict_kinds"].tolist() == ["gain training_costs slower"]
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', written.page, re.DOTALL)[1])
    assert {row["verdict_kinds"] for row in data["rows"]} == set(written.aggregate["verdict_kinds"])
    for conclusions in (data, json.loads(json.dumps(written.facts))):
        assert "noisy_rows" in [warning["kinds"][0] for warning in conclusions["warnings"]]
        assert {answer["device"]: answer["fastest"]["facts"]["variant"] for answer in conclusions["answers"]}[TORCH] == "teacher+even1"
        assert [[part["kinds"][0] for part in pair] for pair in conclusions["comparisons"]] == [["gain", "training_costs", "slower"]]
