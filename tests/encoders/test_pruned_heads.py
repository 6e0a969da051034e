"""An encoder that has lost attention heads already: what needs all heads says so in one line, and all else works."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoModel

from changed_encoders import change
from conftest import load_tiny, make_encoder
from encoder_compression.data.sources.encoder import prepare_encoder
from encoder_compression.encoders import encoder_facts, pretrained, removed_heads
from encoder_compression.errors import UserError
from encoder_compression.export import contents, onnx_graph
from encoder_compression.measurement.structures import time_structures
from encoder_compression.techniques.distill import distill
from encoder_compression.techniques.shrink import shrink

LINE = r"config.json: attention heads of layer 2 are removed already, and .* needs layers of one shape; give an encoder"


@pytest.fixture(scope="module", params=["bert", "roberta", "distilbert"])
def pruned(request, tmp_path_factory) -> Path:
    """An encoder whose second layer has lost two of its four heads."""
    folder = make_encoder(tmp_path_factory.mktemp(request.param), request.param, heads=4)
    model = pretrained.add_head(folder, "AutoModel", {})
    pretrained.remove_heads(model, {1: [0, 2]})
    pretrained.save(model, encoder_facts.load_tokenizer(folder), folder)
    return folder


def test_it_is_prepared_gets_a_head_and_exports(pruned, tmp_path):
    prepare_encoder(source={"files": {"folder": str(pruned)}}, output=tmp_path / "base")
    model = pretrained.add_head(tmp_path / "base", "AutoModelForSequenceClassification", {"num_labels": 2})
    assert [block.query.out_features for block in pretrained.blocks(model)] == [32, 16]
    pretrained.save(model, encoder_facts.load_tokenizer(pruned), tmp_path / "model")
    assert removed_heads.read(tmp_path / "model") == {"1": [0, 2]}
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
    change(tmp_path / "config.json", removed_heads={"0": [], "1": []})
    encoder_facts.require_all_heads(tmp_path, "structured pruning")


def test_files_hold_removed_heads_as_zeros_which_transformers_loads_and_no_figure_counts(pruned, tmp_path):
    """One head of 8 channels has 8 rows of query, key and value [32 inputs, and a bias], and 8 columns of the output [32]."""
    plain, report = AutoModel.from_pretrained(pruned, output_loading_info=True)
    assert not any(report.values())
    small = pretrained.add_head(pruned, "AutoModel", {})
    ids = torch.tensor([[5, 6, 7, 8], [9, 8, 7, 6]])
    with torch.inference_mode():
        torch.testing.assert_close(small.eval()(ids)[0], plain.eval()(ids)[0], atol=1e-6, rtol=0)
    query, output = (getattr(pretrained.blocks(plain)[1], part).weight for part in ("query", "attention_output"))
    assert query.shape == output.shape == (32, 32)
    is_zero = [head in (0, 2) for head in range(4) for _ in range(8)]
    assert (query == 0).all(dim=1).tolist() == (output == 0).all(dim=0).tolist() == is_zero
    full, removed = sum(weight.numel() for weight in plain.parameters()), 2 * (3 * 8 * (32 + 1) + 8 * 32)
    assert sum(weight.numel() for weight in small.parameters()) == full - removed
    assert contents.describe(pruned)["parameters"] == full - removed


def test_an_encoder_that_transformers_4_cut_heads_from_answers_as_before(pruned, tmp_path):
    """It has small matrices and the key pruned_heads, and no class of transformers 5 loads it."""
    given = Path(shutil.copytree(pruned, tmp_path / "given"))
    small = pretrained.add_head(pruned, "AutoModel", {}).eval()
    save_file(small.state_dict(), given / "model.safetensors", {"format": "pt"})
    change(given / "config.json", remove=("removed_heads",), pruned_heads={"0": [], "1": [0, 2]})
    with pytest.raises(RuntimeError, match="size mismatch|mismatched"):
        AutoModel.from_pretrained(given)
    facts = prepare_encoder(source={"files": {"folder": str(given)}}, output=tmp_path / "base")
    assert facts["normalised"] == ['config.json: pruned_heads: {"1": [0, 2]}']
    ids = torch.tensor([[5, 6, 7, 8], [9, 8, 7, 6]])
    with torch.inference_mode():
        torch.testing.assert_close(AutoModel.from_pretrained(tmp_path / "base").eval()(ids)[0], small(ids)[0], atol=1e-6, rtol=0)
    assert [block.query.out_features for block in pretrained.blocks(pretrained.add_head(tmp_path / "base", "AutoModel", {}))] == [32, 16]


def test_heads_that_config_json_calls_removed_and_that_have_weights_are_refused(tmp_path):
    """Without them the encoder would answer otherwise, and nobody would know."""
    given = make_encoder(tmp_path / "given", heads=4)
    change(given / "config.json", removed_heads={"1": [3]})
    with pytest.raises(UserError, match="removed_heads names heads of 'encoder.layer.1.attention.self.query.weight' that are not zero"):
        prepare_encoder(source={"files": {"folder": str(given)}}, output=tmp_path / "base")


@pytest.mark.parametrize("key", ["removed_heads", "pruned_heads"])
@pytest.mark.parametrize("named", [{"2": [0]}, {"0": [4]}, {"0": [0, 1, 2, 3]}, {"0": ["0"]}, {"0": 1}, {"0": [1, 1]}, [0]], ids=str)
def test_heads_that_there_are_not_are_one_line(tmp_path, key, named):
    """Two layers of four heads, each of which keeps one."""
    given = make_encoder(tmp_path / "given", heads=4)
    change(given / "config.json", **{key: named})
    with pytest.raises(UserError, match=f"config.json of the encoder: {key} is no list of heads by layer"):
        prepare_encoder(source={"files": {"folder": str(given)}}, output=tmp_path / "base")
