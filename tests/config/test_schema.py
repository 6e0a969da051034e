"""The schema and the code that reads it cannot drift apart."""

import re
from pathlib import Path

import pytest
import yaml

from conftest import ROOT
from encoder_compression.study.targets import LARGEST_SEED

SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/experiment.schema.yaml").read_text(encoding="utf-8"))
LIBRARY = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "src/encoder_compression").rglob("*.py"))


def properties(schema: dict) -> set[str]:
    """Return the names of all options, at any depth."""
    names = set(schema.get("properties", {}))
    for part in [*schema.get("properties", {}).values(), *schema.get("$defs", {}).values()]:
        names |= properties(part)
    return names


@pytest.mark.parametrize("name", sorted(properties(SCHEMA) - {"version"}))
def test_every_option_is_read_somewhere(name):
    assert re.search(rf"""["']{name}["']|\b{name}[:=,)]""", LIBRARY) or re.search(rf'section\("{name}"\)', rules())


def rules() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in Path(ROOT / "workflow/rules").glob("*.smk"))


def test_every_section_of_steps_is_a_technique_with_a_rule_and_a_version():
    from encoder_compression.study.techniques import TECHNIQUES

    sections = {name for name, part in SCHEMA["properties"].items() if part.get("$ref") == "#/$defs/steps"}
    assert sections == set(TECHNIQUES)
    for technique in TECHNIQUES:
        assert f"rule {technique}:" in (ROOT / f"workflow/rules/{technique}.smk").read_text(encoding="utf-8")
        assert "const" in SCHEMA["$defs"][technique]["properties"]["version"]


def test_the_largest_seed_of_a_target_is_that_of_an_experiment():
    assert SCHEMA["$defs"]["seed"]["maximum"] == LARGEST_SEED


def test_a_number_may_be_written_only_as_yaml_understands_it():
    for path in (ROOT / "config").rglob("*.yaml"):
        assert not re.search(r"[:\s]\d+e[-+]?\d+\b", path.read_text(encoding="utf-8")), f"{path}: write 5.0e-5; YAML takes 5e-5 for text"
