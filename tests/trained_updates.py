"""A lora step as a job runs it, and what a model of two sentences answers."""

import torch

from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.run import provenance
from encoder_compression.techniques.lora import lora
from encoder_compression.training.train import Goal


def run_lora(encoder, dataset, folder, options, *, parent=None, seed=1):
    folder.mkdir(exist_ok=True)
    facts = lora(
        parent=parent,
        encoder=encoder,
        teacher=None,
        soft_targets=None,
        goal=Goal(dataset=dataset, metric="accuracy", seed=seed, name="test"),
        options=options,
        model=folder / "model",
        adapter=folder / "adapter",
        curve=folder / "training.csv",
    )
    provenance.write(folder / "model", options={}, inputs={}, seconds=0, facts=facts)
    return facts


def answers(model, folder):
    tokenizer = encoder_facts.load_tokenizer(folder)
    batch = tokenizer(["a good film", "a bad film that was not even funny at all"], padding=True, return_tensors="pt")
    with torch.inference_mode():
        return pretrained.logits(model.eval()(**batch))
