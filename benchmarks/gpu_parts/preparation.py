"""Random encoders, the tiny data set, and the training on the CPU that results are compared with."""

import json
from pathlib import Path

from encoder_compression.data.dataset import prepare_dataset
from encoder_compression.data.sources.encoder import prepare_encoder
from gpu_parts.check import Check
from gpu_parts.sizes import TINY
from gpu_parts.training import finetune_exactly

TINY_CSV = Path(__file__).parents[2] / "tests" / "data" / "tiny.csv"
WITHOUT_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}  # which is another one on each hardware


def prepare(check: Check) -> dict:
    """Make what all parts read: encoders, data set, and a model that the CPU trained in float32."""
    folders = {"encoder": check.encoder, "measured_encoder": check.measured_encoder, "dataset": check.dataset}
    facts = check.run(make_inputs, limit=90, hardware="cpu", measured_shape=check.size.measured_shape, **folders)
    check.reference.mkdir()
    trained = check.run(finetune_exactly, limit=60, hardware="cpu", **check.call("reference", precision="float32"))
    return facts | {"validation_score": trained["validation_score"], "losses": trained["losses"]}


def make_inputs(*, measured_shape: dict[str, int], encoder: Path, measured_encoder: Path, dataset: Path) -> dict:
    """Write two random encoders without dropout and the tiny data set; returns the numbers of its rows."""
    for folder, shape in ((encoder, TINY), (measured_encoder, measured_shape)):
        source = {"architecture": "bert", "vocabulary_from": str(TINY_CSV), "vocabulary_size": 400, "positions": 128, "seed": 0}
        prepare_encoder(source={"random": source | shape}, output=folder)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        (folder / "config.json").write_text(json.dumps(config | WITHOUT_DROPOUT), encoding="utf-8")
    options = {"files": {"train": str(TINY_CSV)}, "format": {"header": True}, "columns": {"text": "text", "label": "label"}}
    options |= {"split": {"validation": 0.2, "test": 0.25}, "max_length": 32}
    return prepare_dataset(options=options, task="classification", encoder=encoder, output=dataset)["rows"]
