"""Experiments of a test's own, read as the workflow reads those of its user."""

from pathlib import Path

import pytest
import yaml

from conftest import ROOT
from encoder_compression.config.load import load_experiments
from encoder_compression.config.overrides import NOTHING
from encoder_compression.config.references import check_references
from encoder_compression.errors import UserError
from encoder_compression.study.study import Study

TINY = yaml.safe_load((ROOT / "config" / "experiments" / "tiny.yaml").read_text(encoding="utf-8")) | {"profile": []}
del TINY["gate"], TINY["contract"]


def load_options(folder: Path, names: list[str], shared: dict | None = None, **experiments: dict) -> dict[str, dict]:
    """Return the options of the experiments ``names``, and of those that they refer to, from files that are written to ``folder``."""
    (folder / "experiments").mkdir(exist_ok=True)
    for name, options in experiments.items():
        (folder / "experiments" / f"{name}.yaml").write_text(yaml.safe_dump(options, sort_keys=False), encoding="utf-8")
    shared = {"experiments": names, "devices": "auto", "quantize": {"int8": {}}} | (shared or {})
    return load_experiments(given=NOTHING, shared=shared, config_folder=folder, schema_folder=ROOT / "workflow" / "schemas")


def load_studies(folder: Path, names: list[str], **experiments: dict) -> dict[str, Study]:
    """Return the studies of `load_options`, checked against each other."""
    studies = {name: Study(name, options) for name, options in load_options(folder, names, **experiments).items()}
    check_references(studies)
    return studies


def load(tmp_path, experiment: dict, shared: dict | None = None) -> dict:
    """Return the options of one experiment of a test's own."""
    return load_options(tmp_path, ["mine"], shared, mine=experiment)["mine"]


def mistakes(tmp_path, experiment: dict, shared: dict | None = None) -> list[str]:
    """Return what an experiment of a test's own, mine.yaml, is refused for: a line for each mistake, less the folder of the file."""
    with pytest.raises(UserError) as error:
        load(tmp_path, experiment, shared)
    return str(error.value).replace(f"{tmp_path}/experiments/", "").splitlines()
