"""Commits of the hub's repositories that experiments name without a revision: asked for once, and kept in a file beside the config."""

import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from encoder_compression.config import yaml_files
from encoder_compression.data.sources import hub
from encoder_compression.errors import UserError
from encoder_compression.run.environment import network_allowed

FILE = "hub.lock.yaml"
KINDS = {"encoder": "models", "dataset": "datasets", "unlabelled": "datasets"}  # section of an experiment -> kind of repository
COMMIT = re.compile("[0-9a-f]{40}")
HEADER = "# The commits of what experiments take from the hub without a revision. Delete a line to take the newest commit.\n"


def fill(options: dict, config_folder: Path) -> None:
    """Give each hub source of an experiment that names no revision the locked commit of its repository, in place.

    A repository that the lock file lacks is looked up, and its newest commit is written there. UserError where the hub does not
    have it or cannot be asked.
    """
    path = config_folder / FILE
    for kind, source in _without_revision(options):
        locked = yaml_files.read(path) if path.exists() else {}
        commits = locked.setdefault(kind, {})
        if source["id"] not in commits:
            commits[source["id"]] = _newest_commit(kind, source["id"])
            _write(path, locked)
        source["revision"] = commits[source["id"]]
        if not COMMIT.fullmatch(str(source["revision"])):
            raise UserError(f"{yaml_files.name_of(path)}: {source['id']} has no commit of 40 digits; delete its line")


def _without_revision(options: dict) -> Iterator[tuple[str, dict]]:
    for section, kind in KINDS.items():
        source = options.get(section, {}).get("hub", {})
        if "id" in source and "revision" not in source:
            yield kind, source


def _newest_commit(kind: str, name: str) -> str:
    def look_up() -> str:
        with network_allowed():
            from huggingface_hub import HfApi

            return HfApi().repo_info(name, repo_type=kind.removesuffix("s")).sha

    return hub.ask(f"hub {kind.removesuffix('s').replace('dataset', 'data set')} {name}, which has no 'revision'", look_up)


def _write(path: Path, locked: dict[str, dict[str, str]]) -> None:
    part = path.with_suffix(".part")  # a run beside this one reads whole files alone
    try:
        part.write_text(HEADER + yaml.safe_dump(locked), encoding="utf-8")
        part.replace(path)
    except OSError as error:
        reason = f"cannot be written ({error.strerror})"
        raise UserError(f"{yaml_files.name_of(path)}: {reason}; name the 'revision' of each hub source in the experiment") from None
