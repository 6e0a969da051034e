"""What a file holds is counted in the file itself."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from encoder_compression.export import compressed, contents


@pytest.fixture
def artifact(tmp_path):
    """A matrix of an embedding, a matrix of a layer that is three quarters zeros, and a vector."""
    generator = np.random.default_rng(0)
    layer = generator.normal(size=(400, 400)).astype(np.float32)
    layer[100:] = 0
    arrays = {"embeddings.word.weight": generator.normal(size=(500, 400)).astype(np.float32), "layer.weight": layer}
    (tmp_path / "config.json").write_text('{"model_type": "bert", "num_attention_heads": 4}', encoding="utf-8")
    save_file(arrays | {"layer.bias": np.zeros(400, np.float16)}, tmp_path / "model.safetensors")
    return tmp_path


def test_zeros_are_counted_in_all_and_in_the_matrices_of_the_layers(artifact):
    found = contents.describe(artifact)
    assert found["parameters"] == 200_000 + 160_000 + 400
    assert found["zeros"] == 120_000 + 400
    assert (found["matrices"], found["matrix_zeros"]) == (160_000, 120_000)


def test_number_formats_are_counted(artifact):
    assert contents.describe(artifact)["dtypes"] == {"float32": 360_000, "float16": 400}


def test_the_compressed_size_is_that_of_the_file_that_compress_writes(artifact, tmp_path):
    found = contents.describe(artifact)
    compressed.compress(model=artifact, output=tmp_path / "compressed")
    assert found["size_mb"] == (artifact / "model.safetensors").stat().st_size / 1e6
    assert found["compressed_mb"] == (tmp_path / "compressed" / "model.safetensors.zst").stat().st_size / 1e6
    assert found["compressed_mb"] < 0.8 * found["size_mb"]
