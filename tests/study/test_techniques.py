"""The registry holds all that the workflow knows of a technique, and everything else agrees with it."""

import inspect
import re
import subprocess
import sys
from importlib import import_module

import pytest

from conftest import ROOT
from encoder_compression.config import schema
from encoder_compression.study.inputs import Step
from encoder_compression.study.techniques import TECHNIQUES

RULES = ROOT / "workflow/rules"
SCHEMA = schema.read(ROOT / "workflow/schemas/experiment.schema.yaml")
COMMON = {"encoder", "dataset", "best"}  # what rules read besides, where they need it


@pytest.fixture(params=TECHNIQUES)
def technique(request):
    return TECHNIQUES[request.param]


def known_options(technique: str) -> dict:
    return schema.resolve(SCHEMA["$defs"][technique], SCHEMA)["properties"]


def options_of(technique: str) -> dict:
    """Return options of a technique: the defaults, and of options without one the first value that the schema allows."""
    known = {name: part for name, part in known_options(technique).items() if name not in ("soft_targets", "target")}
    options = {name: part.get("default", value_of(part)) for name, part in known.items()}
    loss = {"hard": 0.1, "soft": 0.9, "hidden": 0, "relation": 0}
    return options | {"loss": loss, "training": {"epochs": 2}}


def value_of(part: dict):
    part = part.get("anyOf", [part])[0]
    texts = {"array": ["warm"], "string": "teacher"}
    kind = part["type"][0] if isinstance(part.get("type"), list) else part.get("type")
    return part["enum"][0] if "enum" in part else texts.get(kind, part.get("minimum", 0.5))


def test_names_lead_to_section_rule_script_and_function(technique):
    assert technique.name in SCHEMA["$defs"]
    assert f"rule {technique.name}:" in (RULES / f"{technique.name}.smk").read_text(encoding="utf-8")
    assert (ROOT / f"workflow/scripts/{technique.name}.py").exists()
    assert callable(getattr(import_module(f"encoder_compression.techniques.{technique.name}"), technique.name))


def test_what_it_reads_is_what_its_rule_reads_and_a_step_can_tell(technique):
    text = (RULES / f"{technique.name}.smk").read_text(encoding="utf-8")
    block = re.search(rf"^rule {technique.name}:.*?^    input:\n(.*?)^    output:", text, re.DOTALL | re.MULTILINE)[1]
    assert set(re.findall(r"^        (\w+)=", block, re.MULTILINE)) - COMMON == set(technique.reads)
    assert all(isinstance(inspect.getattr_static(Step, name), property) for name in technique.reads)


def test_what_it_follows_are_techniques(technique):
    assert set(technique.follows) <= set(TECHNIQUES)
    assert technique.begins or technique.follows


def test_it_is_described_and_named_for_the_hub(technique):
    options = options_of(technique.name)
    described = technique.describe(options, False)
    assert len(described.split()) > 3
    assert "{" not in described
    assert technique.tags(options) or technique.name == "finetune"
    for form in technique.forms(options):
        assert all(limit.endswith(".") for limit in technique.limits(options, form))


def test_its_part_of_a_speedup_is_a_column(technique):
    columns = (ROOT / "src/encoder_compression/reporting/columns.yaml").read_text(encoding="utf-8")
    assert f"speedup_{technique.speedup_factor}" in columns


def test_a_control_lacks_options_that_the_technique_has(technique):
    if technique.control is None:
        return
    known = known_options(technique.name)
    assert {*technique.control.without, *technique.control.amounts, "control"} <= set(known)
    assert "control" in known
    assert all(technique.cause())


def test_a_control_learns_from_labels_or_lacks_the_amount():
    without = {name: technique.control.without for name, technique in TECHNIQUES.items() if technique.control}
    assert {name for name, options in without.items() if "loss" in options} == {"lora", "distill", "static"}
    assert {name for name, options in without.items() if {"remove", "sparsity", "bits"} & options.keys()} == {"shrink", "prune", "qat"}


def test_the_registry_imports_no_torch():
    names = ("torch", "transformers", "pandas")
    code = f"import sys, encoder_compression.study.techniques; print([name for name in {names} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8").stdout == "[]\n"
