"""What summaries give to the page, and what the tests of the page make up, is what `page_content` says."""

import copy
import json

import jinja2
import pytest

from encoder_compression.reporting import html_report
from encoder_compression.reporting.page_content import PageContent, Row
from page_data import sample
from saved_rows import ONNX, TORCH, SavedStudy
from typed_dicts import mismatches

GRID = [{"batch_size": 1, "length": 32, "latencies_ms": [1.0, 2.0], "partner_latencies_ms": None}]


def mismatches_of(content: dict) -> list[str]:
    return mismatches(content, PageContent, where="page", open_kinds=(Row,))


@pytest.fixture
def given(monkeypatch) -> list[dict]:
    """What the page is given, each time that it is written."""
    contents, render = [], html_report.render

    def record(content, output):
        contents.append(content)
        render(content, output)

    monkeypatch.setattr(html_report, "render", record)
    return contents


@pytest.fixture
def study(tmp_path) -> SavedStudy:
    variants = ("teacher", "teacher+even1", "teacher+even1-control", "teacher+int8")
    return SavedStudy(tmp_path, *variants, seeds=(1, 2), compare=[["teacher", "teacher+even1"]])


def test_a_summary_gives_the_page_what_it_takes(study, given):
    study.save("teacher", TORCH, grid=GRID)
    study.save("teacher+even1", TORCH, wrong=range(60), foreign=0.5)
    study.summarize(gate=0.99, points=2)
    (content,) = given
    assert mismatches_of(content) == []
    lists = ("rows", "warnings", "answers", "comparisons", "slices", "grid", "curves", "proofs", "provenance", "data")
    assert [name for name in lists if not content[name]] == []
    assert content["gate"] == {"retained": 0.99}


def test_so_does_one_without_a_gate_whose_baseline_has_learnt_nothing(study, given):
    for device in (TORCH, ONNX):
        for seed in (1, 2):
            study.save("teacher", device, seed=seed, wrong=range(110))
    study.summarize()
    (content,) = given
    assert mismatches_of(content) == []
    assert content["gate"] is None
    assert content["answers"][0]["caution"]["text"]


def test_the_figures_of_a_row_are_those_of_the_columns(study, given):
    study.summarize()
    for content in (*given, sample()):
        keys = {column[name] for column in content["columns"] for name in ("key", "low", "high")} - {None}
        assert {type(row[key]) for row in content["rows"] for key in keys} <= {float, int, str, type(None)}


def test_what_the_tests_of_the_page_make_up_is_such_content():
    assert mismatches_of(sample()) == []


@pytest.mark.parametrize("name", PageContent.__annotations__)
def test_the_page_shows_every_part_of_it(name, tmp_path):
    content = sample()
    del content[name]
    with pytest.raises((KeyError, TypeError, jinja2.UndefinedError)):  # TypeError where a number is formatted
        html_report.render(content, tmp_path / "report.html")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda content: content.pop("metric"), "page.metric is missing"),
        (lambda content: content.update(author="me"), f"page.author is not a key of {PageContent}"),
        (lambda content: content["rows"][1].pop("verdict"), "page.rows[1].verdict is missing"),
        (lambda content: content["rows"][0].update(noisy=0), f"page.rows[0].noisy: 0 is not {bool}"),
        (lambda content: content["baseline_score"].update(gpu="0.9"), f"page.baseline_score['gpu']: '0.9' is not {float}"),
        (lambda content: content["curves"][0].update(seed=1), f"page.curves[0].seed: 1 is not {str}"),
        (lambda content: content["answers"][0]["caution"].update(text=None), f"page.answers[0].caution.text: None is not {str}"),
    ],
    ids=["no metric", "an author", "no verdict", "a number for a truth", "a word for a number", "a number for a word", "no text"],
)
def test_what_differs_is_named(change, line):
    content = json.loads(json.dumps(copy.deepcopy(sample())))
    content["answers"][0]["caution"] = {"kinds": ["baseline_not_learnt"], "text": "It has learnt nothing.", "facts": {}}
    change(content)
    assert mismatches_of(content) == [line]
