"""A tiny random encoder, a tiny data set, and a copy of the workflow to run Snakemake in."""

import shutil
import subprocess
import sys
import venv
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from encoder_compression.config.load import load_experiments
from encoder_compression.config.overrides import NOTHING
from encoder_compression.data.dataset import prepare_dataset
from encoder_compression.data.sources.encoder import prepare_encoder
from encoder_compression.errors import UserError
from encoder_compression.run import environment
from encoder_compression.study.study import Study

ROOT = Path(__file__).parent.parent
TINY_CSV = ROOT / "tests" / "data" / "tiny.csv"
COMMAND = Path(sys.prefix) / "bin" / "encoder-compression"
PARTS = ("Snakefile", "workflow", "config", "profiles", "tests/data")


def pytest_configure(config: pytest.Config) -> None:
    """Test this checkout's package and no other.

    Until the end of the run imports are blocked as in the frame of a job. A fixture would be too late: test files import
    transformers when they are collected.
    """
    scope = ExitStack()
    scope.enter_context(environment.blocked_imports())
    config.add_cleanup(scope.close)
    try:
        environment.require_package_of(ROOT)
    except UserError as error:
        raise pytest.UsageError(str(error)) from error


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start files with slow tests first: the longest one decides when two workers are done."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def load_study(root: Path, experiment: str, **changes) -> Study:
    """Return a study as the workflow in ``root`` reads it, with top-level sections of it changed."""
    shared = yaml.safe_load((root / "config" / "config.yaml").read_text(encoding="utf-8")) | {"experiments": [experiment]}
    loaded = load_experiments(given=NOTHING, shared=shared, config_folder=root / "config", schema_folder=root / "workflow" / "schemas")
    return Study(experiment, loaded[experiment] | changes)


def load_tiny(**changes) -> Study:
    """Return the tiny study in all runtimes, without profiles, release gate and contract, with top-level sections of it changed."""
    return load_study(ROOT, "tiny", **{"runtimes": {}, "profile": [], "gate": {}, "contract": {}} | changes)


@pytest.fixture(scope="session")
def tiny() -> Study:
    return load_tiny()


def make_encoder(folder: Path, architecture: str = "bert", **shape) -> Path:
    options = {"layers": 2, "hidden_size": 32, "heads": 2, "intermediate_size": 64, "positions": 64, "seed": 0, "vocabulary_size": 400}
    prepare_encoder(source={"random": {"architecture": architecture, "vocabulary_from": str(TINY_CSV)} | options | shape}, output=folder)
    return folder


@pytest.fixture(scope="session")
def encoder(tmp_path_factory) -> Path:
    return make_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="session")
def dataset(tmp_path_factory, tiny, encoder) -> Path:
    folder = tmp_path_factory.mktemp("dataset")
    prepare_dataset(
        options=tiny.options["dataset"] | {"files": {"train": str(TINY_CSV)}}, task="classification", encoder=encoder, output=folder
    )
    return folder


@pytest.fixture(scope="session", params=["bert", "roberta", "distilbert"])
def exported(request, tmp_path_factory, tiny) -> tuple[Path, dict]:
    """A folder with a classifier in model/ and its graph in onnx/, and the facts of the export."""
    import torch

    from encoder_compression.encoders import encoder_facts, pretrained
    from encoder_compression.export import onnx_graph

    folder = tmp_path_factory.mktemp(request.param)
    encoder = make_encoder(folder / "encoder", request.param, hidden_size=128, intermediate_size=512)
    model = pretrained.add_head(encoder, "AutoModelForSequenceClassification", {"num_labels": 2})
    for parameter in model.parameters():  # a fresh model has equal biases, which an exporter merges
        torch.nn.init.normal_(parameter, std=0.02)
    pretrained.save(model, encoder_facts.load_tokenizer(encoder), folder / "model")
    facts = onnx_graph.export(model=folder / "model", options=tiny.options["export"], output=folder / "onnx")
    return folder, facts


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built of the checkout's files by the pinned backend, without the network."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    pip = [sys.executable, "-m", "pip", "wheel", "--no-index", "--no-deps", "--no-build-isolation", "--check-build-dependencies"]
    done = subprocess.run([*pip, "--wheel-dir", str(folder / "built"), str(folder)], capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = (folder / "built").iterdir()
    return path


def bare_environment(folder: Path) -> Path:
    """Make an environment with nothing in it, not even pip; return its Python."""
    venv.create(folder, with_pip=False, symlinks=True)
    return folder / "bin" / "python"


class Workspace:
    """A copy of the workflow in a folder of its own, in which tests may edit and run."""

    def __init__(self, folder: Path, experiment: str = "tiny"):
        self.folder, self.experiment = folder, experiment
        for part in PARTS:
            source, target = ROOT / part, folder / part
            target.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if source.is_dir() else shutil.copy2)(source, target)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "snakemake", *arguments, "--config", f"experiments=[{self.experiment}]"]

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(self.command(*arguments), cwd=self.folder, capture_output=True, encoding="utf-8")

    def study(self) -> Study:
        """Return the study that the files of this folder define."""
        return load_study(self.folder, self.experiment)

    def reruns(self) -> set[str]:
        """Return the rules, and for steps also their chain, that a dry run would run."""
        done = self.run("-n", "--cores", "2")
        assert done.returncode == 0, done.stderr
        jobs = set()
        for block in (done.stdout + done.stderr).split("\nrule ")[1:]:
            name = block.split(":")[0]
            chain = [line.split("variant=")[1].split(",")[0] for line in block.splitlines() if "variant=" in line]
            jobs.add(f"{name} {chain[0]}" if chain else name)
        return jobs

    def edit(self, path: str, old: str, new: str) -> None:
        file = self.folder / path
        text = file.read_text(encoding="utf-8")
        assert old in text, f"{path} does not hold {old!r}"
        file.write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    return Workspace(tmp_path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Workspace:
    """A workspace in which the tiny study has run to its end."""
    workspace = Workspace(tmp_path_factory.mktemp("finished"))
    done = workspace.run("--cores", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    return workspace
