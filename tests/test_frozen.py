"""Jobs of a run see the options that the run began with."""

import json
import os

import pytest

from encoder_compression import frozen


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(frozen.VARIABLE, "unset")


def edited():
    raise AssertionError("a job must not read the YAML files")


def test_a_job_reads_what_its_run_read(tiny):
    options = {"tiny": tiny.options}
    assert frozen.options(lambda: options, is_job=False) == options
    found = frozen.options(edited, is_job=True)
    assert json.dumps(found) == json.dumps(options), "also the order of keys, which decides whether a job is run again"


def test_an_edit_and_another_run_change_nothing_for_jobs_of_the_first():
    frozen.options(lambda: {"epochs": 1}, is_job=False)
    first = os.environ[frozen.VARIABLE]
    frozen.options(lambda: {"epochs": 2}, is_job=False)
    assert frozen.options(edited, is_job=True) == {"epochs": 2}
    os.environ[frozen.VARIABLE] = first
    assert frozen.options(edited, is_job=True) == {"epochs": 1}


def test_types_survive():
    options = {"rate": 1e-5, "text": "1e-5", "word": "yes", "nothing": None, "labels": {0: "no", 1: "off"}, "nested": [[1, 2.0], []]}
    found = frozen.options(lambda: options, is_job=False)
    assert repr(found) == repr(options)
