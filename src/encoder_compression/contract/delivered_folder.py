"""The files of a delivery beside its certificate: the artifact alone, and the code that runs it."""

import json
import re
import shutil
import sys
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from encoder_compression.contract import requirements
from encoder_compression.contract.delivered_settings import FILE_NAME
from encoder_compression.encoders import quantization_config
from encoder_compression.encoders.safety import CONFIG, read_json
from encoder_compression.run.provenance import ABOUT

SOURCES = Path(__file__).parent / "delivered"
CODE = ("predict.py", "server.py")
OF_PYTORCH = ("torch_model.py",)


def write(folder: Path, *, row: dict, settings: dict) -> dict:
    """Write the artifact of a row with settings.json, predict.py, server.py, requirements.txt and Dockerfile; returns the settings.

    They name the bytes of each file of the artifact, so that predict.py notices a copy that is not whole.
    """
    artifact, held = Path(row["artifact"]), folder / settings["folder"]
    copy_artifact(artifact, held)
    sizes = {f"{held.name}/{path.name}": path.stat().st_size for path in sorted(held.iterdir()) if path.name not in ABOUT}
    settings = settings | {"files": sizes}
    (folder / FILE_NAME).write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    for name in (*CODE, *(OF_PYTORCH if settings["runtime"] == "pytorch" else ())):
        shutil.copyfile(SOURCES / name, folder / name)
    needed = requirements.text(settings["runtime"], quantization_config.library(read_json(artifact / CONFIG)))
    (folder / "requirements.txt").write_text(needed, encoding="utf-8")
    (folder / "Dockerfile").write_text(_dockerfile(settings["experiment"]), encoding="utf-8")
    return settings


def copy_artifact(artifact: Path, folder: Path) -> None:
    """Copy an artifact's files, its model card and provenance among them, without hidden ones and folders."""
    folder.mkdir(parents=True)
    for path in sorted(artifact.iterdir()):
        if path.is_file() and path.name[0] != ".":
            shutil.copyfile(path, folder / path.name)


def _dockerfile(experiment: str) -> str:
    source = (SOURCES / "Dockerfile.j2").read_text(encoding="utf-8")
    image = re.sub(r"[^a-z0-9]+", "-", experiment.lower()).strip("-") or "delivery"
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return Environment(undefined=StrictUndefined, keep_trailing_newline=True).from_string(source).render(image=image, python=python)
