"""The package is installed once, holds all that it needs, and is the one of the checkout that it runs for."""

import re
import shutil
import subprocess
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

import encoder_compression
from conftest import ROOT, bare_environment
from encoder_compression.errors import UserError
from encoder_compression.run import environment

PACKAGE = ROOT / "src" / "encoder_compression"
PATCHED = re.compile(r"\bsys\.path\b|from sys import .*\bpath\b|PYTHONPATH|addsitedir")


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(wheel):
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    files = {str(path.relative_to(PACKAGE.parent)) for path in PACKAGE.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert {".j2", ".js", ".css", ".html", ".yaml"} <= {Path(name).suffix for name in files}
    assert held == files


def test_nobody_patches_the_paths_of_imports():
    folders = ("src", "workflow", "tests", "benchmarks", "docs", "profiles", ".ci", ".github")
    files = {*ROOT.glob("*"), *(path for folder in folders for path in (ROOT / folder).rglob("*"))} - {Path(__file__)}
    texts = {path: path.read_bytes().decode(errors="replace") for path in files if path.is_file()}
    assert {ROOT / "Makefile", ROOT / "workflow/rules/common.smk", PACKAGE / "run/jobs.py"} <= texts.keys()
    patched = {str(path.relative_to(ROOT)) for path, text in texts.items() if PATCHED.search(text)}
    assert patched == {"benchmarks/gpu_check.sh", "benchmarks/gpu_check.py"}  # where nothing may be installed


@pytest.mark.parametrize("text", ["sys.path.insert(0, '.')", "from sys import path", "PYTHONPATH=src python"])
def test_a_patched_path_would_be_noticed(text):
    assert PATCHED.search(text)


def test_the_backend_is_the_one_that_the_lock_pins():
    (backend,) = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    for name in ("requirements.in", "requirements.txt"):
        pins = [line.partition("#")[0].strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines()]
        assert backend in pins, name


def _folder(tmp_path: Path) -> Path:
    """Return the package's folder in a checkout elsewhere."""
    return Path(shutil.copytree(PACKAGE, tmp_path / "src" / "encoder_compression", ignore=shutil.ignore_patterns("__pycache__")))


def test_the_package_of_this_checkout_is_the_one_that_is_tested(tmp_path):
    assert Path(encoder_compression.__file__).parent == PACKAGE
    environment.require_package_of(ROOT)
    environment.require_package_of(tmp_path)  # a workflow without a package of its own takes what is installed


def test_a_checkout_with_the_very_same_files_is_accepted(tmp_path):
    for file in (folder := _folder(tmp_path)).rglob("*.py"):
        file.touch()
    (folder / "__pycache__").mkdir(exist_ok=True)
    environment.require_package_of(tmp_path)


@pytest.mark.parametrize("file", ["study/study.py", "reporting/page/report.css", "techniques/new.py"])
def test_the_package_of_another_checkout_is_refused(tmp_path, file):
    with (_folder(tmp_path) / file).open("a", encoding="utf-8") as text:
        text.write("\n")
    with pytest.raises(UserError, match=f"{tmp_path}/src/encoder_compression: this environment runs another .* {PACKAGE}; install the one"):
        environment.require_package_of(tmp_path)


def test_a_run_by_the_package_of_another_checkout_is_one_line(workspace):
    (_folder(workspace.folder) / "study/study.py").unlink()
    done = workspace.run("-n", "--cores", "1")
    assert done.returncode
    assert f"Error: {workspace.folder}/src/encoder_compression: this environment runs another" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_without_the_package_is_one_line(workspace, tmp_path_factory):
    folder = tmp_path_factory.mktemp("environment")
    python = bare_environment(folder)
    library = sysconfig.get_path(
        "purelib"
    )  # a path that a .pth file names is not searched for more of them, so not for the editable install
    (_site_packages(python) / "libraries.pth").write_text(f"{library}\n", encoding="utf-8")
    done = subprocess.run(
        [str(python), *workspace.command("-n", "--cores", "1")[1:]], cwd=workspace.folder, capture_output=True, encoding="utf-8"
    )
    assert done.returncode
    assert "Error: this environment has no package encoder_compression; run 'make .venv/ready', or in another" in done.stderr
    assert "Traceback" not in done.stderr


def _site_packages(python: Path) -> Path:
    return next((python.parent.parent / "lib").glob("python3*/site-packages"))
