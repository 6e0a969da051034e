"""Where an artifact comes from: options, inputs by hash, revision, packages, hardware, seconds, facts."""

import hashlib
import json
from pathlib import Path

from encoder_compression.run import environment

FILE_NAME = "provenance.json"
ABOUT = (FILE_NAME, "README.md")  # what tells about an artifact and is not part of it


def fingerprint(path: Path) -> str:
    """Return the sha256 of a file, or of a folder's file names and contents without provenance, card and hidden files."""
    path = Path(path)
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    files = sorted(file for file in path.rglob("*") if file.is_file() and file.name not in ABOUT and file.name[0] != ".")
    lines = [f"{file.relative_to(path)} {fingerprint(file)}" for file in files]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def write(folder: Path, *, options: dict, inputs: dict[str, str], seconds: float, facts: dict) -> None:
    """Write ``folder/provenance.json``; ``inputs`` maps the paths read to their fingerprints."""
    record = {
        "options": options,
        "inputs": inputs,
        "seconds": round(seconds, 3),
        "facts": facts,
        "git": environment.revision(),
        "packages": environment.packages(),
        "hardware": environment.hardware(),
    }
    (Path(folder) / FILE_NAME).write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def read(folder: Path) -> dict:
    """Return the record of an artifact's folder."""
    return json.loads((Path(folder) / FILE_NAME).read_text(encoding="utf-8"))


def read_facts(folder: Path) -> dict:
    """Return what the job that made the artifact recorded about it."""
    return read(folder)["facts"]
