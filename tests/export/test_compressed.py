"""Compressed weights are the same weights in fewer bytes, and a pruned model's bytes fall with its zeros."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import safetensors.torch
import torch
from safetensors.numpy import load, load_file, save_file
from transformers import AutoConfig, AutoModelForSequenceClassification

from conftest import make_encoder
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.errors import UserError
from encoder_compression.export import compressed
from encoder_compression.pruning.pruning_masks import PruningMasks
from encoder_compression.pruning.scores import factors


@pytest.fixture(scope="module")
def model(tmp_path_factory, encoder):
    """A classifier with 60 % zeros, half of them negative, as masks leave them."""
    folder = tmp_path_factory.mktemp("pruned")
    network = pretrained.add_head(encoder, "AutoModelForSequenceClassification", {"num_labels": 2})
    prune(network, 0.6)
    pretrained.save(network, encoder_facts.load_tokenizer(encoder), folder)
    return folder


def prune(network, sparsity: float) -> None:
    linears = pretrained.encoder_linears(network)
    pruning_masks = PruningMasks(linears, scope="global", factors=factors(network, linears, "magnitude", []))
    pruning_masks.raise_to(sparsity)
    pruning_masks.make_permanent()


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("compressed")
    compressed.compress(model=model, output=folder)
    return folder


def test_what_is_read_back_is_the_file_bit_for_bit(model, folder):
    assert compressed.read(folder) == (model / "model.safetensors").read_bytes()


@pytest.mark.skipif(not shutil.which("zstd"), reason="the command zstd is not installed")
def test_the_command_zstd_restores_the_standard_file(model, folder):
    done = subprocess.run(["zstd", "-d", "-c", folder / compressed.FILE_NAME], capture_output=True, check=True)
    assert done.stdout == (model / "model.safetensors").read_bytes()


def test_zeros_keep_their_places_and_their_signs(model, folder):
    before, after = load_file(model / "model.safetensors"), load(compressed.read(folder))
    zeros = [values == 0 for values in after.values()]
    assert sum(int(one.sum()) for one in zeros) > 0.5 * pretrained.count_zeros(pretrained.load_model(model), ["encoder"])["weights"]
    for name, values in after.items():
        assert np.array_equal(values.view(np.uint32), before[name].view(np.uint32))


@pytest.mark.parametrize("architecture", ["bert", "roberta", "distilbert", "electra", "mpnet"])
def test_a_model_with_the_weights_read_back_gives_the_same_logits(tmp_path, architecture):
    network = pretrained.add_head(make_encoder(tmp_path / "encoder", architecture), "AutoModelForSequenceClassification", {"num_labels": 2})
    prune(network, 0.6)
    pretrained.save(network, encoder_facts.load_tokenizer(tmp_path / "encoder"), tmp_path / "model")
    compressed.compress(model=tmp_path / "model", output=tmp_path / "compressed")
    back = AutoModelForSequenceClassification.from_config(AutoConfig.from_pretrained(tmp_path / "compressed")).eval()
    back.load_state_dict(safetensors.torch.load(compressed.read(tmp_path / "compressed")))
    inputs = encoder_facts.load_tokenizer(tmp_path / "compressed")(["a fine film", "dull"], padding=True, return_tensors="pt")
    with torch.inference_mode():
        assert torch.equal(back(**inputs).logits, pretrained.load_model(tmp_path / "model").eval()(**inputs).logits)


def test_the_size_falls_with_the_zeros(encoder, tmp_path):
    sizes = []
    for sparsity in (0, 0.3, 0.6, 0.9):
        network = pretrained.add_head(encoder, "AutoModelForSequenceClassification", {"num_labels": 2})
        prune(network, sparsity)
        network.save_pretrained(tmp_path / str(sparsity))
        sizes.append(compressed.size(tmp_path / str(sparsity) / "model.safetensors"))
    assert sizes == sorted(set(sizes), reverse=True)
    linear_bytes = 4 * pretrained.count_zeros(pretrained.load_model(tmp_path / "0.9"), ["encoder"])["weights"]
    assert sizes[0] - sizes[-1] > 0.6 * linear_bytes


@pytest.mark.parametrize("kept", [0, 3, 0.5, -1])
def test_a_truncated_file_is_one_line_that_names_it(folder, tmp_path, kept):
    content = (folder / compressed.FILE_NAME).read_bytes()
    (tmp_path / compressed.FILE_NAME).write_bytes(content[: int(kept * len(content)) if kept == 0.5 else kept])
    with pytest.raises(UserError, match="model.safetensors.zst' cannot be read: .*; copy it again, or") as error:
        compressed.read(tmp_path)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_one_line_too(tmp_path):
    with pytest.raises(UserError, match="model.safetensors.zst' cannot be read"):
        compressed.read(tmp_path)


def test_a_file_that_does_not_give_the_weights_back_is_an_error(model, tmp_path, monkeypatch):
    monkeypatch.setattr(compressed, "read", lambda folder: b"other weights")
    with pytest.raises(RuntimeError, match="are not those of"):
        compressed.compress(model=model, output=tmp_path)


def test_the_folder_is_whole_without_the_model(model, folder):
    names = {path.name for path in folder.iterdir()}
    assert names == {path.name for path in model.iterdir()} - {"model.safetensors"} | {compressed.FILE_NAME}
    assert json.loads((folder / "config.json").read_text(encoding="utf-8")) == json.loads(
        (model / "config.json").read_text(encoding="utf-8")
    )


def test_compressing_needs_no_torch(tmp_path):
    save_file({"weight": np.zeros((8, 8), np.float32)}, tmp_path / "model.safetensors")
    code = (
        "import sys; sys.modules['torch'] = sys.modules['transformers'] = None; "
        "from encoder_compression.export.compressed import compress; "
        f"compress(model={str(tmp_path)!r}, output={str(tmp_path / 'compressed')!r})"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
