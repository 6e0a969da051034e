"""Encoders and data sets of the hub are fetched at their revision, once, whole, and without code; see hub_server.py."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from changed_encoders import split_weights
from conftest import TINY_CSV, Workspace, make_encoder
from encoder_compression.run.environment import PROCESS_SETTINGS
from encoder_compression.run.provenance import fingerprint
from hub_server import HubServer, serve

HERE = "127.0.0.1,localhost"
FIRST, SECOND, WRONG = "1" * 40, "2" * 40, "3" * 40
SPLITS = {"train": "train", "test": "validation"}
NETWORK = "from encoder_compression.run.environment import allow_network; allow_network()\n"
JOB = """
import json, sys
import pandas as pd
from encoder_compression.errors import UserError
from encoder_compression.data.sources.encoder import prepare_encoder
from encoder_compression.data.sources.table import open_tables

for kind, hub in json.loads(sys.argv[1]):
    try:
        if kind == "encoder":
            answer = prepare_encoder(source={"hub": hub}, output=sys.argv[2])["weights_sha256"]
        else:
            tables = open_tables({"hub": hub, "format": {}, "columns": {}}, "dataset")
            frames = {name: pd.concat(table.batches(table.columns)) for name, table in tables.items()}
            answer = {name: frame.to_dict("list") for name, frame in frames.items()}
    except UserError as error:
        answer = f"Error: {error}"
    print("answer", json.dumps(answer))
"""


def ask(address: str, folder: Path, *calls: tuple, network: str = NETWORK, **environment: str) -> list:
    """Return what the pipeline makes of hub sources, in a process as the workflow starts it; ``folder`` has its cache."""
    address = {"HF_ENDPOINT": address, "HF_HOME": str(folder / "cache"), "NO_PROXY": HERE, "no_proxy": HERE}
    variables = os.environ | PROCESS_SETTINGS | address | environment
    command = [sys.executable, "-c", network + JOB, json.dumps(calls), str(folder / "base")]
    done = subprocess.run(command, env=variables, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return [json.loads(line.removeprefix("answer ")) for line in done.stdout.splitlines() if line.startswith("answer ")]


def encoder(name: str, revision: str = FIRST) -> tuple:
    return "encoder", {"id": f"someone/{name}", "revision": revision}


def table(name: str, revision: str = FIRST, config: str = "default", **splits: str) -> tuple:
    return "table", {"id": f"someone/{name}", "name": config, "revision": revision, "splits": splits or SPLITS}


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """The repositories of the hub."""
    root = tmp_path_factory.mktemp("hub")

    def repository(kind: str, name: str, revision: str = FIRST) -> Path:
        folder = root / kind / "someone" / name / revision
        folder.mkdir(parents=True)
        return folder

    for seed, revision in enumerate((FIRST, SECOND)):
        folder = make_encoder(repository("models", "encoder", revision), seed=seed)
        torch.save({}, folder / "pytorch_model.bin")
        (folder / "README.md").write_text("# An encoder\n", encoding="utf-8")
    pickled = repository("models", "pickled")
    shutil.copytree(folder, pickled, dirs_exist_ok=True)
    (pickled / "model.safetensors").unlink()
    large = repository("models", "large")  # huggingface_hub writes 10 MB at a time, so only larger files are kept in part
    shutil.copytree(folder, large, dirs_exist_ok=True)
    save_file(load_file(folder / "model.safetensors") | {"more": torch.randn(6_000_000)}, large / "model.safetensors", {"format": "pt"})
    sharded = repository("models", "sharded")
    shutil.copytree(folder, sharded, dirs_exist_ok=True)
    split_weights(sharded, 3)

    rows = pd.read_csv(TINY_CSV).rename(columns={"text": "sentence", "label": "sentiment"})
    rows.loc[len(rows)] = [None, *rows.iloc[0, 1:]]  # a row without a sentence
    parts = {"train": rows.iloc[12:], "validation": rows.iloc[:12]}
    for revision in (FIRST, SECOND):
        folder = repository("datasets", "parquet", revision)
        (folder / "data").mkdir()
        for name, part in parts.items():
            part = part.assign(sentence=part["sentence"].str.upper()) if revision == SECOND else part
            part.to_parquet(folder / "data" / f"{name}-00000-of-00001.parquet", index=False)
    folder = repository("datasets", "lines")
    for name, part in parts.items():
        part.to_json(folder / f"{name}.jsonl", orient="records", lines=True)
    folder = repository("datasets", "configured")
    files = [{"split": name, "path": f"first/{name}.csv"} for name in parts]
    configs = [{"config_name": "first", "data_files": files}, {"config_name": "second", "data_files": "other.csv"}]
    (folder / "README.md").write_text(f"---\n{yaml.safe_dump({'configs': configs})}---\n# A data set\n", encoding="utf-8")
    (folder / "first").mkdir()
    for name, part in parts.items():
        part.to_csv(folder / "first" / f"{name}.csv", index=False)
    (folder / "other.csv").write_text("other\n1\n", encoding="utf-8")
    folder = repository("datasets", "script")
    parts["train"].to_csv(folder / "train.csv", index=False)
    (folder / "script.py").write_text(f"from pathlib import Path\nPath({str(root / 'marker')!r}).touch()\n", encoding="utf-8")
    (repository("datasets", "broken") / "train.jsonl").write_text('{"sentence": "good"}\nnot JSON\n', encoding="utf-8")
    return root


@pytest.fixture
def hub(root):
    with serve(root) as server:
        yield server


def weights(root: Path, name: str = "encoder", revision: str = FIRST) -> str:
    return fingerprint(root / "models" / "someone" / name / revision / "model.safetensors")


def is_one_line(answer, *parts: str) -> None:
    assert isinstance(answer, str) and answer.startswith("Error: ") and "\n" not in answer, answer
    assert all(part in answer for part in parts), answer


def test_an_encoder_is_fetched_at_its_revision_and_nothing_pickled_with_it(hub, root, tmp_path):
    second, first, pickled = ask(hub.address, tmp_path, encoder("encoder", SECOND), encoder("encoder"), encoder("pickled"))
    assert (first, second) == (weights(root), weights(root, revision=SECOND))
    assert first != second
    assert {file.name for file in (tmp_path / "base").iterdir()} >= {"config.json", "model.safetensors", "tokenizer.json"}
    is_one_line(pickled, "the hub encoder has no model.safetensors", "load it once with transformers where you trust it")
    assert hub.asked("pytorch_model.bin") == hub.asked("README.md") == 0


def test_shards_are_fetched_once_and_joined(hub, root, tmp_path):
    assert ask(hub.address, tmp_path, encoder("sharded")) == [weights(root, revision=SECOND)]
    assert ask(hub.address, tmp_path, encoder("sharded"), HF_HUB_OFFLINE="1") == [weights(root, revision=SECOND)]
    assert hub.asked("pytorch_model.bin") == 0


def test_what_the_hub_does_not_have_is_one_line_that_says_what_to_do(hub, tmp_path):
    calls = [
        (encoder("encoder", WRONG), "the hub has no such revision of it; take a full commit"),
        (table("parquet", WRONG), "the hub has no such revision of it; take a full commit"),
        (encoder("nothing"), "check the id, and set HF_TOKEN"),
        (table("nothing"), "check the id, and set HF_TOKEN"),
        (table("parquet", train="tran"), "Unknown split \"tran\". Should be one of ['train', 'validation']"),
        (table("parquet", config="first"), "'first' not found. Available: ['default']"),
        (table("broken", train="train"), "JSON parse error"),
    ]
    answers = ask(hub.address, tmp_path, *(call for call, _ in calls))
    for ((kind, source), advice), answer in zip(calls, answers, strict=True):
        is_one_line(answer, f"hub {'model' if kind == 'encoder' else 'data set'} {source['id']} at {source['revision'][:8]}: ", advice)


@pytest.mark.long
def test_a_broken_download_goes_on_and_ends_with_the_right_bytes(hub, root, tmp_path):
    hub.cuts.update({"model.safetensors": 100, "train-00000-of-00001.parquet": 1})
    failed, rows = ask(hub.address, tmp_path, encoder("large"), table("parquet"))
    is_one_line(failed, "someone/large", "the connection broke 3 times; run again")
    assert len(rows["train"]["sentence"]) == 53
    (offline,) = ask(hub.address, tmp_path, encoder("large"), HF_HUB_OFFLINE="1")
    is_one_line(offline, "not in the cache")  # half of it is
    hub.ranges.clear()
    hub.cuts.clear()
    hub.cuts.update({"model.safetensors": 1})
    assert ask(hub.address, tmp_path, encoder("large")) == [weights(root, "large")]
    assert min(hub.ranges) >= 10 * 2**20
    assert fingerprint(tmp_path / "base" / "model.safetensors") == weights(root, "large")


@pytest.mark.long
def test_what_was_fetched_once_needs_no_hub(root, tmp_path):
    calls = [encoder("encoder"), table("parquet"), table("configured", config="first")]
    with serve(root) as hub:
        fetched = ask(hub.address, tmp_path, *calls, table("parquet", SECOND))
    *again, no_encoder, no_table, other = ask(
        hub.address, tmp_path, *calls, encoder("encoder", SECOND), table("lines"), table("parquet", WRONG), HF_HUB_OFFLINE="1"
    )
    assert again == fetched[:3]
    for answer in (no_encoder, no_table, other):  # least of all another revision of the same data set
        is_one_line(answer, "not in the cache", "without HF_HUB_OFFLINE")
    assert ask(hub.address, tmp_path, encoder("encoder")) == fetched[:1]  # the hub is gone, and nobody said so


@pytest.mark.parametrize(("name", "config"), [("parquet", "default"), ("lines", "default"), ("configured", "first")])
def test_a_data_set_is_read_with_the_columns_and_splits_of_the_hub(hub, tmp_path, name, config):
    (tables,) = ask(hub.address, tmp_path, table(name, config=config))
    expected = pd.read_csv(TINY_CSV)
    assert set(tables["train"]) >= {"sentence", "sentiment"}
    assert tables["test"]["sentence"] == expected["text"][:12].tolist()
    assert tables["train"]["sentence"][:-1] == expected["text"][12:].tolist()
    assert hub.asked("other.csv") == 0


def test_a_loading_script_is_refused_and_not_run(hub, root, tmp_path):
    (answer,) = ask(hub.address, tmp_path, table("script", train="train"))
    is_one_line(answer, "someone/script", "script.py", "no code is run, so take a revision or a copy in Parquet, CSV or JSON lines")
    assert not (root / "marker").exists()


def test_a_job_that_computes_asks_nobody(hub, tmp_path):
    for answer in ask(hub.address, tmp_path, encoder("encoder"), table("parquet"), network=""):
        is_one_line(answer, "not in the cache")
    assert not hub.requests


@pytest.mark.long
def test_the_workflow_prepares_both_from_the_hub(hub: HubServer, root, workspace: Workspace, monkeypatch):
    variables = {"HF_ENDPOINT": hub.address, "HF_HOME": str(workspace.folder / "cache"), "NO_PROXY": HERE, "no_proxy": HERE}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    experiment = workspace.folder / "config" / "experiments" / "tiny.yaml"
    options = yaml.safe_load(experiment.read_text(encoding="utf-8"))
    dataset = {"hub": table("parquet")[1], "columns": {"text": "sentence", "label": "sentiment"}, "max_length": 32}
    experiment.write_text(yaml.safe_dump(options | {"encoder": {"hub": encoder("encoder")[1]}, "dataset": dataset}), encoding="utf-8")
    done = workspace.run("results/tiny/dataset", "--cores", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert fingerprint(workspace.folder / "results/tiny/base/model.safetensors") == weights(root)
    facts = json.loads((workspace.folder / "results/tiny/dataset/dataset.json").read_text(encoding="utf-8"))
    assert facts["dropped"]["train"]["empty text"] == 1
    assert facts["rows"]["test"] == 12


@pytest.mark.long
def test_hate_speech_is_read_from_the_hub_as_it_was_published_and_its_commit_is_locked(tmp_path, monkeypatch):
    published = tmp_path / "hub/datasets/christinacdl/hate_speech_2_classes" / FIRST
    published.mkdir(parents=True)
    rows = pd.read_csv(TINY_CSV)
    rows = rows.drop_duplicates("text")[["text", "label"]]
    parts = {"train": rows.iloc[20:], "val": rows.iloc[10:20], "test": rows.iloc[:10]}
    for name, part in parts.items():
        part.to_json(published / f"{name}.json", orient="records", lines=True)
    workspace = Workspace(tmp_path / "workspace", experiment="small-hate-speech")
    experiments = workspace.folder / "config/experiments"
    encoder = yaml.safe_load((experiments / "tiny-hate-speech.yaml").read_text(encoding="utf-8"))["encoder"]
    dataset = yaml.safe_load((experiments / "hate-speech.yaml").read_text(encoding="utf-8"))["dataset"]
    small = {"extends": "hate-speech", "encoder": encoder, "dataset": dataset | {"max_length": 32}}
    (experiments / "small-hate-speech.yaml").write_text(yaml.safe_dump(small), encoding="utf-8")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with serve(tmp_path / "hub") as hub:
        for name, value in {"HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path / "cache"), "NO_PROXY": HERE, "no_proxy": HERE}.items():
            monkeypatch.setenv(name, value)
        done = workspace.run("results/small-hate-speech/dataset", "--cores", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    lock = yaml.safe_load((workspace.folder / "config/hub.lock.yaml").read_text(encoding="utf-8"))
    assert lock == {"datasets": {"christinacdl/hate_speech_2_classes": FIRST}}
    facts = json.loads((workspace.folder / "results/small-hate-speech/dataset/dataset.json").read_text(encoding="utf-8"))
    assert facts["rows"] == {"train": len(rows) - 20, "validation": 10, "test": 10}
    assert facts["labels"] == ["neither", "hate"]
    provenance = json.loads((workspace.folder / "results/small-hate-speech/dataset/provenance.json").read_text(encoding="utf-8"))
    assert provenance["options"]["options"]["hub"]["revision"] == FIRST
