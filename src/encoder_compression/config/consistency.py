"""What no schema can say of an experiment's options: keys that must fit each other, and files that must be there."""

import os
import re
import sys
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from encoder_compression.config import data_options, gate_options, input_length
from encoder_compression.errors import Mistake
from encoder_compression.study.study import replaces_words
from encoder_compression.study.techniques import TECHNIQUES

# Keys of local sources: those that name a file, and those that name a folder.
OF_FILES, OF_FOLDERS = ("train", "validation", "test", "vocabulary_from"), ("folder", "tokenizer")
CORRELATIONS = ("matthews", "pearson", "spearman")  # metrics from -1 to 1; all others are from 0 to 1


def find_mistakes(options: dict) -> Iterator[Mistake]:
    """Yield where options that the schema allows do not fit each other; `find_files` looks at paths."""
    yield from data_options.find_mistakes(options)
    yield from input_length.find_mistakes(options)
    yield from gate_options.find_mistakes(options)
    yield from _check_gate(options)
    yield from _check_shares(options["dataset"])
    yield from _check_heads(options["encoder"].get("random", {"hidden_size": 0, "heads": 1}))
    yield from _check_trainings(options)
    yield from _check_processes(options)
    yield from _check_teaching(options)
    yield from _check_unlabelled(options)
    for name, device in options["devices"].items():
        yield from _check_device(device, ("devices", name))
    for section, technique in TECHNIQUES.items():
        for step, step_options in options[section].items():
            yield from technique.check_options(step_options, options, (section, step))


def _steps_of(options: dict) -> list[tuple[str, str, dict]]:
    """Return (section, step, its options) of all that stands in a section by a name."""
    named = [
        (section, step, step_options) for section, part in options.items() if isinstance(part, dict) for step, step_options in part.items()
    ]
    return [(section, step, step_options) for section, step, step_options in named if isinstance(step_options, dict)]


def _check_shares(dataset: dict) -> Iterator[Mistake]:
    """Yield where the splits that are cut from train would leave nothing of it."""
    given = dataset.get("files", dataset.get("hub", {}).get("splits", {}))
    cut = [name for name in ("test", "validation") if name not in given]
    if sum(dataset["split"][name] for name in cut) >= 1:
        yield Mistake(("dataset", "split"), f"{' and '.join(cut)} together leave nothing of train; lower them to less than 1 in all")


def _check_heads(random: dict) -> Iterator[Mistake]:
    heads, hidden_size = random["heads"], random["hidden_size"]
    if hidden_size % heads:
        yield Mistake(("encoder", "random"), f"{heads} heads do not divide hidden_size {hidden_size}; change one", "heads")


def _check_trainings(options: dict) -> Iterator[Mistake]:
    for section, step, training in [(section, step, part["training"]) for section, step, part in _steps_of(options) if "training" in part]:
        if training["batch_size"] % training["accumulation"]:
            message = f"accumulation {training['accumulation']} does not divide batch_size {training['batch_size']}; change one"
            yield Mistake((section, step, "training"), message, "accumulation")


def _check_processes(options: dict) -> Iterator[Mistake]:
    """Yield numbers of processes that cannot share the batches of the training that is to be timed in them."""
    first = options["baseline"]["variant"].split("+")[0]
    trainings = [part["training"] for _, step, part in _steps_of(options) if step == first and "training" in part]
    for index, number in enumerate(options.get("processes", [])):
        for training in trainings:
            if training["batch_size"] % (training["accumulation"] * number):
                parts = f"{number} processes" + (f" times accumulation {training['accumulation']}" if training["accumulation"] > 1 else "")
                message = f"{parts} do not divide batch_size {training['batch_size']} of '{first}'; change one"
                yield Mistake(("processes",), message, str(index))


def _check_teaching(options: dict) -> Iterator[Mistake]:
    """Yield losses without any term, and gates that no score is below: a correlation can be below 0, a share cannot."""
    for section, step, step_options in _steps_of(options):
        if "loss" in step_options and not any(step_options["loss"].values()):
            yield Mistake((section, step, "loss"), "all weights are 0, so that nothing is learnt; give a term a weight above 0")
        if isinstance(step_options.get("teacher"), dict) and not TECHNIQUES[section].elsewhere:
            yield Mistake((section, step), f"a {section} step learns from a step of its chain; name that, or distil a student", "teacher")
        gate = step_options.get("gate", 0)
        if gate < 0 and options["metric"] not in CORRELATIONS:
            remedy = "give 0 where the teacher need not have learnt anything"
            yield Mistake((section, step, "gate"), f"{options['metric']} is from 0 to 1, so {gate} keeps nothing out; {remedy}")


def _check_gate(options: dict) -> Iterator[Mistake]:
    least = options.get("gate", {}).get("metric", {"at_least": 0})["at_least"]
    if least < 0 and options["metric"] not in CORRELATIONS:
        yield Mistake(("gate", "metric", "at_least"), f"{options['metric']} is from 0 to 1, so {least} keeps nothing out; give 0 or more")


def _check_unlabelled(options: dict) -> Iterator[Mistake]:
    unlabelled = options.get("unlabelled", {})
    if not unlabelled or replaces_words(options):
        return
    if unlabelled["columns"].keys() != options["dataset"]["columns"].keys() - {"label"}:
        yield Mistake(("unlabelled", "columns"), "name text_pair in both 'dataset' and 'unlabelled', or in neither")


def _check_device(device: dict, place: tuple[str, ...]) -> Iterator[Mistake]:
    runtime, precision, hardware = device["runtime"], device["precision"], device["hardware"]
    if runtime == "onnxruntime" and precision != "float32":
        remedy = "take 'precision' out, or the runtime pytorch or openvino"
        yield Mistake(place, f"onnxruntime computes in float32; {remedy}", "precision")
    elif precision == "int8" and (runtime, hardware) != ("pytorch", "cpu"):
        remedy = "take 'precision' out, and quantize in a step for other runtimes"
        yield Mistake(place, f"int8 is for pytorch on the CPU; {remedy}", "precision")
    elif precision == "float16" and (runtime, hardware) != ("pytorch", "cuda"):
        yield Mistake(place, "float16 is for pytorch on CUDA; take bfloat16 or float32", "precision")
    if device.get("compile") and runtime != "pytorch":
        yield Mistake(place, f"only pytorch can compile a model; take 'compile' out, as {runtime} always does its own", "compile")
    if runtime == "openvino" and hardware != "cpu":
        yield Mistake(place, "openvino runs on the CPU here; take 'hardware' out, or the runtime pytorch or onnxruntime", "hardware")


def find_files(options: dict) -> Iterator[Mistake]:
    """Put environment variables into the paths of local sources, in place; yield paths where nothing lies."""
    sources = [((name, "files"), options.get(name, {}).get("files")) for name in ("dataset", "unlabelled", "encoder")]
    sources += [(("encoder", "random"), options["encoder"].get("random"))]
    given = [(step, part["soft_targets"]["files"]) for step, part in options["distill"].items() if "soft_targets" in part]
    sources += [(("distill", step, "soft_targets", "files"), files) for step, files in given]
    for place, section in [source for source in sources if source[1]]:
        for key in sorted(section.keys() & {*OF_FILES, *OF_FOLDERS}):
            section[key] = str(Path(os.path.expandvars(section[key])).expanduser())
            if message := _wrong_path(section[key], is_folder=key in OF_FOLDERS):
                yield Mistake((*place, key), message)


def _similar(path: Path) -> str:
    """Return a file beside a path that has nearly its name, as part of a sentence; where there is none, what to do."""
    names = get_close_matches(path.name, [file.name for file in path.parent.glob("*")], n=1, cutoff=0.75)
    return f"; did you mean '{path.parent / names[0]}'?" if names else "; mend the path, which is taken from the folder of the run"


def _wrong_path(path: str, *, is_folder: bool) -> str | None:
    """Return what is wrong with a path, the remedy included; None where it is right."""
    if unset := re.search(r"\$\{?(\w+)", path):
        return f"'{path}' needs the environment variable {unset[1]}; set it to the folder of the data"
    if not path.isascii() and sys.getfilesystemencoding() != "utf-8":
        return f"'{path}' cannot be opened in this locale, which is not UTF-8; run with PYTHONUTF8=1 in the environment"
    if not Path(path).exists():
        return f"'{path}' does not exist{_similar(Path(path))}"
    if Path(path).is_dir() != is_folder:
        return f"'{path}' is a file; name the folder that it lies in" if is_folder else f"'{path}' is a folder; name a file in it"
    return None
