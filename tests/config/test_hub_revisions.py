"""A hub source without a revision gets the newest commit once; the lock file beside the config keeps it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from encoder_compression.run.environment import PROCESS_SETTINGS
from hub_server import HubServer, serve

OLD, NEW = "1" * 40, "2" * 40
ENCODER = {"encoder": {"hub": {"id": "someone/encoder"}}}
FILL = """
import json, os, sys
from pathlib import Path
from encoder_compression.config import hub_revisions
from encoder_compression.errors import UserError

options = json.loads(sys.argv[1])
try:
    hub_revisions.fill(options, Path(sys.argv[2]))
except UserError as error:
    options = f"Error: {error}"
print("answer", json.dumps([options, os.environ.get("HF_HUB_OFFLINE")]))
"""


@pytest.fixture
def hub(tmp_path):
    for folder in ("models/someone/encoder", "datasets/someone/rows"):
        (tmp_path / "hub" / folder / OLD).mkdir(parents=True)
    with serve(tmp_path / "hub") as server:
        yield server


def commit(hub: HubServer, folder: str) -> None:
    (hub.root / folder / NEW).mkdir()


def fill(options: dict, folder: Path, address: str, **environment: str):
    """Return the options with revisions, or the line of the error, from a process as the workflow starts it."""
    here = {"HF_ENDPOINT": address, "HF_HOME": str(folder / "cache"), "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1"}
    command = [sys.executable, "-c", FILL, json.dumps(options), str(folder)]
    done = subprocess.run(command, env=os.environ | PROCESS_SETTINGS | here | environment, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    answer, offline = json.loads(done.stdout.rpartition("answer ")[2])
    assert offline == environment.get("HF_HUB_OFFLINE", PROCESS_SETTINGS["HF_HUB_OFFLINE"])  # jobs may still not ask
    return answer


def test_the_newest_commit_is_locked_and_stays_when_the_repository_goes_on(hub, tmp_path):
    assert fill(ENCODER, tmp_path, hub.address)["encoder"]["hub"]["revision"] == OLD
    commit(hub, "models/someone/encoder")
    both = ENCODER | {"dataset": {"hub": {"id": "someone/rows"}}}
    filled = fill(both, tmp_path, hub.address)
    assert filled["encoder"]["hub"]["revision"] == OLD
    assert filled["dataset"]["hub"]["revision"] == OLD
    lock = tmp_path / "hub.lock.yaml"
    assert yaml.safe_load(lock.read_text(encoding="utf-8")) == {
        "models": {"someone/encoder": OLD},
        "datasets": {"someone/rows": OLD},
    }
    lock.unlink()
    assert fill(ENCODER, tmp_path, hub.address)["encoder"]["hub"]["revision"] == NEW


def test_what_is_locked_or_pinned_asks_nobody(hub, tmp_path):
    (tmp_path / "hub.lock.yaml").write_text(yaml.safe_dump({"models": {"someone/encoder": OLD}}), encoding="utf-8")
    pinned = {"unlabelled": {"hub": {"id": "someone/rows", "revision": NEW}}}
    filled = fill(ENCODER | pinned, tmp_path, hub.address, HF_HUB_OFFLINE="1")
    assert filled["encoder"]["hub"]["revision"] == OLD
    assert filled["unlabelled"]["hub"]["revision"] == NEW
    assert not hub.requests


@pytest.mark.parametrize(
    ("name", "environment", "advice"),
    [
        ("someone/encoder", {"HF_HUB_OFFLINE": "1"}, "the hub cannot be asked; connect to it, without HF_HUB_OFFLINE"),
        ("someone/nothing", {}, "check the id, and set HF_TOKEN if it is private"),
    ],
)
def test_a_repository_that_cannot_be_looked_up_is_one_line_and_locks_nothing(hub, tmp_path, name, environment, advice):
    answer = fill({"encoder": {"hub": {"id": name}}}, tmp_path, hub.address, **environment)
    assert answer.startswith(f"Error: hub model {name}, which has no 'revision': ")
    assert advice in answer and "\n" not in answer
    assert not (tmp_path / "hub.lock.yaml").exists()


def test_a_branch_in_the_lock_file_is_refused(hub, tmp_path):
    (tmp_path / "hub.lock.yaml").write_text(yaml.safe_dump({"models": {"someone/encoder": "main"}}), encoding="utf-8")
    answer = fill(ENCODER, tmp_path, hub.address)
    assert answer.endswith("hub.lock.yaml: someone/encoder has no commit of 40 digits; delete its line")
