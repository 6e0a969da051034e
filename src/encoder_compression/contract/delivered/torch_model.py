"""Weights in PyTorch, for predict.py: a batch in, logits out."""

import json
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors.torch import load_file

CLASSES = {
    "classification": "AutoModelForSequenceClassification",
    "regression": "AutoModelForSequenceClassification",
    "question-answering": "AutoModelForQuestionAnswering",
}


class TorchModel:
    """A model of transformers, or a mean of token embeddings with a linear head, on the device that it was measured on."""

    def __init__(self, folder: Path, settings: dict):
        torch.set_num_threads(settings["threads"])
        self.hardware = settings["hardware"]
        self.names = ("input_ids", "attention_mask", *(["token_type_ids"] if settings["token_types"] else []))
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if config["model_type"] == "static":
            self.model = Static(folder, config)
            return
        floats = torch.float32 if settings["precision"] == "int8" else getattr(torch, settings["precision"])
        held = {"device_map": {"": self.hardware}} if "quantization_config" in config else {}
        model = getattr(transformers, CLASSES[settings["task"]]).from_pretrained(folder, dtype=floats, **held).eval()
        remove_heads(model, settings.get("removed_heads"))
        self.model = model if held else model.to(self.hardware)
        if settings["precision"] == "int8":
            torch.ao.quantization.quantize_dynamic(
                self.model, {torch.nn.Linear: torch.ao.quantization.per_channel_dynamic_qconfig}, inplace=True
            )
        if settings.get("compile"):
            self.model.compile(dynamic=True)

    @torch.inference_mode()
    def __call__(self, batch: dict[str, np.ndarray]) -> np.ndarray:
        """Return logits [inputs, classes], or of a span's start and end [inputs, 2, length]."""
        out = self.model(**{name: torch.from_numpy(batch[name]).to(self.hardware) for name in self.names})
        logits = out["logits"] if "logits" in out else torch.stack([out["start_logits"], out["end_logits"]], dim=1)
        return logits.float().cpu().numpy()


class Static(torch.nn.Module):
    """A mean of token embeddings [batch, dimensions] for each of one text or two, and a linear head."""

    def __init__(self, folder: Path, config: dict):
        super().__init__()
        weights = load_file(folder / "model.safetensors")
        self.table, self.weight, self.bias = (weights[name] for name in ("embedding.weight", "classifier.weight", "classifier.bias"))
        self.config = config

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **_) -> dict[str, torch.Tensor]:
        """Return logits [batch, outputs] of ids and mask [batch, length]; of texts u and v the head reads [u, v, |u - v|, u * v]."""
        of_separator = input_ids == self.config["sep_token_id"]
        counts = attention_mask.bool() & ~of_separator & (input_ids != self.config["cls_token_id"])
        is_second = of_separator.int().cumsum(dim=1) > 0
        features = self._mean(input_ids, counts)
        if self.config.get("texts", 1) == 2:
            first, second = self._mean(input_ids, counts & ~is_second), self._mean(input_ids, counts & is_second)
            features = torch.cat([first, second, (first - second).abs(), first * second], dim=1)
        return {"logits": torch.nn.functional.linear(features, self.weight, self.bias)}

    def _mean(self, input_ids: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
        weights = counts.float().unsqueeze(2)
        return (weights * self.table[input_ids]).sum(dim=1) / weights.sum(dim=1).clamp(min=1)


def remove_heads(model, places: dict | None) -> None:
    """Take removed attention heads out of the matrices, which the file holds as zeros; ``places`` says where heads lie."""
    heads = model.config.num_attention_heads if places else 0
    for index, removed in (model.config.removed_heads if places else {}).items():
        layer = model.base_model.get_submodule(f"{places['layers']}.{index}")
        linears = dict(layer.named_modules())
        for path, parts in places["per_head"].items():
            if path in linears:
                kept = _kept(linears[path].weight.shape[0], heads, removed, parts)
                linears[path].weight.data = linears[path].weight.data[kept]
                if linears[path].bias is not None:
                    linears[path].bias.data = linears[path].bias.data[kept]
        if places["heads_attribute"]:
            owner, _, name = places["heads_attribute"].rpartition(".")
            setattr(layer.get_submodule(owner), name, heads - len(removed))
        output = linears[places["attention_output"]]
        output.weight.data = output.weight.data[:, _kept(output.weight.shape[1], heads, removed, 1)]


def _kept(size: int, heads: int, removed: list[int], parts: int) -> list[int]:
    """Return the entries of the heads that stay, in each of the parts of a matrix."""
    width = size // (heads * parts)
    return [entry for entry in range(size) if entry // width % heads not in removed]
