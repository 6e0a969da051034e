"""Every task keeps the same contract, without the libraries that a measured process must not import."""

import inspect
import re
import subprocess
import sys

import pytest
import yaml

from conftest import ROOT
from encoder_compression.data import tasks

NAMES = tasks.NAMES
CONTRACT = [name for name in re.findall(r"^(\w+) {2,}", tasks.__doc__, re.MULTILINE)]


@pytest.mark.parametrize("name", NAMES)
def test_a_task_has_every_name_of_the_contract(name):
    task = tasks.load(name)
    assert len(CONTRACT) > 10
    assert [one for one in CONTRACT if not hasattr(task, one)] == []
    others = [other for other in map(tasks.load, NAMES)]
    for one in (one for one in CONTRACT if inspect.isfunction(getattr(task, one))):
        assert {str(list(inspect.signature(getattr(other, one)).parameters)) for other in others} == {
            str(list(inspect.signature(getattr(task, one)).parameters))
        }


@pytest.mark.parametrize("name", NAMES)
def test_the_metrics_of_a_task_are_those_that_the_schema_allows(name):
    schema = yaml.safe_load((ROOT / "workflow/schemas/experiment.schema.yaml").read_text(encoding="utf-8"))
    assert name in schema["properties"]["task"]["enum"] and len(NAMES) == len(schema["properties"]["task"]["enum"])
    (allowed,) = [one["then"] for one in schema["allOf"] if one["if"]["properties"]["task"]["const"] == name]
    task = tasks.load(name)
    assert set(allowed["properties"]["metric"]["enum"]) == {*task.CREDITS, *task.SCORES}
    assert set(task.SHOWN) <= {*task.CREDITS, *task.SCORES}


def test_no_task_imports_torch_transformers_or_scikit_learn():
    code = """
import sys
from encoder_compression.data import tasks
for name in tasks.NAMES: tasks.load(name)
print([name for name in ("torch", "transformers", "sklearn") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8")
    assert done.stdout.strip() == "[]", done.stderr
