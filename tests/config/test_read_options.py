"""Every option of the schema is read by what it is for: recorded while each technique and job runs, on models of two layers."""

from fnmatch import fnmatch
from functools import partial

import pytest

from conftest import ROOT
from encoder_compression.config import schema as schemas
from laboratory import Laboratory

pytestmark = pytest.mark.long

SCHEMA = schemas.read(ROOT / "workflow" / "schemas" / "experiment.schema.yaml")
NAMED = [name for name, part in SCHEMA["properties"].items() if isinstance(part.get("additionalProperties"), dict)]
RULES = "the rules ask for it, in Snakemake's own process"
# Patterns of names -> why no test here sees them read.
UNREAD = {
    "*.version": "another one makes an artifact anew, as every other option does, and nothing else",
    "*.hub*": "it needs the network, as tests/data/test_hub.py has it",
    "*.package*": "it needs the network, as tests/data/test_sources.py has it",
    "dataset.files.*": "all splits that are named are read",
    "unlabelled.files.*": "all splits that are named are read",
    "distill.soft_targets.files.*": "all splits that are named are read",
    "processes": RULES,
    "contract*": RULES,
    "static.unlabelled": RULES,
    "distill.start.seed": RULES,
    "encoder.variant.seed": RULES,
    "unlabelled.replaced.model.seed": RULES,
}


def options_of(part: dict, place: tuple[str, ...]) -> set[str]:
    """Return the dotted names of the options in a part of the schema, without the names that people give."""
    resolved = schemas.resolve(part, SCHEMA)
    branches = [*resolved.get("anyOf", []), *(branch["then"] for branch in resolved.get("allOf", [])), resolved.get("additionalProperties")]
    names = {".".join((*place, key)) for key in resolved.get("properties", {})}
    inner = [options_of(option, (*place, key)) for key, option in resolved.get("properties", {}).items()]
    return names.union(*inner, *(options_of(branch, place) for branch in branches if isinstance(branch, dict)))


def name_of(place: tuple[str, ...]) -> str:
    """Return the dotted name of an option that was read, without the names that people give."""
    kept = place[:1] + place[2:] if place[0] in NAMED else place
    return ".".join(kept[:2] + kept[3:] if kept[:2] == ("search", "space") else kept)


@pytest.fixture(scope="module")
def reads(tmp_path_factory) -> set[str]:
    laboratory = Laboratory(tmp_path_factory.mktemp("laboratory"))
    laboratory.run_all()
    return {name_of(place) for place in laboratory.reads}


@pytest.mark.slow
def test_every_option_is_read_by_what_it_is_for(reads):
    unread = options_of(SCHEMA, ()) - reads
    assert [name for name in sorted(unread) if not any(fnmatch(name, pattern) for pattern in UNREAD)] == []


@pytest.mark.slow
def test_an_exception_is_one_and_is_of_an_option(reads):
    for pattern in UNREAD:
        names = set(filter(partial(fnmatch, pat=pattern), options_of(SCHEMA, ())))
        assert names, f"{pattern} is no option"
        assert names - reads, f"{pattern} is read; take it out of the exceptions"
