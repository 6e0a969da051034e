"""An experiment may take its encoder, or the start of a student, from another one, which is then made first and not reported."""

import json
import re

import pytest
import yaml

from conftest import Workspace
from encoder_compression.errors import UserError
from encoder_compression.study.nested import merge
from own_experiments import TINY, load_studies


def other(experiment: str, variant: str = "teacher") -> dict:
    return {"experiment": experiment, "variant": variant}


def with_encoder(**reference) -> dict:
    return TINY | {"encoder": {"variant": reference}}


def with_start(experiment: str, variant: str = "teacher+even1") -> dict:
    return merge(TINY, {"distill": {"even1": {"start": other(experiment, variant)}}})


def test_what_an_experiment_refers_to_is_read_at_any_depth_and_not_reported(tmp_path):
    own = {"a": with_encoder(**other("b")), "b": with_start("c"), "c": TINY, "d": TINY}
    studies = load_studies(tmp_path, ["a"], **own)
    assert {name: study.options["reported"] for name, study in studies.items()} == {"a": True, "b": False, "c": False}


def test_a_control_starts_where_its_student_does(tmp_path):
    study = load_studies(tmp_path, ["a"], a=with_start("b"), b=TINY)["a"]
    start = study.options["distill"]["even1-control"]["start"]
    assert start == other("b", "teacher+even1") | {"seed": 1} == study.options["distill"]["even1"]["start"]
    assert load_control_start_of_tiny(tmp_path / "plain") == "best"


def load_control_start_of_tiny(folder) -> str:
    folder.mkdir()
    return load_studies(folder, ["c"], c=TINY)["c"].options["distill"]["even1-control"]["start"]


TEMPERATURE = {"temperature": {"low": 1, "high": 8}}


@pytest.mark.parametrize(
    ("experiments", "message"),
    [
        ({"a": with_encoder(**other("bb")), "b": TINY}, "a.yaml:3: encoder.variant.experiment: unknown experiment 'bb'; did you mean 'b'?"),
        ({"a": with_encoder(**other("b", "teacher+evn1")), "b": TINY}, "b: unknown step 'evn1'; did you mean 'even1'?"),
        (
            {"a": with_encoder(**other("b", "teacher+int8")), "b": TINY},
            "a: b: 'teacher+int8' is quantized and has no weights; ask for those of its parent 'teacher'",
        ),
        (
            {"a": with_encoder(**other("b")), "b": with_start("a")},
            "b.yaml:43: distill.even1.start.experiment: experiments refer to each other in a circle, a -> b -> a;"
            " take the encoder, start or teacher elsewhere",
        ),
        (
            {"a": with_start("a")},
            "a.yaml:43: distill.even1.start.experiment: experiments refer to each other in a circle, a -> a;"
            " take the encoder, start or teacher elsewhere",
        ),
        ({"a": with_start("b"), "b": TINY | {"variants": ["x"]}}, "b.yaml:88: variants: unknown step 'x'"),
        (
            {"a": with_start("b", "teacher"), "b": TINY},
            "a: distill.even1: the student has 1 of the layers, but 'teacher', where it starts, has 2; make 'layers' and 'keep' fit",
        ),
        (
            {"a": merge(with_start("b"), {"search": {"even1": {"parent": "teacher", "space": TEMPERATURE, "folds": 2}}}), "b": TINY},
            "a: search.even1.folds: 'b', on which this experiment builds, was trained on the same rows, also on those that a fold leaves",
        ),
    ],
)
def test_a_wrong_reference_is_one_line_with_the_remedy(tmp_path, experiments, message):
    with pytest.raises(UserError) as error:
        load_studies(tmp_path, ["a"], **experiments)
    assert str(error.value).replace(f"{tmp_path}/experiments/", "").startswith(message)
    assert "\n" not in str(error.value)


def corpus(*variants: str) -> dict:
    """Return the tiny study with its texts as a corpus."""
    own = {key: value for key, value in TINY.items() if key not in ("unlabelled", "runtimes", "trim")}
    own = merge(own, {"task": "masked-language-modelling", "distill": {"even1": {"unlabelled": False}}})
    return own | {"dataset": {"max_length": 32, "files": TINY["dataset"]["files"]}, "variants": list(variants), "compare": []}


def test_a_corpus_is_for_finetune_and_distill_steps(tmp_path):
    message = (
        "variant 'teacher+magnitude60': 'magnitude60' is a prune step, but a corpus is for finetune and distill steps; take the variant"
    )
    with pytest.raises(UserError, match=re.escape(message)):
        load_studies(tmp_path, ["a"], a=corpus("teacher+magnitude60"))


def test_the_teachers_logits_on_a_corpus_are_not_kept(tmp_path):
    studies = load_studies(tmp_path, ["a", "b"], a=corpus("teacher+even1"), b=TINY)
    assert [study.soft_targets_form("teacher+even1") for study in studies.values()] == [None, "soft_targets"]


@pytest.mark.slow
def test_only_the_needed_jobs_of_the_other_experiment_run_and_none_of_its_reports(tmp_path):
    workspace = Workspace(tmp_path, experiment="tiny-bert-wikitext-sst2")
    done = workspace.run("-n", "--cores", "2")
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert "results/tiny-wikitext/teacher+student6/seed1/model" in output
    jobs = [block.split(":")[0] for block in output.split("\nrule ")[1:] if "experiment=tiny-wikitext" in block.split("\n\n")[0]]
    assert sorted(jobs) == ["distill", "finetune", "prepare_dataset", "prepare_encoder"]
    assert "results/tiny-wikitext/report.html" not in output
    encoder = {"encoder": {"variant": other("tiny-wikitext", "teacher+student6")}, "extends": "tiny"}
    (workspace.folder / "config/experiments/mine.yaml").write_text(yaml.safe_dump(encoder), encoding="utf-8")
    workspace.experiment = "mine"
    again = workspace.run("-n", "--cores", "2", "results/mine/base")
    assert "input: results/tiny-wikitext/teacher+student6/seed1/model" in again.stdout + again.stderr


@pytest.mark.long
def test_a_variant_is_an_encoder_like_any_other(tmp_path):
    """The other experiment runs, a head for the task takes the place of that for words, and provenance tells where it came from."""
    workspace = Workspace(tmp_path, experiment="mine")
    small = {"random": {"architecture": "bert", "layers": 12, "vocabulary_from": "tests/data/tiny_corpus.txt"}}
    words = yaml.safe_load((workspace.folder / "config/experiments/tiny-wikitext.yaml").read_text(encoding="utf-8")) | {"encoder": small}
    (workspace.folder / "config/experiments/words.yaml").write_text(yaml.safe_dump(words), encoding="utf-8")
    mine = TINY | {"encoder": {"variant": other("words")}, "variants": ["teacher"], "compare": []}
    (workspace.folder / "config/experiments/mine.yaml").write_text(yaml.safe_dump(mine), encoding="utf-8")
    done = workspace.run("--cores", "2", "results/mine/teacher/seed1/model")
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads((workspace.folder / "results/mine/base/provenance.json").read_text(encoding="utf-8"))
    assert list(record["inputs"]) == ["results/words/teacher/seed1/model"]
    config = json.loads((workspace.folder / "results/mine/teacher/seed1/model/config.json").read_text(encoding="utf-8"))
    assert config["architectures"] == ["BertForSequenceClassification"]
    assert not (workspace.folder / "results/words/report.html").exists()
