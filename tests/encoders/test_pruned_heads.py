"""An encoder that has lost attention heads already: what needs all heads says so in one line, and all else works."""

from pathlib import Path

import pytest

from changed_encoders import change
from conftest import load_tiny, make_encoder
from encoder_compression.data.sources.encoder import prepare_encoder
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.errors import UserError
from encoder_compression.export import onnx_graph
from encoder_compression.measurement.structures import time_structures
from encoder_compression.techniques.distill import distill
from encoder_compression.techniques.shrink import shrink

LINE = r"config.json: attention heads of layer 2 are removed already \(pruned_heads\), and .* needs layers of one shape; give an encoder"


@pytest.fixture(scope="module", params=["bert", "roberta", "distilbert"])
def pruned(request, tmp_path_factory) -> Path:
    """An encoder whose second layer has lost two of its four heads."""
    folder = make_encoder(tmp_path_factory.mktemp(request.param), request.param, heads=4)
    model = pretrained.add_head(folder, "AutoModel", {})
    model.prune_heads({1: [0, 2]})
    pretrained.save(model, encoder_facts.load_tokenizer(folder), folder)
    return folder


def test_it_is_prepared_gets_a_head_and_exports(pruned, tmp_path):
    prepare_encoder(source={"files": {"folder": str(pruned)}}, output=tmp_path / "base")
    model = pretrained.add_head(tmp_path / "base", "AutoModelForSequenceClassification", {"num_labels": 2})
    assert [block.query.out_features for block in pretrained.blocks(model)] == [32, 16]
    pretrained.save(model, encoder_facts.load_tokenizer(pruned), tmp_path / "model")
    assert encoder_facts.pruned_heads(tmp_path / "model") == {"1": [0, 2]}
    onnx_graph.export(model=tmp_path / "model", options={"opset": 18, "tolerance": 1e-4}, output=tmp_path / "onnx")


@pytest.mark.parametrize("step", ["narrow", "even1"])
def test_a_chain_that_needs_all_heads_is_refused_before_any_job(pruned, tiny, step):
    changes = {"encoder": {"files": {"folder": str(pruned)}}, "variants": ["teacher", f"teacher+{step}"]}
    if step == "narrow":
        changes["shrink"] = {"narrow": next(iter(tiny.options["shrink"].values()))}
    with pytest.raises(UserError, match=rf"variant 'teacher\+{step}': .*{LINE}") as error:
        load_tiny(**changes)
    assert f"'{step}' needs" in str(error.value)
    assert "\n" not in str(error.value)


def test_the_jobs_refuse_it_too_where_the_encoder_was_fetched(pruned, tmp_path):
    """Encoders of the hub, of packages and of other experiments are not there when chains are checked."""
    with pytest.raises(UserError, match=LINE):
        shrink(**dict.fromkeys(("teacher", "soft_targets", "times", "goal", "options", "model", "curve")), parent=pruned)
    with pytest.raises(UserError, match=LINE):
        of_distill = (
            "teacher",
            "encoder",
            "start",
            "soft_targets",
            "unlabelled",
            "unlabelled_targets",
            "goal",
            "options",
            "model",
            "curve",
        )
        distill(**dict.fromkeys(of_distill), parent=pruned)
    with pytest.raises(UserError, match=LINE):
        time_structures(**dict.fromkeys(("artifact", "dataset", "device", "export", "measure", "times", "name")), model=pruned)


def test_a_model_that_lost_neurons_alone_has_all_its_heads(encoder, tmp_path):
    (tmp_path / "config.json").write_text((encoder / "config.json").read_text(encoding="utf-8"), encoding="utf-8")
    change(tmp_path / "config.json", pruned_heads={"0": [], "1": []})
    encoder_facts.require_all_heads(tmp_path, "structured pruning")
