"""An artifact in a second place, without a second copy of its bytes."""

import os
import shutil
from pathlib import Path

from encoder_compression.run import provenance


def share(*, folder: Path, output: Path) -> None:
    """Make ``output`` a folder of the same files, less hidden ones and what tells about the artifact, which the job in charge writes."""
    shutil.copytree(folder, output, copy_function=_link, ignore=shutil.ignore_patterns(".*", *provenance.ABOUT), dirs_exist_ok=True)


def _link(source: str, target: str) -> None:
    """Make a hard link, or where the file system has none a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
