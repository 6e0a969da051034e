"""Pruned weights are zero and stay zero: through recovery, saving, export and quantization."""

import pytest
import torch

from conftest import make_encoder
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.export import contents, onnx_graph
from encoder_compression.pruning.pruning_masks import PruningMasks
from encoder_compression.run import provenance
from encoder_compression.techniques.prune import prune
from encoder_compression.techniques.quantize import quantize
from encoder_compression.training.ramp import Ramp
from encoder_compression.training.train import Goal


def save_classifier(encoder, folder):
    """Save a classifier with a score that passes any gate."""
    network = pretrained.add_head(encoder, "AutoModelForSequenceClassification", {"num_labels": 2})
    pretrained.save(network, encoder_facts.load_tokenizer(encoder), folder)
    provenance.write(folder, options={}, inputs={}, seconds=0, facts={"validation_score": 1.0})
    return folder


def run_prune(parent, dataset, folder, options):
    """Prune towards the labels alone, which needs no soft targets of a teacher."""
    folder.mkdir(exist_ok=True)
    facts = prune(
        parent=parent,
        teacher=parent,
        soft_targets=None,
        goal=Goal(dataset=dataset, metric="accuracy", seed=1, name="test"),
        options=options | {"gate": 0, "loss": {"hard": 1, "soft": 0, "hidden": 0, "relation": 0}},
        model=folder / "model",
        curve=folder / "training.csv",
    )
    provenance.write(folder / "model", options={}, inputs={}, seconds=0, facts=facts)
    return folder / "model", facts


def masks_by_magnitude(modules, scope):
    return PruningMasks(modules, scope=scope, factors=dict.fromkeys(modules, torch.ones(1)))


def prune_at_once(model, sparsity, scope):
    """Put pruning masks on by magnitude and make them permanent."""
    pruning_masks = masks_by_magnitude(pretrained.encoder_linears(model), scope)
    pruning_masks.raise_to(sparsity)
    pruning_masks.make_permanent()


@pytest.fixture(scope="module")
def parent(tmp_path_factory, encoder):
    return save_classifier(encoder, tmp_path_factory.mktemp("parent"))


@pytest.fixture(scope="module")
def one_shot(tiny):
    return {key: value for key, value in tiny.options["prune"]["magnitude60"].items() if key != "ramp"}


@pytest.fixture(scope="module", params=["at once", "little by little", "averaged over steps", "averaged over epochs"])
def pruned(request, tmp_path_factory, parent, dataset, tiny, one_shot):
    options = one_shot if request.param == "at once" else tiny.options["prune"]["magnitude60"]
    weights = {"averaged over steps": {"ema": 0.9}, "averaged over epochs": {"last": 2}}.get(request.param, "best")
    options = options | {"training": options["training"] | {"weights": weights}}
    return run_prune(parent, dataset, tmp_path_factory.mktemp("pruned"), options)


@pytest.mark.parametrize("architecture", ["bert", "roberta", "distilbert"])
@pytest.mark.parametrize("scope", ["global", "layer", "output", "fours"])
def test_the_asked_share_of_encoder_weights_is_masked(tmp_path, architecture, scope):
    model = pretrained.add_head(make_encoder(tmp_path, architecture), "AutoModelForSequenceClassification", {"num_labels": 2})
    head = {name: tensor.clone() for name, tensor in model.state_dict().items() if "classifier" in name or "embedding" in name}
    prune_at_once(model, 0.5, scope)
    counted = pretrained.count_zeros(model, ["encoder"])
    assert counted["zeros"] == 0.5 * counted["weights"]
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in head.items())


def test_two_of_four_neighbouring_inputs_are_zero_and_they_are_the_smaller_ones(encoder):
    model = pretrained.add_head(encoder, "AutoModelForSequenceClassification", {"num_labels": 2})
    before = [linear.weight.detach().clone().view(-1, 4) for linear in pretrained.encoder_linears(model).values()]
    prune_at_once(model, 0.5, "fours")
    for old, linear in zip(before, pretrained.encoder_linears(model).values(), strict=True):
        zero = linear.weight.view(-1, 4) == 0
        assert (zero.sum(dim=1) == 2).all()
        assert (old.abs().masked_fill(~zero, 0).amax(dim=1) <= old.abs().masked_fill(zero, torch.inf).amin(dim=1)).all()


@pytest.mark.parametrize("architecture", ["bert", "roberta", "distilbert", "electra", "mpnet"])
def test_embeddings_and_head_are_pruned_where_asked_and_nothing_else(tmp_path, architecture):
    model = pretrained.add_head(make_encoder(tmp_path, architecture), "AutoModelForSequenceClassification", {"num_labels": 2})
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    pruning_masks = masks_by_magnitude(pretrained.parts(model, ["embeddings", "head"]), "layer")
    pruning_masks.raise_to(0.5)
    assert pruning_masks.share() == pytest.approx(0.5, abs=1e-3)
    pruning_masks.make_permanent()
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert {name.split(".")[-2] for name in changed} >= {"word_embeddings"}
    assert all("word_embeddings" in name or "classifier" in name for name in changed)
    assert len(changed) >= 2


def test_the_smallest_weights_go_first(encoder):
    model = pretrained.add_head(encoder, "AutoModelForSequenceClassification", {"num_labels": 2})
    before = torch.cat([linear.weight.flatten() for linear in pretrained.encoder_linears(model).values()]).abs()
    prune_at_once(model, 0.3, "global")
    after = torch.cat([linear.weight.flatten() for linear in pretrained.encoder_linears(model).values()])
    assert before[after == 0].max() <= before[after != 0].min()


def test_a_zero_never_comes_back_while_the_sparsity_rises(encoder):
    model = pretrained.add_head(encoder, "AutoModelForSequenceClassification", {"num_labels": 2})
    linears = pretrained.encoder_linears(model)
    pruning_masks = masks_by_magnitude(linears, "global")
    pruning_masks.raise_to(0.3)
    zero = {name: linear.weight_mask == 0 for name, linear in linears.items()}
    for linear in linears.values():
        linear.weight_orig.data.uniform_(1, 2)  # as large as can be, also those behind the pruning masks
    pruning_masks.raise_to(0.6)
    assert pruning_masks.share() == pytest.approx(0.6, abs=1e-4)
    assert all((linear.weight_mask[zero[name]] == 0).all() for name, linear in linears.items())


def test_zeros_stay_where_a_row_has_more_of_them_than_asked_for(encoder):
    model = pretrained.add_head(encoder, "AutoModelForSequenceClassification", {"num_labels": 2})
    linears = pretrained.encoder_linears(model)
    prune_at_once(model, 0.7, "global")
    zero = {name: linear.weight == 0 for name, linear in linears.items()}
    pruning_masks = masks_by_magnitude(linears, "fours")
    pruning_masks.raise_to(0.75)
    assert pruning_masks.share() > 0.75
    assert all((linear.weight_mask[zero[name]] == 0).all() for name, linear in linears.items())


def test_the_ramp_follows_the_cubic_curve_of_zhu_and_gupta():
    ramp = Ramp(print, start=0.2, target=0.9, share=0.5, every=10)
    assert [ramp.sparsity(step, 100) for step in (0, 50, 100)] == pytest.approx([0.2, 0.9 - 0.7 / 8, 0.9])
    risen = []
    ramp.raise_to = risen.append
    for step in range(210):
        ramp.on_step_begin(None, type("State", (), {"max_steps": 210, "global_step": step}), None)
    assert risen == sorted(risen)
    assert len(risen) == 12  # steps 0, 10, … 100, and 105, the end
    assert risen[-1] == 0.9


def test_no_epoch_before_the_end_of_the_ramp_can_be_chosen(tmp_path, parent, dataset, tiny):
    options = tiny.options["prune"]["magnitude60"]
    options = options | {"ramp": {"start": 0.0, "share": 0.6, "every": 2}, "training": options["training"] | {"epochs": 3}}
    run_prune(parent, dataset, tmp_path, options)
    curve = (tmp_path / "training.csv").read_text(encoding="utf-8").splitlines()
    position = {name: index for index, name in enumerate(curve[0].split(","))}
    rows = [line.split(",") for line in curve[1:]]
    assert [float(row[position["epoch"]]) for row in rows if row[position["eval_score"]]] == [2, 3]


def test_a_run_killed_within_its_ramp_goes_on_to_the_same_weights_and_zeros(tmp_path, parent, dataset, tiny, monkeypatch):
    options = tiny.options["prune"]["magnitude60"]
    options = options | {"ramp": {"start": 0.0, "share": 0.8, "every": 2}, "training": options["training"] | {"epochs": 3}}
    whole, facts = run_prune(parent, dataset, tmp_path / "whole", options)

    class Killed(Exception):
        pass

    raise_to = PruningMasks.raise_to

    def die_in_the_second_epoch(self, sparsity):
        if sparsity > 0.55:
            raise Killed
        raise_to(self, sparsity)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(PruningMasks, "raise_to", die_in_the_second_epoch)
        run_prune(parent, dataset, tmp_path / "killed", options)
    resumed, again = run_prune(parent, dataset, tmp_path / "killed", options)
    assert again["resumed"]
    assert again["zeros_after_saving"] == facts["zeros_after_saving"]
    weights, expected = (pretrained.load_model(folder).state_dict() for folder in (resumed, whole))
    assert all(torch.equal(weights[name], expected[name]) for name in expected)


def test_a_pruned_parent_keeps_its_zeros_and_the_next_step_goes_on_from_them(tmp_path, pruned, dataset, one_shot):
    before = pretrained.load_model(pruned[0])
    model, facts = run_prune(pruned[0], dataset, tmp_path, one_shot | {"sparsity": 0.8})
    after = pretrained.encoder_linears(pretrained.load_model(model))
    assert facts["zeros_after_saving"]["zeros"] == round(0.8 * facts["zeros_after_saving"]["weights"])
    for name, linear in pretrained.encoder_linears(before).items():
        assert (after[name].weight[linear.weight == 0] == 0).all()


def test_a_control_trains_all_its_weights(tmp_path, parent, dataset, one_shot):
    assert run_prune(parent, dataset, tmp_path, one_shot | {"sparsity": 0})[1]["zeros_after_saving"]["zeros"] == 0


def test_zeros_survive_training_and_saving(pruned):
    model, facts = pruned
    counted = pretrained.count_zeros(pretrained.load_model(model), ["encoder"])
    assert counted == facts["zeros_after_recovery"] == facts["zeros_after_saving"]
    assert counted["zeros"] == round(0.6 * counted["weights"])


def test_all_zeros_have_the_same_sign(pruned):
    weights = [linear.weight for linear in pretrained.encoder_linears(pretrained.load_model(pruned[0])).values()]
    assert not any(bool(torch.signbit(weight[weight == 0]).any()) for weight in weights)


def test_masks_are_baked_in(pruned):
    names = pretrained.load_model(pruned[0]).state_dict()
    assert not [name for name in names if name.endswith(("_orig", "_mask"))]


def test_recovery_really_trains_the_weights_that_are_left(pruned, parent):
    before, after = (pretrained.load_model(folder) for folder in (parent, pruned[0]))
    pairs = zip(pretrained.encoder_linears(before).values(), pretrained.encoder_linears(after).values(), strict=True)
    assert all(not torch.equal(one.weight[other.weight != 0], other.weight[other.weight != 0]) for one, other in pairs)


def test_the_parent_is_left_as_it_was(pruned, parent):
    assert pretrained.count_zeros(pretrained.load_model(parent), ["encoder"])["zeros"] == 0


def test_zeros_survive_export_and_quantization(pruned, tiny, dataset, tmp_path):
    model, facts = pruned
    exported = onnx_graph.export(model=model, options=tiny.options["export"], output=tmp_path / "onnx")
    options = tiny.options["quantize"]["int8"]
    quantize(parent=tmp_path / "onnx", dataset=dataset, options=options, output=tmp_path / "int8", name="test")
    zeros = contents.zeros_in_matrices(model)
    assert zeros >= facts["zeros_after_saving"]["zeros"]
    assert exported["zeros_in_matrices"] == zeros
    assert contents.zeros_in_matrices(tmp_path / "int8") >= zeros
