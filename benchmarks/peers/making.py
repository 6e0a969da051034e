"""The environments of the peers, and what their commands leave, with the minutes of both."""

import json
import os
import resource
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path

from encoder_compression.run.environment import PROCESS_SETTINGS
from peers.candidates import ENVIRONMENTS, TEACHER, Candidate
from peers.inputs import SPLITS

TELEMETRY = ("openvino-telemetry",)  # packages that report the use to a server, and that nothing needs
QUIET = dict.fromkeys(("ORT_DISABLE_TELEMETRY", "OLIVE_DISABLE_TELEMETRY", "DO_NOT_TRACK"), "1")  # the same, of tools that read these


class Failed(Exception):
    """A candidate that cannot be installed, made or run; its message is one line."""


def make(candidate: Candidate, work: Path) -> dict:
    """Return what making the candidate took, or its error; what is made already stays as it is.

    ``minutes`` and ``processor_minutes`` are those of the commands, ``install_minutes`` that of the environment, ``lines`` those of Python
    that a user writes, ``versions`` those of the packages in its requirements.
    """
    folder = work / "made" / candidate.folder
    record = folder / "made.json"
    if not record.exists():
        folder.mkdir(parents=True, exist_ok=True)
        try:
            made = _install(candidate.environment, work) | _run_all(candidate, folder, work)
        except Failed as failure:
            made = {"error": str(failure)}
        record.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    return json.loads(record.read_text(encoding="utf-8"))


def python_of(candidate: Candidate, work: Path) -> Path:
    """Return the interpreter of the candidate's environment."""
    return _python(candidate.environment, work) if candidate.environment else Path(sys.executable)


def artifact_of(candidate: Candidate, work: Path) -> Path:
    """Return where the candidate's artifact lies."""
    folder = work.resolve() / ("inputs" if candidate.artifact == TEACHER else f"made/{candidate.folder}")
    return folder / candidate.artifact  # an absolute path stays what it is


def _python(environment: str, work: Path) -> Path:
    return work.resolve() / "environments" / environment / "bin" / "python"


def _install(environment: str, work: Path) -> dict:
    """Make an environment where there is none; returns its ``install_minutes`` and ``versions``."""
    if not environment:
        return {}
    python = _python(environment, work)
    record = python.parent / "installed.json"
    if not record.exists():
        requirements, log, start = ENVIRONMENTS / environment / "requirements.txt", work / f"{environment}.log", time.monotonic()
        venv.create(python.parent.parent, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check"]
        run([*pip, "install", "--requirement", str(requirements)], folder=work, python=python, log=log)
        run([*pip, "uninstall", "--yes", *TELEMETRY], folder=work, python=python, log=log)
        installed = {"install_minutes": (time.monotonic() - start) / 60, "versions": _versions(pip, requirements)}
        record.write_text(json.dumps(installed, indent=2) + "\n", encoding="utf-8")
    return json.loads(record.read_text(encoding="utf-8"))


def _versions(pip: list[str], requirements: Path) -> dict[str, str]:
    names = {line.partition("==")[0].partition("[")[0] for line in requirements.read_text(encoding="utf-8").split()}
    listed = subprocess.run([*pip, "list", "--format", "json"], capture_output=True, encoding="utf-8", check=True).stdout
    return {package["name"]: package["version"] for package in json.loads(listed) if package["name"] in names}


def _run_all(candidate: Candidate, folder: Path, work: Path) -> dict:
    """Run the candidate's commands in its folder; returns what they took."""
    for name in ("model", *(f"{split}.csv" for split in SPLITS)):
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(work.resolve() / "inputs" / name)
    for script in candidate.scripts():
        shutil.copyfile(script, folder / script.name)
    start, before = time.monotonic(), _processor_seconds()
    for command in candidate.commands:
        run(["bash", "-c", command], folder=folder, python=python_of(candidate, work), log=folder / "log.txt")
    minutes, processor = time.monotonic() - start, _processor_seconds() - before
    return {"minutes": minutes / 60, "processor_minutes": processor / 60}


def _processor_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run(command: list[str], *, folder: Path, python: Path, log: Path) -> None:
    """Run a command in the environment of an interpreter; Failed with the line of its log that says why."""
    with log.open("a", encoding="utf-8") as file:
        done = subprocess.run(command, cwd=folder, env=settings(python), stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)
    if done.returncode:
        raise Failed(reason(log) or f"'{' '.join(command)}' ended with code {done.returncode}")


def settings(python: Path) -> dict[str, str]:
    """Return the environment variables of a process: its interpreter first, nothing that asks a hub or reports to a server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON") and name != "VIRTUAL_ENV"}
    return kept | PROCESS_SETTINGS | QUIET | {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}


def reason(log: Path) -> str:
    """Return the last line of a log that names an error, else its last line; "" where it has none."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    named = [line for line in lines if "Error" in line or "error:" in line]
    return (named or lines or [""])[-1][:300]
