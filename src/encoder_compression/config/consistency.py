"""What no schema can say of an experiment's options: keys that must fit each other, and files that must be there."""

import os
import re
import sys
from pathlib import Path

from encoder_compression.config import data_options
from encoder_compression.config.input_length import longest_input
from encoder_compression.data.tasks import MASKED
from encoder_compression.errors import UserError, nearest
from encoder_compression.study.study import replaces_words
from encoder_compression.study.techniques import asks_teacher

# Keys of local sources: those that name a file, and those that name a folder.
OF_FILES, OF_FOLDERS = ("train", "validation", "test", "vocabulary_from"), ("folder", "tokenizer")
CORRELATIONS = ("matthews", "pearson", "spearman")  # metrics from -1 to 1; all others are from 0 to 1
# Options of a quantize step that one method alone reads, each with the value that changes nothing elsewhere.
OF_METHOD = {"weights": {"bits": 8, "block": 32}, "dynamic": {"isa": "auto", "per_channel": True, "equalize": True}}


def check(options: dict, file: str) -> None:
    """Raise UserError, in one line with the remedy, where options of the experiment in ``file`` do not fit each other."""
    data_options.check(options, file)
    _check_stride(options["dataset"], file)
    _check_shares(options["dataset"], file)
    _check_heads(options["encoder"].get("random", {"hidden_size": 0, "heads": 1}), file)
    _check_max_length(options, file)
    _check_gates(options, file)
    _check_classes(options, file)
    for section, step, own in _trainings(options):
        if own["batch_size"] % own["accumulation"]:
            raise UserError(
                f"{file}: {section}.{step}.training: accumulation {own['accumulation']} does not divide batch_size {own['batch_size']}; "
                "change one"
            )
    _check_losses(options, file)
    _check_unlabelled(options, file)
    for step, own in options["distill"].items():
        if own["ensemble"]:
            _check_ensemble(own, options, f"{file}: distill.{step}")
        if "top_logits" in own:
            _check_top_logits(own, options, f"{file}: distill.{step}")
        if own["layers"] == "important" and options["task"] == MASKED:
            raise UserError(
                f"{file}: distill.{step}: what a layer is worth is measured on labels, which a corpus has none of; name the layers"
            )
    for name, device in options["devices"].items():
        _check_device(device, f"{file}: devices.{name}")
    for step, own in options["prune"].items():
        _check_pruning(own, f"{file}: prune.{step}")
    for step in options["trim"] if options["task"] == "question-answering" else ():
        raise UserError(f"{file}: trim.{step}: the windows of long texts are not cut anew; take the step out")
    for step, own in options["quantize"].items():
        _check_method(own, f"{file}: quantize.{step}")
        if own["exclude"] and own["method"] == "openvino":
            raise UserError(f"{file}: quantize.{step}: 'exclude' is for ONNX Runtime; take it out, or the method openvino")
        if own["exclude"] == "auto":
            _check_automatic(own, options["task"], f"{file}: quantize.{step}")
    for step, own in options["shrink"].items():
        if "target" in own and own["target"]["device"] not in options["devices"]:
            device = own["target"]["device"]
            raise UserError(f"{file}: shrink.{step}.target: unknown device '{device}'{nearest(device, options['devices'])}")


def _trainings(options: dict) -> list[tuple[str, str, dict]]:
    """Return (section, step, training) of every step that can train."""
    return [(section, step, step_options["training"]) for section, step, step_options in _steps(options) if "training" in step_options]


def _steps(options: dict) -> list[tuple[str, str, dict]]:
    """Return (section, step, its options) of all that stands in a section by a name."""
    named = [
        (section, step, step_options) for section, part in options.items() if isinstance(part, dict) for step, step_options in part.items()
    ]
    return [(section, step, step_options) for section, step, step_options in named if isinstance(step_options, dict)]


def _check_losses(options: dict, file: str) -> None:
    for section, step, step_options in _steps(options):
        if "loss" in step_options and not any(step_options["loss"].values()):
            raise UserError(f"{file}: {section}.{step}.loss: all weights are 0, so that nothing is learnt; give a term a weight above 0")


def _check_classes(options: dict, file: str) -> None:
    names = options["dataset"].get("label_names", [])
    if "threshold" in options["dataset"] and len(names) > 2:
        raise UserError(f"{file}: dataset: threshold makes two classes, but 'label_names' has {len(names)}; name two, or take one out")
    if options["metric"] == "f1" and options["task"] == "classification" and len(names) > 2:
        raise UserError(f"{file}: metric: f1 is that of the second of two classes, but there are {len(names)}; take macro_f1")
    if options["dataset"].get("tune_threshold") and len(names) > 2:
        raise UserError(f"{file}: dataset: tune_threshold is for two classes, but there are {len(names)}; take it out")


def _check_shares(dataset: dict, file: str) -> None:
    """Raise UserError where the splits that are cut from train would leave nothing of it."""
    given = dataset.get("files", dataset.get("hub", {}).get("splits", {}))
    cut = [name for name in ("test", "validation") if name not in given]
    if sum(dataset["split"][name] for name in cut) >= 1:
        raise UserError(f"{file}: dataset.split: {' and '.join(cut)} together leave nothing of train; lower them to less than 1 in all")


def _check_heads(random: dict, file: str) -> None:
    if random["hidden_size"] % random["heads"]:
        raise UserError(f"{file}: encoder.random: {random['heads']} heads do not divide hidden_size {random['hidden_size']}; change one")


def _check_gates(options: dict, file: str) -> None:
    """Raise UserError for a gate that no score is below; a correlation can be below 0, a share cannot."""
    if options["metric"] in CORRELATIONS:
        return
    for section, step, step_options in _steps(options):
        if step_options.get("gate", 0) < 0:
            raise UserError(
                f"{file}: {section}.{step}.gate: {options['metric']} is from 0 to 1, so {step_options['gate']} keeps nothing out; "
                "give 0 where the teacher need not have learnt anything"
            )


def _check_max_length(options: dict, file: str) -> None:
    longest, most = options["dataset"]["max_length"], longest_input(options["encoder"])
    if most is not None and longest > most:
        raise UserError(f"{file}: dataset.max_length is {longest}, but the encoder reads at most {most} tokens; give at most {most}")


def _check_stride(dataset: dict, file: str) -> None:
    most = dataset["max_length"] // 2
    if dataset.get("stride", 0) > most:
        raise UserError(f"{file}: dataset.stride {dataset['stride']} is more than half of max_length; give at most {most}")


def _check_unlabelled(options: dict, file: str) -> None:
    asked = [(step, own["loss"]) for step, own in options["distill"].items() if own["unlabelled"]]
    for step, loss in asked:
        if "unlabelled" not in options:
            raise UserError(f"{file}: distill.{step}: there are no further texts; say in a section 'unlabelled' where they are")
        if not asks_teacher(loss):
            raise UserError(f"{file}: distill.{step}: texts without labels teach by the other terms than 'hard' alone; give one a weight")
    own = options.get("unlabelled", {})
    if own and not replaces_words(options) and own["columns"].keys() != options["dataset"]["columns"].keys() - {"label"}:
        raise UserError(f"{file}: unlabelled.columns: name text_pair in both 'dataset' and 'unlabelled', or in neither")


def _check_ensemble(own: dict, options: dict, where: str) -> None:
    if len(options["seeds"]) < 2:
        raise UserError(f"{where}: an ensemble is the teachers of all seeds, and there is one; name more 'seeds', or take 'ensemble' out")
    if not own["loss"]["soft"] or options["task"] == MASKED:
        raise UserError(f"{where}: an ensemble gives logits that are kept, which this step does not read; take 'ensemble' out")


def _check_top_logits(own: dict, options: dict, where: str) -> None:
    loss = own["loss"]
    if options["task"] != MASKED:
        raise UserError(f"{where}: 'top_logits' is for a corpus; take it out, all logits of {options['task']} are kept anyway")
    if loss["hidden"] or loss["relation"] or not loss["soft"]:
        raise UserError(
            f"{where}: 'top_logits' spares the teacher where 'soft' alone asks it; "
            "give 'soft' a weight, 'hidden' and 'relation' none, or take it out"
        )


def _check_device(device: dict, where: str) -> None:
    runtime = device["runtime"]
    if runtime == "onnxruntime" and device["precision"] != "float32":
        raise UserError(f"{where}: onnxruntime computes in float32; take 'precision' out, or the runtime pytorch or openvino")
    if device["precision"] == "int8" and (runtime, device["hardware"]) != ("pytorch", "cpu"):
        raise UserError(f"{where}: int8 is for pytorch on the CPU; take 'precision' out, and quantize in a step for other runtimes")
    if device["precision"] == "float16" and (runtime, device["hardware"]) != ("pytorch", "cuda"):
        raise UserError(f"{where}: float16 is for pytorch on CUDA; take bfloat16 or float32")
    if device.get("compile") and runtime != "pytorch":
        raise UserError(f"{where}: only pytorch can compile a model; take 'compile' out, as {runtime} always does its own")
    if runtime == "openvino" and device["hardware"] != "cpu":
        raise UserError(f"{where}: openvino runs on the CPU here; take 'hardware' out, or the runtime pytorch or onnxruntime")


def _check_method(own: dict, where: str) -> None:
    for method, plain in OF_METHOD.items():
        for name, value in plain.items():
            if method != own["method"] and own[name] != value:
                raise UserError(f"{where}: '{name}: {own[name]}' is for the method {method}; say 'method: {method}', or take it out")


def _check_automatic(own: dict, task: str, where: str) -> None:
    if own["method"] != "dynamic":
        raise UserError(f"{where}: 'exclude: auto' tries products in dynamic INT8; take it out, or list the products")
    if task == "regression" and own["drop"]["agreement"]:
        raise UserError(f"{where}: numbers never agree exactly; set drop.agreement to 0, so that points alone decide")


def _check_pruning(own: dict, where: str) -> None:
    sparsity, ramp = own["sparsity"], own.get("ramp")
    if "embeddings" in own["parts"] and own["score"] != "magnitude":
        raise UserError(f"{where}: the score '{own['score']}' knows only the words of its examples; prune embeddings by magnitude")
    if own["scope"] == "fours" and sparsity not in (0.25, 0.5, 0.75):
        raise UserError(
            f"{where}: of four neighbours one, two or three can be zero; give a sparsity of 0.25, 0.5 or 0.75, or another scope"
        )
    if ramp and not (own["training"].get("epochs") or own["training"].get("steps")):
        raise UserError(f"{where}: a ramp needs a training of known steps to rise in; give it epochs or steps, or take 'ramp' out")
    if ramp and ramp["start"] > sparsity:
        raise UserError(f"{where}: the ramp starts at {ramp['start']}, above the sparsity of {sparsity}; lower 'start'")


def find_files(options: dict, file: str) -> None:
    """Put environment variables into the paths of local sources; raise UserError for paths where nothing lies."""
    sources = [(options.get(name, {}), "files") for name in ("dataset", "unlabelled", "encoder")] + [(options["encoder"], "random")]
    for section in (part[key] for part, key in sources if key in part):
        for key in sorted(section.keys() & {*OF_FILES, *OF_FOLDERS}):
            section[key] = _existing_path(section[key], file)
            if key in OF_FOLDERS and not Path(section[key]).is_dir():
                raise UserError(f"{file}: {key}: '{section[key]}' is a file; name the folder that it lies in")
            if key in OF_FILES and Path(section[key]).is_dir():
                raise UserError(f"{file}: {key}: '{section[key]}' is a folder; name a file in it")


def _existing_path(path: str, file: str) -> str:
    found = str(Path(os.path.expandvars(path)).expanduser())
    if unset := re.search(r"\$\{?(\w+)", found):
        raise UserError(f"{file}: '{path}' needs the environment variable {unset[1]}; set it to the folder of the data")
    if not found.isascii() and sys.getfilesystemencoding() != "utf-8":
        raise UserError(f"{file}: '{path}' cannot be opened in this locale, which is not UTF-8; run with PYTHONUTF8=1 in the environment")
    if not Path(found).exists():
        beside = [str(other) for other in Path(found).parent.glob(f"*{Path(found).suffix}")]
        raise UserError(f"{file}: '{found}' does not exist{nearest(found, beside)}")
    return found
