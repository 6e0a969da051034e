"""Train low-rank updates of a model's weights and its head, nothing else, and add them to the weights (Hu et al. 2022)."""

from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import PreTrainedModel, PreTrainedTokenizerBase, set_seed

from encoder_compression.data import features
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.teaching import distillation
from encoder_compression.training import artifacts, processes
from encoder_compression.training.heads import new_model
from encoder_compression.training.train import Goal

TOLERANCE = 1e-4  # of logits, relative to the largest where that is over 1: one rounding per weight and sum
WEIGHTS = "adapter_model.safetensors"


def lora(
    *,
    parent: Path | None,
    encoder: Path,
    teacher: Path | None,
    soft_targets: Path | None,
    goal: Goal,
    options: dict,
    model: Path,
    adapter: Path,
    curve: Path,
) -> dict:
    """Write the model with its updates merged to ``model``, the updates and the head alone to ``adapter``; returns facts.

    The updates are of ``parent``, or of the pretrained ``encoder`` with a new head where the step is the first of its chain
    or has start "pretrained". Only a loss with soft or hidden terms needs ``teacher`` and ``soft_targets``. Raises
    RuntimeError where merging changes the logits by more than rounding.
    """
    if teacher:
        distillation.require_gate(teacher, options["gate"])
    start = encoder if not parent or options["start"] == "pretrained" else parent
    if options["dora"] or options["qlora"]:  # lengths of zeros, and blocks of 4-bit weights, are others in the full shape of the files
        encoder_facts.require_all_heads(start, "a lora step with dora or qlora")
    inputs = [start, goal.dataset, *([teacher] if teacher else [])]
    checkpoints = artifacts.claim_checkpoints(model, options=options, seed=goal.seed, inputs=inputs)
    tokenizer = encoder_facts.load_tokenizer(start)
    set_seed(goal.seed)  # the updates of each seed start from random matrices of their own
    network = new_model(encoder, goal) if start == encoder else pretrained.load_model(parent)
    if options["qlora"]:
        _four_bits().hold(network)
    adapted = add_updates(network, options)
    history, facts = distillation.learn(
        adapted,
        teacher=teacher,
        soft_targets=soft_targets,
        further=None,
        layer_map=distillation.layer_map(start, teacher) if teacher else [],
        tokenizer=tokenizer,
        goal=goal,
        options=options,
        checkpoints=checkpoints,
        ramp=None,
    )
    adapter_mb = _save_adapter(adapted, tokenizer, adapter)
    merged, difference = merge(adapted, _examples(goal.dataset, tokenizer), four_bits=options["qlora"])
    artifacts.publish(merged, tokenizer, model, dataset=goal.dataset)
    artifacts.write_curve(history, curve)
    artifacts.drop_checkpoints(checkpoints)
    return facts | {"adapter_mb": adapter_mb, "merging_changes_logits_by": difference}


def add_updates(network: PreTrainedModel, options: dict) -> PeftModel:
    """Return the network with frozen weights, a trained update of rank r beside those of the targets, and a trained head.

    A weight W becomes W + B·A · alpha / rank, with B zero at first (Hu et al. 2022, section 4.1); with "dora" its columns are
    also scaled to a trained length (Liu et al. 2024).
    """
    config = LoraConfig(
        r=options["rank"],
        lora_alpha=options["alpha"],
        lora_dropout=options["dropout"],
        target_modules=pretrained.linears_by_role(network, options["targets"]),
        modules_to_save=pretrained.head_modules(network),
        use_dora=options["dora"],
    )
    return get_peft_model(network, config)


def merge(adapted: PeftModel, batch: dict[str, torch.Tensor], *, four_bits: bool) -> tuple[PreTrainedModel, float]:
    """Return the plain model with the updates added to its weights, and how much that changes logits on ``batch``.

    Weights held in ``four_bits`` become what those stand for, which the updates were trained beside.
    """
    adapted = adapted.eval().cpu()
    with torch.inference_mode():
        before = pretrained.logits(adapted(**batch))
    if four_bits:
        _four_bits().release(adapted)
    merged = adapted.merge_and_unload()
    with torch.inference_mode():
        difference = (pretrained.logits(merged(**batch)) - before).abs().max().item()
    if not difference <= TOLERANCE * max(1.0, before.abs().max().item()):
        raise RuntimeError(f"the merged model differs from the one with its updates apart by {difference:.2g} in its logits")
    return merged, difference


def _four_bits():
    """Return the module for weights in 4 bits; its library takes seconds to load, and is kept out where nothing asks for it."""
    pretrained.allow_quantizer("bitsandbytes")
    from encoder_compression.quantization import four_bits

    return four_bits


def _examples(dataset: Path, tokenizer: PreTrainedTokenizerBase) -> dict[str, torch.Tensor]:
    return tokenizer.pad(features.read(dataset, "validation")[:8].to_pydict(), return_tensors="pt")


def _save_adapter(adapted: PeftModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> float:
    """Write the updates and the head as peft reads them, without its empty model card; returns the size of their weights in MB."""
    if processes.rank() == 0:
        pretrained.save(adapted, tokenizer, folder)
        (Path(folder) / "README.md").unlink(missing_ok=True)
    processes.wait()
    return (Path(folder) / WEIGHTS).stat().st_size / 1e6
