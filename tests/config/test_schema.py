"""The schema and the code that reads it cannot drift apart; test_read_options.py records who reads an option."""

import re

import pytest
import yaml

from conftest import ROOT
from encoder_compression.config import schema as schemas
from encoder_compression.study.targets import LARGEST_SEED
from encoder_compression.study.techniques import WITH_CONTROL

SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/experiment.schema.yaml").read_text(encoding="utf-8"))


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


@pytest.mark.parametrize("technique", WITH_CONTROL)
def test_what_a_taught_step_reads_stands_in_one_block_of_the_schema(technique):
    """A step says of the block's options what differs alone: what its control is, who teaches, and of lora the weights."""
    block, part = SCHEMA["$defs"]["taught"]["properties"], SCHEMA["$defs"][technique]
    assert part["$ref"] == "#/$defs/taught" and part["unevaluatedProperties"] is False
    differing = {key: set(option) for key, option in part["properties"].items() if key in block}
    teacher = {"distill": {"teacher": {"anyOf", "description"}}, "lora": {"teacher": {"description"}}}.get(technique, {})
    loss = {"loss": {"description", "default", "properties"}} if technique == "lora" else {}
    assert differing == {"control": {"description"}} | teacher | loss


def test_a_part_that_takes_a_block_has_its_options_with_what_it_says_itself_over_them():
    lora = schemas.resolve(SCHEMA["$defs"]["lora"], SCHEMA)["properties"]
    assert lora["teacher"]["default"] == "teacher" and "soft or a hidden term" in lora["teacher"]["description"]
    loss = schemas.resolve(lora["loss"], SCHEMA)
    assert {term: (option["type"], option["default"]) for term, option in loss["properties"].items()} == {
        "hard": ("number", 1),
        "soft": ("number", 0),
        "hidden": ("number", 0),
        "relation": ("number", 0),
    }
    assert schemas.resolve(SCHEMA["$defs"]["trim"], SCHEMA) is SCHEMA["$defs"]["trim"]
