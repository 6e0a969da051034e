"""Model cards of made-up rows, parsed as the hub parses them."""

from pathlib import Path

from huggingface_hub import ModelCard

from encoder_compression.reporting.cards import write_cards
from encoder_compression.study.chain import Chain
from encoder_compression.study.techniques import TECHNIQUES

DATASET = {"labels": ["dull", "fine"], "rows": {"train": 7940, "validation": 12, "test": 1562}, "dropped": {"train": {"repeated text": 2}}}
BASE = {"weights_sha256": "0" * 64}
FIGURES = {
    "metric": "accuracy", "score": 0.861076, "score_ci_low": 0.84315, "score_ci_high": 0.878361, "retained": 1.0,
    "agreement": 0.97, "latency_ms_p50": 3.5, "end_to_end_ms_p50": 3.6,
    "speedup": 2.0, "speedup_ci_low": float("nan"), "speedup_ci_high": float("nan"),
    "memory_run_mb": 197.0, "size_mb": 91.0, "compressed_mb": 64.3, "parameters": 22713986, "nonzero_parameters": 16343884,
    "adapter_mb": 0.75, "verdict": "as good as its teacher.", "machine": "AMD EPYC, 2 cores",
    "packages": {
        "torch": "2.9.0+cpu", "transformers": "4.57.6", "tokenizers": "0.23.3", "onnxruntime": "1.31.1", "openvino": "2026.4.1",
        "python": "3.11.7",
    },
}  # fmt: skip
TORCH_ROW = FIGURES | {"variant": "teacher", "seed": 1, "device": "cpu-pytorch", "runtime": "pytorch"}
OPENVINO_ROW = TORCH_ROW | {"device": "cpu-openvino", "runtime": "openvino", "score": 0.5}
ONNX_ROW = TORCH_ROW | {"device": "cpu-onnxruntime", "runtime": "onnxruntime", "score": 0.75}
DEVICES = {
    "cpu-pytorch": {"runtime": "pytorch", "threads": 1},
    "cpu-onnxruntime": {"runtime": "onnxruntime", "threads": 2},
    "cpu-openvino": {"runtime": "openvino", "threads": 1},
}


def empty_artifacts(folder: Path) -> Path:
    """Make the folder of each form; what a card says does not depend on the weights."""
    for form in ("model", "compressed", "adapter", "onnx", "openvino"):
        (folder / form).mkdir(parents=True)
    return folder


def card(folder: Path, options: dict, form="model", variant="teacher", rows=(TORCH_ROW, ONNX_ROW, OPENVINO_ROW), **changes) -> ModelCard:
    """Write the card of one artifact and return it as the hub's library parses it."""
    technique = {step: name for name in TECHNIQUES for step in options[name]}
    steps = [{"step": step, "technique": technique[step], "options": options[technique[step]][step]} for step in Chain(variant).steps]
    artifact = {"folder": str(folder / form), "form": form, "variant": variant, "seed": 1, "steps": steps}
    given = {"experiment": "mine", "options": options, "rows": list(rows), "dataset": DATASET, "base": BASE} | changes
    assert write_cards(artifacts=[artifact], **given) == {"cards": 1}
    return ModelCard.load(folder / form / "README.md")
