"""Train a model on a prepared data set; the same way for every technique that trains."""

import logging
import math
import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from encoder_compression.errors import UserError
from encoder_compression.run import environment, memory
from encoder_compression.training import length, processes, resume, weight_average
from encoder_compression.training.examples import Examples, Validation, lengths, of_train
from encoder_compression.training.mlm_masks import DynamicMlmMasks, guesses
from encoder_compression.training.objectives import Objective, from_labels
from encoder_compression.training.ramp import Ramp
from encoder_compression.training.stopping import StopOnSignal
from encoder_compression.training.trainer import Collator, EncoderTrainer, ProgressBar

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Goal:
    """What a job trains for: the prepared data set, the metric that chooses the epoch, the seed, a name for the bar."""

    dataset: Path
    metric: str
    seed: int
    name: str

    def watchers(self) -> list[TrainerCallback]:
        """Return what else watches the training: nothing but in a search."""
        return []


def train(
    *,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    goal: Goal,
    options: dict,
    objective: Objective,
    checkpoints: Path,
    examples: Examples,
    ramp: Ramp | None,
) -> tuple[list[dict], dict]:
    """Train ``model`` in place on ``examples`` and leave it with the weights of its best epoch; returns its curve and facts.

    Validation alone chooses the epoch, with a ``ramp`` among those at its end or later. ``options`` are those of a step's
    ``training`` section; with averages in "weights" there, those are what is validated and left of each epoch. A run that was
    killed goes on from ``checkpoints``, which the caller removes once the model is saved.
    """
    ended = checkpoints / "ended.json"
    if ended.exists():
        return resume.recall(ended, model)
    _refuse_clock(options)
    set_seed(goal.seed)
    trainer = _trainer(model, examples, tokenizer, goal, objective, options, checkpoints, ramp)
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    if options.get("epochs") == 0:
        return _validate_only(trainer)
    torch.manual_seed(goal.seed + processes.rank())  # of the dropout, which is another one in each process
    last = resume.last_checkpoint(checkpoints)
    if last:
        log.info("going on from %s", last)
    trainer.train(resume_from_checkpoint=last)
    _take_off_autocast(trainer)
    facts = {
        "validation_score": trainer.state.best_metric,
        **_validation_loss(trainer.state.log_history),
        "training_seconds": trainer.state.log_history[-1]["seconds"],
        "steps": trainer.state.global_step,
        "trained_parameters": trained,
        "training_memory_mb": _peak_memory_mb(),
        "bfloat16": trainer.args.bf16,
        "threads": torch.get_num_threads(),
        "processes": processes.count(),
        "resumed": last is not None,
    }
    history = trainer.state.log_history
    processes.wait()  # until all have loaded the best epoch
    resume.remember(ended, {"history": history, "facts": facts, "best": trainer.state.best_model_checkpoint})
    return history, facts


def validate(*, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, goal: Goal) -> tuple[list[dict], dict]:
    """Return the curve and the facts of a training of no step, for a model that is not to be trained; in bfloat16 where there is that."""
    examples = of_train(goal.dataset, goal.seed)
    set_seed(goal.seed)
    with TemporaryDirectory() as folder:
        arguments = _arguments(Path(folder), goal.seed, bf16=_has_bfloat16(), fp16=False)
        return _validate_only(_assemble(model, examples, tokenizer, goal, arguments, [], objective=from_labels, options={"warmup": 0}))


def _validate_only(trainer: EncoderTrainer) -> tuple[list[dict], dict]:
    """Return the curve and the facts of a training of no step."""
    trainer.remove_callback(ProgressBar)
    measured = trainer.evaluate()
    _take_off_autocast(trainer)
    facts = {"validation_score": measured["eval_score"], "training_seconds": 0.0, "steps": 0, "trained_parameters": 0, "resumed": False}
    return trainer.state.log_history, facts | _validation_loss(trainer.state.log_history)


def _validation_loss(history: list[dict]) -> dict[str, float]:
    """Return the validation loss of the best epoch, and the perplexity where words are to be guessed."""
    best = max((entry for entry in history if "eval_score" in entry), key=lambda entry: entry["eval_score"])
    return {name.replace("eval", "validation"): best[name] for name in ("eval_loss", "eval_perplexity") if name in best}


def _peak_memory_mb() -> float:
    """Return the most that this process, or torch on its device, has held since it began; a job trains in a process of its own."""
    return torch.cuda.max_memory_allocated() / 1e6 if torch.cuda.is_available() else memory.peak_mb()


def _take_off_autocast(trainer: EncoderTrainer) -> None:
    """Let the model's forward pass compute in its own precision again."""
    trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)


def _trainer(
    model: PreTrainedModel,
    data: Examples,
    tokenizer: PreTrainedTokenizerBase,
    goal: Goal,
    objective: Objective,
    options: dict,
    checkpoints: Path,
    ramp: Ramp | None,
) -> EncoderTrainer:
    if options.get("gradient_checkpointing") and not model.supports_gradient_checkpointing:
        raise UserError(f"training: transformers has no gradient_checkpointing for {model.config.model_type}; take it out")
    arguments = _training_arguments(options, goal.seed, checkpoints, len(data))
    callbacks = [ProgressBar(goal.name), *length.patience(options), StopOnSignal(), *goal.watchers()]
    if ramp:
        arguments.eval_delay = ramp.share * length.epochs(options, len(data))  # before, the model is not yet what was asked for
        callbacks.append(ramp)
    return _assemble(model, data, tokenizer, goal, arguments, callbacks, objective=objective, options=options)


def _assemble(
    model: PreTrainedModel,
    data: Examples,
    tokenizer: PreTrainedTokenizerBase,
    goal: Goal,
    arguments: TrainingArguments,
    callbacks: list[TrainerCallback],
    *,
    objective: Objective,
    options: dict,
) -> EncoderTrainer:
    validation = Validation(goal.dataset, goal.metric)
    return EncoderTrainer(
        model=model,
        args=arguments,
        objective=objective,
        lengths=lengths(data),
        score=validation.score,
        seconds=options.get("seconds"),
        warmup=options["warmup"],
        average=weight_average.of_training(options, model),
        train_dataset=data,
        eval_dataset=validation.data,
        data_collator=Collator(tokenizer),
        preprocess_logits_for_metrics=guesses if isinstance(data, DynamicMlmMasks) else None,
        callbacks=callbacks,
    )


def _refuse_clock(options: dict) -> None:
    if "seconds" in options and processes.count() > 1:
        raise UserError("training: processes have a clock each and would not stop at one step; give 'steps' in place of 'seconds'")


def _training_arguments(options: dict, seed: int, checkpoints: Path, sentences: int) -> TrainingArguments:
    batch_size, accumulation, precision = options["batch_size"], options["accumulation"], options["precision"]
    parts = accumulation * processes.count()
    if batch_size % parts:
        among = f" times {processes.count()} processes" if processes.count() > 1 else ""
        raise UserError(f"training: accumulation {accumulation}{among} does not divide batch_size {batch_size}")
    if precision == "float16" and not torch.cuda.is_available():
        raise UserError("training: precision float16 needs CUDA; take bfloat16 or float32")
    return _arguments(
        checkpoints,
        seed,
        bf16=precision == "bfloat16" or (precision == "auto" and _has_bfloat16()),
        fp16=precision == "float16",
        **length.arguments(options),
        per_device_train_batch_size=batch_size // parts,
        gradient_accumulation_steps=accumulation,
        learning_rate=options["learning_rate"],
        warmup_steps=length.warmup_steps(options, sentences),
        weight_decay=options["weight_decay"],
        optim="adamw_torch_fused",
        **_checkpointing(options),
        ddp_find_unused_parameters=False,
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=1,
        load_best_model_at_end=True,
        restore_callback_states_from_checkpoint=True,  # the patience that is left
        metric_for_best_model="score",
        greater_is_better=True,
        logging_steps=max(1, math.ceil(sentences / batch_size / 10)),
    )


def _checkpointing(options: dict) -> dict:
    """Return what has activations computed again on the way back; only where asked for, as older transformers call it otherwise."""
    if not options.get("gradient_checkpointing"):
        return {}
    return {"activation_checkpointing": True, "activation_checkpointing_kwargs": {"use_reentrant": False}}


def _arguments(output: Path, seed: int, **arguments) -> TrainingArguments:
    """Return the arguments of a Trainer: those given, and what every training and validation has."""
    cuda = torch.cuda.is_available()
    # TrainingArguments leave the precision of a training here, which the next one of the process, as in a search, would take for its own.
    os.environ.pop("ACCELERATE_MIXED_PRECISION", None)
    complete = TrainingArguments(
        output_dir=str(output),
        seed=seed,
        per_device_eval_batch_size=64,
        use_cpu=not cuda,
        logging_nan_inf_filter=False,  # which would hide them, and waits for the device in every step
        remove_unused_columns=False,
        dataloader_pin_memory=cuda,
        disable_tqdm=True,
        report_to=[],
        **arguments,
    )
    complete._n_gpu = min(complete.n_gpu, 1)  # with more the Trainer would fall into DataParallel
    return complete


def _has_bfloat16() -> bool:
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return environment.cpu_has_bfloat16()
