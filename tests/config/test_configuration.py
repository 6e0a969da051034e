"""A mistake in the config is one line at parse time that names the place and the remedy."""

import re

import pytest

from conftest import ROOT, load_tiny
from encoder_compression.config.load import canonical, load_experiments
from encoder_compression.config.overrides import NOTHING
from encoder_compression.errors import UserError
from encoder_compression.study.nested import merge
from own_experiments import TINY, load, mistakes

ALONE = {"compare": [], "runtimes": {}}  # for variants that are not those of the tiny study


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"distil": {}}, "unknown key 'distil'; did you mean 'distill'?"),
        (
            {"finetune": {"teacher": {"training": {"epochs": 3, "steps": 10}}}},
            "teacher.training: give exactly one of: epochs, steps, seconds",
        ),
        (
            {"finetune": {"teacher": {"training": {"steps": 10, "seconds": 5}}}},
            "teacher.training: give exactly one of: epochs, steps, seconds",
        ),
        ({"lora": {"all": {"targets": "al"}}}, "lora.all.targets: unknown value 'al'; did you mean 'all'?"),
        ({"lora": {"some": {"targets": ["valu"]}}}, "lora.some.targets"),
        ({"qat": {"aware8": {"tempreature": 4}}}, "qat.aware8: unknown key 'tempreature'; did you mean 'temperature'?"),
        ({"qat": {"aware8": {"layers": "even"}}}, "qat.aware8: unknown key 'layers'"),
        ({"lora": {"lora4": {"loss": {"sfot": 1}}}}, "lora.lora4.loss: unknown key 'sfot'; did you mean 'soft'?"),
        ({"lora": {"lora4": {"loss": {"hidden": -1}}}}, "lora.lora4.loss.hidden: -1 is less than the minimum of 0"),
        ({"lora": {"more": {"rnk": 4}}}, "lora.more: unknown key 'rnk'; did you mean 'rank'?"),
        ({"finetune": {"teacher": {"training": {"epoch": 3}}}}, "finetune.teacher.training: unknown key 'epoch'; did you mean 'epochs'?"),
        ({"finetune": {"teacher": {"training": {"learning_rate": "5e-5"}}}}, "'5e-5' is text to YAML, not a number; write it like 5.0e-5"),
        ({"distill": {"even1": {"layers": "evn"}}}, "distill.even1.layers: unknown value 'evn'; did you mean 'even'?"),
        (
            {"distill": {"even1": {"layers": 6}}},
            "distill.even1.layers: unknown value '6'; known: even, first, important, last, odd, spread; or",
        ),
        ({"distill": {"even1": {"gate": "0"}}}, "distill.even1.gate: '0' is text to YAML, not a number; write it without quotes"),
        ({"distill": {"my-half": {"layers": "even"}}}, "distill: 'my-half' is no name here; take letters, digits and '_', a letter first"),
        ({"lora": {"some": {"targets": "query"}}}, "lora.some.targets: unknown value 'query'; known: all; or give a list, such as"),
        ({"lora": {"some": {"targets": []}}}, "lora.some.targets: [] should be non-empty"),
        ({"finetune": {"teacher": None}}, "finetune.teacher: nothing stands here; give keys with values, such as {}, or take the key out"),
        ({"encoder": "mine/bert"}, 'encoder: "mine/bert" is not keys with values, such as {}'),
        ({"seeds": 1}, "seeds: 1 is not a list, such as [1, 2]; write [1]"),
        ({"dataset": {"hub": {}}}, "dataset: give exactly one of: package, hub, files"),
        (
            {"finetune": {"teacher": {"training": {"batch_size": 32, "accumulation": 5}}}},
            "finetune.teacher.training: accumulation 5 does not divide batch_size 32; change one",
        ),
        (
            {"metric": "f1", "dataset": {"label_names": ["a", "b", "c"]}},
            "metric: f1 is that of the second of two classes, but there are 3; take macro_f1",
        ),
        (
            {"quantize": {"few": {"bits": 4}}},
            "quantize.few: 'bits: 4' is for the method weights or bitsandbytes; name that, or take it out",
        ),
        ({"quantize": {"few": {"method": "weights", "isa": "avx2"}}}, "quantize.few: 'isa: avx2' is for the method dynamic; name"),
        ({"prune": {"two4": {"sparsity": 0.4, "scope": "fours"}}}, "prune.two4: of four neighbours one, two or three can be zero; give"),
        (
            {"prune": {"none": {"sparsity": 0.4, "ramp": {}, "training": {"epochs": 0}}}},
            "prune.none: a ramp needs a training of known steps to rise in",
        ),
        ({"prune": {"late": {"sparsity": 0.4, "ramp": {"start": 0.5}}}}, "prune.late: the ramp starts at 0.5, above the sparsity of 0.4"),
        ({"prune": {"magnitude60": {"sparsity": 60}}}, "prune.magnitude60.sparsity: 60 is greater than or equal to the maximum of 1"),
        (
            {"prune": {"all": {"sparsity": 0.5, "parts": ["encoder", "embeddings"], "score": "fisher"}}},
            "prune.all: the score 'fisher' knows only the words of its examples; prune embeddings by magnitude",
        ),
        ({"prune": {"int8": {"sparsity": 0.6}}}, "step 'int8' stands in 'prune' and in 'quantize'; rename one"),
        ({"metric": "acuracy"}, "metric: unknown value 'acuracy'; did you mean 'accuracy'?"),
        ({"encoder": {"files": {"folder": "x"}}}, "encoder: give exactly one of: package, hub, files, variant, random"),
        ({"encoder": {"variant": {"experiment": "other"}}}, "encoder"),
        ({"distill": {"even1": {"start": "finetund"}}}, "distill.even1.start: unknown value 'finetund'; did you mean 'finetuned'?"),
        (
            {"distill": {"even1": {"start": {"experiment": "other", "varant": "teacher"}}}},
            "distill.even1.start: unknown key 'varant'; did you mean 'variant'?",
        ),
        ({"dataset": {"masking": {"share": 0.2}}}, "dataset.masking: not for this task; take it out or change 'task'"),
        (
            {"encoder": {"random": {"tokenizer": "x"}}},
            "encoder.random: give exactly one of: vocabulary_from, vocabulary_of_train, tokenizer",
        ),
        ({"seeds": []}, "seeds"),
        (
            {"shrink": {"fast": {"target": {"speedup": 1.5, "device": "cpu-pytroch"}}}},
            "shrink.fast.target: unknown device 'cpu-pytroch'; did you mean 'cpu-pytorch'?",
        ),
        (
            {"dataset": {"tune_threshold": True, "label_names": ["a", "b", "c"]}},
            "dataset: tune_threshold is for two classes, but there are 3; take it out",
        ),
        (
            {"shrink": {"width40": {"remove": 0.4, "target": {"speedup": 1.5, "device": "cpu-pytorch"}}}},
            "shrink.width40: give exactly one of: remove, target",
        ),
        ({"shrink": {"fast": {}}}, "shrink.fast: give exactly one of: remove, target"),
        ({"unlabelled": {"hub": {}}}, "unlabelled: give exactly one of: package, hub, files"),
        ({"unlabelled": {"files": {"train": "tests/data/tiny_mor.csv"}}}, "'tests/data/tiny_mor.csv' does not exist; did you mean"),
        ({"unlabelled": {"columns": {"label": "x"}}}, "unlabelled.columns: unknown key 'label'"),
        ({"unlabelled": {"columns": {"text_pair": "b"}}}, "unlabelled.columns: name text_pair in both 'dataset' and 'unlabelled'"),
        (
            {"distill": {"even1": {"loss": {"soft": 0, "hidden": 0}}}},
            "distill.even1: texts without labels teach by the other terms than 'hard' alone; give one a weight",
        ),
        (
            {"seeds": [1], "distill": {"even1": {"ensemble": True}}},
            "distill.even1: an ensemble is the teachers of all seeds, and there is one; name more 'seeds', or take 'ensemble' out",
        ),
        (
            {"seeds": [1, 2], "distill": {"even1": {"ensemble": True, "loss": {"soft": 0, "hidden": 1}}}},
            "distill.even1: an ensemble gives logits that are kept, which this step does not read; take 'ensemble' out",
        ),
        ({"task": "question-answering"}, "unlabelled: not for this task; take it out or change 'task'"),
        ({"shrink": {"fast": {"target": {"speedup": 1, "device": "cpu-pytorch"}}}}, "shrink.fast.target.speedup: 1 is less than or equal"),
    ],
)
def test_a_mistake_is_one_line_that_names_place_and_remedy(tmp_path, change, message):
    (line,) = mistakes(tmp_path, merge(TINY, change))
    assert re.match(r"mine.yaml:\d+: ", line)
    assert message in line


def test_a_step_that_asks_for_further_texts_needs_their_source(tmp_path):
    message = r"mine.yaml:\d+: distill.even1: there is no unlabeled text; say in a section 'unlabelled' where it is"
    (line,) = mistakes(tmp_path, {key: value for key, value in TINY.items() if key != "unlabelled"})
    assert re.fullmatch(message, line)


def test_a_file_without_keys_is_told(tmp_path):
    with pytest.raises(UserError, match="mine.yaml: holds no keys; write lines such as 'task: classification'"):
        load(tmp_path, ["task"])


def test_a_control_that_the_user_names_is_no_second_row(tmp_path):
    named = load(tmp_path, TINY | {"variants": ["teacher", "teacher+even1", "teacher+even1-control"], "compare": [], "runtimes": {}})
    assert named["variants"] == ["teacher", "teacher+even1", "teacher+even1-control"]


def test_a_branch_is_no_revision(tmp_path):
    with pytest.raises(UserError, match="encoder.hub.revision: 'main' does not look right. The full commit of the repository, 40 digits"):
        load(tmp_path, TINY | {"encoder": {"hub": {"id": "org/name", "revision": "main"}}})


def test_an_unknown_experiment_is_answered_with_the_nearest(tmp_path):
    with pytest.raises(UserError, match="unknown experiment 'mime'; did you mean 'mine'?"):
        load(tmp_path, TINY, {"experiments": ["mime"]})


def test_what_a_layer_is_worth_needs_labels(tmp_path):
    own = {key: value for key, value in TINY.items() if key != "unlabelled"}
    change = {"task": "masked-language-modelling", "distill": {"even1": {"layers": "important", "unlabelled": False}}}
    message = "distill.even1: what a layer is worth is measured on labels, which a corpus has none of; name the layers"
    with pytest.raises(UserError, match=message):
        load(tmp_path, merge(own, change))


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"exclude": ["contraction.0"]}, "quantize.mine.exclude.0: 'contraction.0' does not look right. Roles are query"),
        ({"exclude": ["attention"]}, "quantize.mine.exclude.0: 'attention' does not look right. Roles are query"),
        (
            {"exclude": ["query"], "method": "openvino"},
            "quantize.mine: 'exclude' is for the method dynamic or weights; name that, or take it out",
        ),
        ({"exclude": "auto", "method": "weights"}, "quantize.mine: 'exclude: auto' tries products in dynamic INT8; take it out"),
    ],
)
def test_a_quantize_step_that_cannot_work_is_refused_before_anything_runs(tmp_path, step, message):
    with pytest.raises(UserError, match=message):
        load(tmp_path, merge(TINY, {"quantize": {"mine": step}}))


def test_numbers_are_not_held_to_agree_exactly(tmp_path):
    own = merge(TINY, {"task": "regression", "quantize": {"mixed": {"drop": {"agreement": 0.9}}}})
    with pytest.raises(UserError, match="quantize.mixed: numbers never agree exactly; set drop.agreement to 0"):
        load(tmp_path, own)


def test_broken_yaml_is_one_line(tmp_path):
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "mine.yaml").write_text("finetune: {teacher: [", encoding="utf-8")
    with pytest.raises(UserError) as error:
        load_experiments(
            given=NOTHING, shared={"experiments": ["mine"]}, config_folder=tmp_path, schema_folder=ROOT / "workflow" / "schemas"
        )
    assert "not valid YAML" in str(error.value)
    assert "\n" not in str(error.value)


def test_an_experiment_overrides_the_shared_config_deeply(tmp_path):
    shared = {"measure": {"calls": 50, "rounds": 5}}
    options = load(tmp_path, merge(TINY, {"measure": {"calls": 20}}), shared)
    assert (options["measure"]["calls"], options["measure"]["rounds"]) == (20, 2)


def test_the_schema_fills_every_default(tmp_path):
    student = load(tmp_path, TINY)["distill"]["even1"]
    assert student["temperature"] == 2
    assert student["teacher"] == "teacher"
    assert student["training"]["warmup"] == 0.1


def test_the_order_of_keys_changes_nothing(tmp_path):
    backwards = {key: TINY[key] for key in reversed(TINY)}
    assert repr(load(tmp_path, TINY)) == repr(load(tmp_path, backwards))
    assert repr(canonical({"b": [{"d": 1, "c": 2}], "a": 0})) == "{'a': 0, 'b': [{'c': 2, 'd': 1}]}"


def test_each_student_gets_a_control_with_the_same_budget_and_no_teacher():
    options = load_tiny().options
    student, control = options["distill"]["even1"], options["distill"]["even1-control"]
    assert control["loss"] == {"hard": 1, "soft": 0, "hidden": 0, "relation": 0}
    assert control["start"] == "best"
    assert control["training"] == student["training"]
    assert control["layers"] == student["layers"]
    assert control["unlabelled"] == student["unlabelled"] is True
    assert options["variants"].index("teacher+even1-control") == options["variants"].index("teacher+even1") + 1


def test_the_control_of_a_pruned_model_keeps_its_weights_and_has_the_whole_budget_of_its_chain(tmp_path):
    first = {"sparsity": 0.3, "control": False}
    last = {"sparsity": 0.6, "ramp": {}, "training": {"epochs": 2}}
    chains = {"prune": {"first": first, "last": last}, "variants": ["teacher+first", "teacher+first+last"]}
    options = load(tmp_path, TINY | chains | ALONE)
    assert options["variants"] == ["teacher+first", "teacher+first+last", "teacher+first-control+last-control"]
    control = options["prune"]["last-control"]
    assert control["sparsity"] == 0
    assert "ramp" not in control
    for key in ("training", "loss", "temperature", "teacher"):
        assert control[key] == options["prune"]["last"][key]


def test_the_control_of_a_target_of_speed_keeps_all_and_has_no_target(tmp_path):
    fast = {"target": {"speedup": 1.5, "device": "cpu-pytorch"}}
    options = load(tmp_path, TINY | {"shrink": {"fast": fast}, "variants": ["teacher+fast"]} | ALONE)
    assert options["variants"] == ["teacher+fast", "teacher+fast-control"]
    assert options["shrink"]["fast-control"]["remove"] == 0
    assert "target" not in options["shrink"]["fast-control"]


def test_a_removal_without_training_has_no_control_because_that_would_be_its_parent(tmp_path):
    width = {"remove": 0.3, "training": {"epochs": 0}}
    assert load(tmp_path, TINY | {"shrink": {"width30": width}, "variants": ["teacher", "teacher+width30"]} | ALONE)["variants"] == [
        "teacher",
        "teacher+width30",
    ]


def test_a_student_asked_to_have_no_control_gets_none(tmp_path):
    options = load(tmp_path, merge(TINY, {"distill": {"even1": {"control": False}}}))
    assert "even1-control" not in options["distill"]
    assert not [variant for variant in options["variants"] if "control" in variant]
