"""The pages on options say what the schema says, and the YAML of each guide is a study that can be planned."""

import re
import runpy
import shutil

import pytest
import yaml

from conftest import ROOT, load_study

GUIDES = sorted((ROOT / "docs/guides").glob("*.md"))
BLOCK = re.compile(r"```yaml\n(.*?)```", re.DOTALL)
BLOCKS = [
    pytest.param(block, id=f"{guide.stem}-{number}")
    for guide in GUIDES
    for number, block in enumerate(BLOCK.findall(guide.read_text(encoding="utf-8")))
    if "variants:" in block
]
BASE = ("encoder", "dataset", "finetune")  # of the default study, which a guide's YAML is laid over


def test_the_page_of_options_is_what_the_schema_says():
    written = runpy.run_path(str(ROOT / "docs/write_options.py"))
    assert written["PAGE"].read_text(encoding="utf-8") == written["page"](), "run make options"


def test_every_guide_begins_with_yaml_that_works_and_tells_its_limits():
    for guide in GUIDES:
        text = guide.read_text(encoding="utf-8")
        assert BLOCK.search(text), guide
        assert "On real data" in text or "Studies:" in text, guide
        assert "Limits" in text, guide


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the configuration, an experiment to lay a guide's YAML over, and the files that guides call mine."""
    for part in ("config", "workflow/schemas"):
        shutil.copytree(ROOT / part, tmp_path / part)
    experiments = tmp_path / "config/experiments"
    reviews = yaml.safe_load((experiments / "reviews.yaml").read_text(encoding="utf-8"))
    base = {key: reviews[key] for key in BASE}
    for name in ("base", "big"):
        (experiments / f"{name}.yaml").write_text(yaml.safe_dump(base | {"variants": ["teacher"]}), encoding="utf-8")
    (tmp_path / "mine").mkdir()
    for name in ("train.json", "dev.json", "articles.txt"):
        (tmp_path / "mine" / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("block", BLOCKS)
def test_the_yaml_of_a_guide_is_a_study_with_all_its_rows(folder, block):
    options = {"extends": "base"} | yaml.safe_load(block)
    (folder / "config/experiments/guide.yaml").write_text(yaml.safe_dump(options), encoding="utf-8")
    study = load_study(folder, "guide")
    assert {variant for variant, _, _ in study.rows()} >= set(options["variants"])
