"""The rules tell what they do, and their scripts do nothing before the frame of a job is there."""

import re

from conftest import ROOT


def test_snakemake_lists_what_every_rule_does(workspace):
    files = [ROOT / "Snakefile", *(ROOT / "workflow/rules").glob("*.smk")]
    rules = {name for file in files for name in re.findall(r"^(?:rule|checkpoint) (\w+):", file.read_text(encoding="utf-8"), re.MULTILINE)}
    done = workspace.run("--list")
    assert done.returncode == 0, done.stderr
    described = dict(re.findall(r"^(\w+) \(([A-Z].{20,}\.)\)$", done.stdout, re.MULTILINE))
    assert described.keys() == rules
    assert len(set(described.values())) == len(rules)
