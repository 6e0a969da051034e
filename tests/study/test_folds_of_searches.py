"""A fold is an experiment of its own: the chain behind a searched step is made in it, from its own data set alone."""

import re
from types import SimpleNamespace

import pytest

from conftest import load_tiny
from encoder_compression.errors import UserError
from encoder_compression.run.jobs import title
from encoder_compression.study import folds
from encoder_compression.study.chain import Chain
from encoder_compression.study.inputs import Search, Step
from encoder_compression.study.nested import merge
from encoder_compression.study.rule_inputs import Inputs
from encoder_compression.study.study import Study
from encoder_compression.study.targets import check_target, prepared_pattern, unlabelled_pattern
from own_experiments import TINY, load_studies, mistakes

SPACE = {"training.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}
EVEN1 = {"parent": "teacher", "space": SPACE, "folds": 2, "workers": 1}


def studies_of(**search) -> dict[str, Study]:
    return folds.with_folds({"tiny": load_tiny(search=search)})


def test_searches_with_as_many_folds_share_them_and_those_without_have_none():
    search = {
        "even1": EVEN1,
        "teacher": {"space": SPACE, "folds": 2},
        "lora4": {"space": SPACE, "folds": 3},
        "aware8": {"parent": "teacher", "space": SPACE},
    }
    names = list(studies_of(**search))
    assert names == ["tiny", "tiny/folds/1of2", "tiny/folds/1of3", "tiny/folds/2of2", "tiny/folds/2of3", "tiny/folds/3of3"]
    assert list(studies_of(aware8={"parent": "teacher", "space": SPACE})) == ["tiny"]
    assert {folds.whole_of(name) for name in names} == {"tiny"}
    assert Inputs(studies_of(even1=EVEN1)).reported == ["tiny"]


def test_trials_read_of_each_fold_what_the_step_reads_of_the_whole_experiment():
    studies = studies_of(even1=EVEN1)
    reads = Search(studies, "tiny", "even1").reads
    whole = Search({"tiny": load_tiny(search={"even1": EVEN1 | {"folds": 0}})}, "tiny", "even1").reads
    assert reads.keys() == whole.keys()
    for name, path in whole.items():
        of_folds = [path.replace("results/tiny/", f"results/tiny/folds/{number}of2/") for number in (1, 2)] if path else []
        assert reads[name] == of_folds
    assert reads["teacher"] == [f"results/tiny/folds/{number}of2/teacher/seed1/model" for number in (1, 2)]
    assert reads["unlabelled_targets"] == [f"results/tiny/folds/{number}of2/teacher/seed1/unlabelled_targets" for number in (1, 2)]


def test_a_fold_takes_the_options_found_for_steps_before_it_and_the_times_of_shapes_from_the_whole_experiment():
    studies = studies_of(even1=EVEN1, teacher={"space": SPACE})
    assert Step(studies, "tiny/folds/1of2", Chain("teacher"), 1).best == "results/tiny/search/teacher/best.json"
    shrink = {"fast": {"target": {"device": "cpu-pytorch", "speedup": 2}, "loss": {"hard": 1, "soft": 0, "hidden": 0, "relation": 0}}}
    changed = Study("tiny", merge(studies["tiny"].options, {"shrink": shrink}))
    both = {"tiny": changed, "tiny/folds/1of2": Study("tiny/folds/1of2", changed.options)}
    times = [Step(both, name, Chain("teacher+fast"), 1).times for name in both]
    assert times == ["results/tiny/teacher/seed1/structure_times/cpu-pytorch/times.json"] * 2


def test_only_whole_experiments_are_prepared_and_folds_have_replaced_words_of_their_own():
    studies = studies_of(even1=EVEN1)
    assert re.fullmatch(prepared_pattern(studies), "tiny") and not re.fullmatch(prepared_pattern(studies), "tiny/folds/1of2")
    assert not re.fullmatch(unlabelled_pattern(studies, replaced=False), "tiny/folds/1of2")
    replaced = {"replaced": {"model": {"experiment": "corpus", "variant": "teacher", "seed": 1}}}
    changed = {name: Study(name, study.options | {"unlabelled": replaced}) for name, study in studies.items()}
    assert all(re.fullmatch(unlabelled_pattern(changed, replaced=True), name) for name in studies)


def test_a_chain_in_a_fold_can_be_asked_for_by_its_path():
    studies = studies_of(even1=EVEN1)
    check_target("results/tiny/folds/2of2/teacher/seed1/model", studies)
    with pytest.raises(UserError, match="experiment 'tiny/folds/3of3' is not in this run"):
        check_target("results/tiny/folds/3of3/teacher/seed1/model", studies)
    with pytest.raises(UserError, match="unknown step 'teachr'; did you mean 'teacher'"):
        check_target("results/tiny/folds/2of2/teachr/seed1/model", studies)


CORPUS = {
    "task": "masked-language-modelling",
    "encoder": TINY["encoder"],
    "dataset": {"files": {"train": "tests/data/tiny_corpus.txt"}, "format": {"separator": ""}, "max_length": 32},
    "finetune": {"teacher": {}},
    "variants": ["teacher"],
    "search": {"teacher": {"space": SPACE, "folds": 2}},
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, None),
        ({"search": {"even1": EVEN1 | {"folds": 1}}}, "search.even1.folds: 1 is less than the minimum of 2"),
        (
            {"encoder": {"random": {"vocabulary_of_train": True, "vocabulary_from": None}}},
            "search.even1: the encoder's vocabulary is made of all of train, of which folds leave a part out; give it 'vocabulary_from'",
        ),
        (
            {"distill": {"even1": {"teacher": {"experiment": "other", "variant": "teacher"}}}},
            "search.even1: the soft targets of 'even1' come from elsewhere, and may know what a fold leaves out; name a step of the chain",
        ),
        (
            {
                "distill": {"given": {"layers": "even", "keep": 1, "soft_targets": {"files": {"train": "tests/data/tiny.csv"}}}},
                "search": {"even1": EVEN1 | {"parent": "given"}},
            },
            "search.even1: the soft targets of 'given' come from elsewhere, and may know what a fold leaves out; name a step of the chain",
        ),
    ],
)
def test_what_has_seen_all_of_train_is_refused_in_one_line(tmp_path, change, message):
    experiment = merge(merge(TINY, {"search": {"even1": EVEN1}}), change)
    random = experiment["encoder"]["random"]
    experiment["encoder"]["random"] = {name: value for name, value in random.items() if value}
    if message is None:
        assert load_studies(tmp_path, ["mine"], mine=experiment)
        return
    (line,) = [line for line in mistakes(tmp_path, experiment) if "fold" in line]
    assert re.match(r"mine.yaml:\d+: ", line)
    assert message in line


def test_a_corpus_is_not_cut_into_folds(tmp_path):
    (line,) = mistakes(tmp_path, CORPUS)
    assert "search.teacher: folds are of texts with labels, and a corpus has none; take it out, validation alone then scores" in line


def test_the_bar_of_a_job_in_a_fold_names_the_fold():
    of_chain = {"variant": "teacher", "seed": "1"}
    names = [title(SimpleNamespace(rule="finetune", wildcards={"experiment": name} | of_chain)) for name in ("tiny", "tiny/folds/1of2")]
    assert names == ["finetune teacher 1", "finetune folds/1of2 teacher 1"]
