"""The experiments that come along: each can be read, and each published study has a twin that does the same in small."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml

from conftest import ROOT, Workspace
from encoder_compression.config import hub_revisions
from encoder_compression.config.load import load_experiments
from encoder_compression.config.overrides import NOTHING
from encoder_compression.study.chain import Chain
from encoder_compression.study.study import Study
from encoder_compression.study.techniques import TECHNIQUES

STUDIES = ("roberta-squad", "wikitext", "bert-wikitext-sst2", "bert-wikitext-squad", "distilbert-sst2", "hate-speech")
TWINS = tuple(f"tiny-{name}" for name in STUDIES)
LOCAL_REVIEWS = ("local-reviews-corpus", "local-reviews-replaced")
LOCAL = ("hate-speech-files", "local-hate-speech", "local-rte", "local-squad", "local-sst2", "local-wikitext", *LOCAL_REVIEWS)
REVIEWS = ("reviews", "showcase", "reviews-lora", "reviews-narrow", "reviews-search", "reviews-vocabulary", "unlabelled")
SMALL = ("tiny-modernbert", "tiny-deberta", "tiny-xlmr")  # every technique on another architecture
OTHERS = (*REVIEWS, "tiny", *SMALL, "bert-base-shape", *LOCAL)  # not the user's own, which lie beside them
DEPTHS = {"bert": 12, "roberta": 12, "distilbert": 6}
LOCK = {"datasets": {"christinacdl/hate_speech_2_classes": "1" * 40}}  # that of a user has the newest commit
LOCAL_FILES = {
    "hate_speech_2_classes": ("train.json", "val.json", "test.json"),
    "hate_speech": ("train.parquet", "validation_a.parquet"),
    "rte": ("train.parquet", "validation_a.parquet"),
    "squad": ("train_subset.parquet", "validation_a.parquet"),
    "sst2": ("train.parquet", "validation_a.parquet"),
    "wikitext_raw": ("test_as_train.parquet", "validation_a.parquet"),
}


@pytest.fixture(autouse=True)
def local_data(tmp_path, monkeypatch):
    """A folder that holds, empty, the files that some experiments need; no experiment is run here."""
    for folder, names in LOCAL_FILES.items():
        (tmp_path / "data" / folder).mkdir(parents=True)
        for name in names:
            (tmp_path / "data" / folder / name).touch()
    monkeypatch.setenv("ENCODER_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="module")
def load(tmp_path_factory) -> Callable[[str], Study]:
    """A function of an experiment's name that returns its study, with all that it takes from the hub locked."""
    folder = shutil.copytree(ROOT / "config", tmp_path_factory.mktemp("config"), dirs_exist_ok=True)
    lock_hub(folder)
    shared = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))

    def of_name(name: str) -> Study:
        given = {"given": NOTHING, "shared": shared | {"experiments": [name]}, "schema_folder": ROOT / "workflow" / "schemas"}
        return Study(name, load_experiments(config_folder=folder, **given)[name])

    return of_name


def lock_hub(config_folder: Path) -> None:
    (config_folder / hub_revisions.FILE).write_text(yaml.safe_dump(LOCK), encoding="utf-8")


@pytest.mark.parametrize("name", [*STUDIES, *TWINS, *OTHERS])
def test_every_experiment_that_comes_along_is_valid(load, name):
    assert load(name).rows()


@pytest.mark.parametrize("name", SMALL)
def test_a_small_study_of_an_architecture_has_every_technique(load, name):
    study = load(name)
    steps = {step for variant, _, _ in study.rows() for step in Chain(variant).steps}
    assert {study.technique(step).name for step in steps} == set(TECHNIQUES)


@pytest.mark.long
@pytest.mark.parametrize("name", SMALL)
def test_every_technique_works_on_the_architecture(tmp_path, name):
    workspace = Workspace(tmp_path, experiment=name)
    done = workspace.run("--cores", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    table = pd.read_csv(tmp_path / "results" / name / "summary.csv")
    study = workspace.study()
    assert set(study.rows()) == set(zip(table["variant"], table["seed"], table["device"], strict=True))
    assert table["score"].between(0, 1).all()


def without_sizes(options: dict) -> dict:
    """Return the options less those in which a twin may differ from its study."""
    kept = {key: value for key, value in options.items() if key not in ("encoder", "dataset", "measure")}
    steps = {technique: {name: dict(step) for name, step in options[technique].items()} for technique in TECHNIQUES}
    for step in (step for technique in steps.values() for step in technique.values()):
        for size in ("training", "gate", "calibration"):
            step.pop(size, None)
        if isinstance(step.get("start"), dict):  # a twin's student starts from the twin of the other study
            step["start"] = step["start"] | {"experiment": step["start"]["experiment"].removeprefix("tiny-")}
    return kept | steps


@pytest.mark.parametrize("name", STUDIES)
def test_a_twin_has_the_steps_and_variants_of_its_study_and_differs_in_sizes_alone(load, name):
    assert without_sizes(load(f"tiny-{name}").options) == without_sizes(load(name).options)


@pytest.mark.parametrize("name", STUDIES)
def test_a_twin_is_of_the_architecture_and_depth_of_its_study(load, name):
    random = load(f"tiny-{name}").options["encoder"]["random"]
    id = load(name).options["encoder"]["hub"]["id"]
    assert random["architecture"] == id.split("/")[1].split("-")[0]
    assert random["layers"] == DEPTHS[random["architecture"]]


@pytest.mark.parametrize("name", STUDIES)
def test_every_step_of_a_twin_trains_for_one_epoch(load, name):
    options = load(f"tiny-{name}").options
    trained = [step["training"]["epochs"] for technique in TECHNIQUES for step in options[technique].values() if "training" in step]
    assert trained and set(trained) == {1}


@pytest.mark.slow
def test_the_published_studies_are_planned_without_a_network(tmp_path, monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # where nothing listens
    workspace = Workspace(tmp_path / "workspace", experiment=", ".join(STUDIES))
    lock_hub(workspace.folder / "config")
    done = workspace.run("-n", "--cores", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(f"results/{name}/teacher/seed1/model" in done.stdout + done.stderr for name in STUDIES)


def test_the_small_questions_have_their_answers_where_they_say():
    articles = json.loads((ROOT / "tests/data/tiny_squad.json").read_text(encoding="utf-8"))["data"]
    paragraphs = [paragraph for article in articles for paragraph in article["paragraphs"]]
    questions = [(paragraph["context"], question) for paragraph in paragraphs for question in paragraph["qas"]]
    assert len(articles) == 8
    assert len({question["id"] for _, question in questions}) == len(questions) == 54
    for context, question in questions:
        for answer in question["answers"]:
            assert context[answer["answer_start"] :].startswith(answer["text"])
    assert sum(len(paragraph["context"].split()) > 60 for paragraph in paragraphs) >= 4  # more than a window of the twins


def test_the_files_of_a_study_are_read_as_its_hub_data_set_is(load):
    from_hub, from_files = (load(name).options for name in ("hate-speech", "hate-speech-files"))
    assert from_hub["dataset"].keys() ^ from_files["dataset"].keys() == {"hub", "files"}
    assert {**from_hub, "dataset": None} == {**from_files, "dataset": None}
    assert all(from_hub["dataset"][key] == from_files["dataset"][key] for key in from_hub["dataset"].keys() - {"hub"})
