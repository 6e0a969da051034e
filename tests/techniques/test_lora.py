"""Low-rank updates: the weights below stay, the merged model answers alike, and peft reads the adapter elsewhere."""

import json
import subprocess
import sys

import pandas as pd
import peft
import pytest
import torch
from safetensors.torch import load_file

from conftest import make_encoder
from encoder_compression.encoders import pretrained
from encoder_compression.errors import UserError
from encoder_compression.export import onnx_graph
from encoder_compression.teaching.soft_targets import predict_soft_targets
from encoder_compression.techniques import lora as module
from encoder_compression.techniques.lora import add_updates, lora
from encoder_compression.techniques.prune import prune
from encoder_compression.techniques.quantize import quantize
from encoder_compression.techniques.shrink import shrink
from encoder_compression.training.train import Goal
from encoder_compression.training.trainer import ProgressBar
from trained_updates import answers, run_lora

ARCHITECTURES = ["bert", "roberta", "distilbert", "electra", "mpnet"]
ALL_ARCHITECTURES = [*ARCHITECTURES, "camembert", "xlm-roberta", "modernbert", "deberta-v2"]
LINEARS = {"query": 1, "key": 1, "value": 1, "output": 1, "feed_forward": 2}  # in a layer of any encoder but ModernBERT


def count(targets, architecture: str) -> int:
    """Return how many matrices of a layer have the roles; ModernBERT has one for query, key and value."""
    roles = LINEARS if targets == "all" else targets
    of_one = [role for role in roles if architecture == "modernbert" and role in ("query", "key", "value")]
    return sum(LINEARS[role] for role in roles) - max(len(of_one) - 1, 0)


def classifier(folder, architecture):
    return pretrained.add_head(make_encoder(folder, architecture), "AutoModelForSequenceClassification", {"num_labels": 2})


@pytest.fixture(scope="module")
def options(tiny):
    return tiny.options["lora"]["lora4"]


@pytest.fixture(scope="module", params=ARCHITECTURES)
def adapted(request, tmp_path_factory, dataset, options):
    """A trained step on an encoder of each architecture; all tiny encoders have the same vocabulary size."""
    folder = tmp_path_factory.mktemp(request.param)
    encoder = make_encoder(folder / "encoder", request.param)
    run_lora(encoder, dataset, folder, options)
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory, encoder, dataset, options):
    folder = tmp_path_factory.mktemp("lora")
    return folder, run_lora(encoder, dataset, folder, options)


@pytest.mark.parametrize("architecture", ALL_ARCHITECTURES)
@pytest.mark.parametrize("targets", [["query"], ["query", "value"], ["output", "feed_forward"], list(LINEARS), "all"], ids=str)
def test_the_layers_of_a_role_get_updates_and_no_others(tmp_path, architecture, targets, options):
    model = classifier(tmp_path, architecture)
    linears = set(pretrained.encoder_linears(model).values())
    names = pretrained.linears_by_role(model, targets)
    assert {model.get_submodule(name) for name in names} <= linears
    assert len(names) == 2 * count(targets, architecture)
    updated = add_updates(model, options | {"targets": targets})
    found = {name.split(".lora_A")[0].removeprefix("base_model.model.") for name, _ in updated.named_parameters() if "lora_A" in name}
    assert found == set(names)


@pytest.mark.parametrize("architecture", ALL_ARCHITECTURES)
def test_everything_behind_the_last_layer_is_trained_and_nothing_before_it(tmp_path, architecture, options):
    model = classifier(tmp_path, architecture)
    inside = {id(weight) for name, weight in model.base_model.named_parameters() if not name.startswith("pooler.")}
    behind = sum(weight.numel() for weight in model.parameters() if id(weight) not in inside)
    updated = add_updates(model, options)
    trained = {name: weight.numel() for name, weight in updated.named_parameters() if weight.requires_grad}
    assert sum(size for name, size in trained.items() if "lora_" not in name) == behind


def test_as_many_parameters_are_trained_as_the_rank_says(encoder, dataset, trained, options):
    model = pretrained.load_model(trained[0] / "model")
    linears = pretrained.encoder_linears(model).values()
    updates = sum(options["rank"] * (linear.in_features + linear.out_features) for linear in linears)
    head = sum(
        model.get_submodule(name).weight.numel() + model.get_submodule(name).bias.numel() for name in ("bert.pooler.dense", "classifier")
    )
    assert trained[1]["trained_parameters"] == updates + head
    assert trained[1]["training_memory_mb"] > 50


@pytest.mark.parametrize("dora", [False, True])
def test_the_merged_model_answers_as_the_adapter_does_on_the_base(adapted, dataset, options, dora, tmp_path):
    folder = adapted
    if dora:
        run_lora(folder / "encoder", dataset, folder := tmp_path, options | {"dora": True})
    merged = pretrained.load_model(folder / "model")
    assert not any("lora" in name for name in merged.state_dict())
    base = pretrained.add_head(adapted / "encoder", "AutoModelForSequenceClassification", {"num_labels": 2})
    untrained = answers(base, adapted / "encoder")
    apart = answers(peft.PeftModel.from_pretrained(base, folder / "adapter"), adapted / "encoder")
    torch.testing.assert_close(answers(merged, adapted / "encoder"), apart, atol=1e-5, rtol=1e-5)
    assert (apart - untrained).abs().max() > 1e-2


def test_the_weights_below_the_updates_stay_as_they_were(adapted):
    before = pretrained.add_head(adapted / "encoder", "AutoModelForSequenceClassification", {"num_labels": 2})
    after = pretrained.load_model(adapted / "model").state_dict()
    linears = {f"{name}.weight" for name in pretrained.linears_by_role(before, "all")}
    head = pretrained.head_modules(before)
    for name, weight in before.state_dict().items():
        assert torch.equal(weight, after[name]) != (name in linears or name.startswith(tuple(head))), name


def test_an_update_is_the_product_of_its_factors_times_alpha_over_rank(trained, encoder, options):
    """Hu et al. 2022, section 4.1, with the factors as they lie in the file."""
    factors = load_file(trained[0] / "adapter" / "adapter_model.safetensors")
    before, after = (load_file(folder / "model.safetensors") for folder in (encoder, trained[0] / "model"))
    name = "encoder.layer.1.attention.self.query"
    down, up = (factors[f"base_model.model.bert.{name}.lora_{side}.weight"] for side in "AB")
    expected = before[f"{name}.weight"] + options["alpha"] / options["rank"] * up @ down
    torch.testing.assert_close(after[f"bert.{name}.weight"], expected, atol=1e-6, rtol=1e-5)


def test_peft_reads_the_adapter_with_its_head_in_a_fresh_process(trained, encoder):
    code = f"""
import json, torch, transformers, peft
base = transformers.AutoModelForSequenceClassification.from_pretrained({str(encoder)!r}, num_labels=2)
model = peft.PeftModel.from_pretrained(base, {str(trained[0] / "adapter")!r}).eval()
tokenizer = transformers.AutoTokenizer.from_pretrained({str(encoder)!r})
batch = tokenizer(["a good film", "a bad film that was not even funny at all"], padding=True, return_tensors="pt")
print(json.dumps(model(**batch).logits.tolist()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    expected = answers(pretrained.load_model(trained[0] / "model"), encoder)
    torch.testing.assert_close(torch.tensor(json.loads(done.stdout)), expected, atol=1e-5, rtol=1e-5)


def test_the_adapter_has_no_code_that_runs_and_no_card_that_says_nothing(trained):
    names = {path.name for path in (trained[0] / "adapter").iterdir() if "token" not in path.name and path.name != "vocab.txt"}
    assert names == {"adapter_config.json", "adapter_model.safetensors"}
    size = (trained[0] / "adapter" / "adapter_model.safetensors").stat().st_size
    assert trained[1]["adapter_mb"] == size / 1e6 < (trained[0] / "model" / "model.safetensors").stat().st_size / 1e6


def test_a_merge_that_changes_the_answers_is_an_error(encoder, dataset, tmp_path, options, monkeypatch):
    def forget_an_update(self):
        merged = self.unload()
        torch.nn.init.normal_(merged.classifier.weight)
        return merged

    monkeypatch.setattr(module.PeftModel, "merge_and_unload", forget_an_update, raising=False)
    with pytest.raises(RuntimeError, match="the merged model differs from the one with its updates apart"):
        run_lora(encoder, dataset, tmp_path, options)


@pytest.mark.parametrize("end", ["in the middle", "after the last epoch"])
def test_a_killed_run_goes_on_to_the_same_weights(encoder, dataset, tmp_path, options, monkeypatch, end):
    options = options | {"training": options["training"] | {"epochs": 3}}
    facts = run_lora(encoder, dataset, tmp_path / "whole", options)

    class Killed(Exception):
        pass

    def die(*_, **__):
        raise Killed

    def die_in_the_middle(self, args, state, control, **_):
        if state.global_step == facts["steps"] // 2 + 1:
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        if end == "in the middle":
            patch.setattr(ProgressBar, "on_step_end", die_in_the_middle)
        else:
            patch.setattr(module, "merge", die)
        run_lora(encoder, dataset, tmp_path / "killed", options)
    again = run_lora(encoder, dataset, tmp_path / "killed", options)
    assert again["resumed"]
    for file in ("model/model.safetensors", "adapter/adapter_model.safetensors"):
        whole, resumed = (load_file(tmp_path / name / file) for name in ("whole", "killed"))
        assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_pretrained_start_takes_nothing_of_its_parent_but_soft_targets(encoder, dataset, trained, tmp_path, options):
    run_lora(encoder, dataset, tmp_path / "again", options | {"start": "pretrained"}, parent=trained[0] / "model")
    run_lora(encoder, dataset, tmp_path / "on top", options, parent=trained[0] / "model")
    first, again, on_top = (
        load_file(folder / "model" / "model.safetensors") for folder in (trained[0], tmp_path / "again", tmp_path / "on top")
    )
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], on_top[name]) for name in first)


def test_updates_on_a_parent_start_from_matrices_of_their_own_seed(encoder, dataset, trained, tmp_path, options):
    still = options | {"training": options["training"] | {"learning_rate": 1e-12, "weight_decay": 0.0}}
    started = {}
    for name, seed in (("first", 1), ("again", 1), ("second", 2)):
        torch.rand(seed)  # what a job draws before is not to matter
        run_lora(encoder, dataset, tmp_path / name, still, parent=trained[0] / "model", seed=seed)
        started[name] = load_file(tmp_path / name / "adapter" / "adapter_model.safetensors")
    drawn = [name for name in started["first"] if "lora_A" in name]
    assert len(drawn) == len(pretrained.linears_by_role(pretrained.load_model(trained[0] / "model"), "all"))
    assert all(torch.equal(started["again"][name], started["first"][name]) for name in drawn)
    assert not any(torch.equal(started["second"][name], started["first"][name]) for name in drawn)


def test_before_and_after_other_steps(encoder, dataset, trained, tiny, tmp_path, options):
    """lora -> shrink -> lora -> prune -> graph -> INT8: each reads what the one before wrote, and the zeros are there."""
    goal = Goal(dataset=dataset, metric="accuracy", seed=1, name="test")
    alone = {"gate": 0, "loss": {"hard": 1, "soft": 0, "hidden": 0, "relation": 0}}
    own = {"teacher": trained[0] / "model", "soft_targets": None, "goal": goal}
    (tmp_path / "narrow").mkdir()
    (tmp_path / "pruned").mkdir()
    narrow, again, pruned = (tmp_path / name / "model" for name in ("narrow", "again", "pruned"))
    step = tiny.options["shrink"]["width40"] | alone
    shrink(parent=trained[0] / "model", times=None, options=step, model=narrow, curve=narrow.parent / "training.csv", **own)
    run_lora(encoder, dataset, tmp_path / "again", options, parent=narrow)
    shapes = [{name: weight.shape for name, weight in load_file(folder / "model.safetensors").items()} for folder in (narrow, again)]
    assert shapes[0] == shapes[1]
    step = {key: value for key, value in tiny.options["prune"]["magnitude60"].items() if key != "ramp"} | alone
    prune(parent=again, options=step, model=pruned, curve=pruned.parent / "training.csv", **own)
    onnx_graph.export(model=pruned, options=tiny.options["export"], output=tmp_path / "onnx")
    whole = tiny.options["quantize"]["int8"]
    quantize(parent=tmp_path / "onnx", dataset=dataset, options=whole, output=tmp_path / "int8", name="test")
    counted = pretrained.count_zeros(pretrained.load_model(pruned), ["encoder"])
    assert counted["zeros"] == pytest.approx(0.6 * counted["weights"], abs=1)


def test_a_teacher_gives_soft_targets_and_hidden_states(encoder, dataset, trained, tmp_path, options):
    teacher = trained[0] / "model"
    predict_soft_targets(teacher=teacher, dataset=dataset, output=tmp_path / "soft_targets", name="test")
    facts = lora(
        parent=teacher,
        encoder=encoder,
        teacher=teacher,
        soft_targets=tmp_path / "soft_targets",
        goal=Goal(dataset=dataset, metric="accuracy", seed=1, name="test"),
        options=options | {"gate": 0, "start": "pretrained", "loss": {"hard": 0.1, "soft": 0.8, "hidden": 0.1, "relation": 0}},
        model=tmp_path / "model",
        adapter=tmp_path / "adapter",
        curve=tmp_path / "training.csv",
    )
    assert facts["trained_parameters"] == trained[1]["trained_parameters"]
    curve = pd.read_csv(tmp_path / "training.csv")
    assert (curve[["loss_hard", "loss_soft", "loss_hidden"]].dropna() > 0).all(axis=None)
    assert not any("hidden_matcher" in name for name in load_file(tmp_path / "adapter" / "adapter_model.safetensors"))


def test_a_teacher_below_its_gate_is_refused(encoder, dataset, trained, tmp_path, options):
    teacher = trained[0] / "model"
    with pytest.raises(UserError, match="below its gate of 1.1"):
        lora(
            parent=teacher,
            encoder=encoder,
            teacher=teacher,
            soft_targets=None,
            goal=Goal(dataset=dataset, metric="accuracy", seed=1, name="test"),
            options=options | {"gate": 1.1},
            model=tmp_path / "model",
            adapter=tmp_path / "adapter",
            curve=tmp_path / "training.csv",
        )
