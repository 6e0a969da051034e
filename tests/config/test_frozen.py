"""Jobs of a run see the options that the run began with."""

import json
import os

import pytest

from encoder_compression.config import frozen


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(frozen.VARIABLE, "unset")


def test_a_job_reads_what_its_run_read(tiny):
    options = {"tiny": tiny.options}
    assert frozen.freeze(options) == options
    assert json.dumps(frozen.recall()) == json.dumps(options), "also the order of keys, which decides whether a job is run again"


def test_another_run_changes_nothing_for_jobs_of_the_first():
    frozen.freeze({"epochs": 1})
    first = os.environ[frozen.VARIABLE]
    frozen.freeze({"epochs": 2})
    assert frozen.recall() == {"epochs": 2}
    os.environ[frozen.VARIABLE] = first
    assert frozen.recall() == {"epochs": 1}


def test_types_survive():
    options = {"rate": 1e-5, "text": "1e-5", "word": "yes", "nothing": None, "labels": {0: "no", 1: "off"}, "nested": [[1, 2.0], []]}
    assert repr(frozen.freeze(options)) == repr(options)
