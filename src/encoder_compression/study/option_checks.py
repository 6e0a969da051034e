"""Whether the options of a step fit each other and those of the experiment, technique by technique: what no schema can say."""

from collections.abc import Iterator

from encoder_compression.data.tasks import MASKED
from encoder_compression.errors import Mistake, nearest
from encoder_compression.run import environment, gpu
from encoder_compression.study.forms import OF_PYTORCH
from encoder_compression.study.teachers import asks_teacher, asks_teacher_itself, in_chain, reference

GRAPH = ("dynamic", "weights", "openvino")
# Options of a quantize step that not every method reads: the methods that do, and the value that changes nothing for others.
OF_METHODS = {
    "bits": (("weights", "bitsandbytes"), 8),
    "block": (("weights",), 32),
    "isa": (("dynamic",), "auto"),
    "per_channel": (("dynamic",), True),
    "equalize": (("dynamic",), True),
    "embeddings": (GRAPH, None),
    "calibration": (GRAPH, None),
    "drop": (GRAPH, None),
    "exclude": (("dynamic", "weights"), []),
    "type": (("bitsandbytes",), None),
    "double": (("bitsandbytes",), None),
    "threshold": (("bitsandbytes",), None),
    "activations": (("torchao",), None),
}
OF_BITS = {"type": 4, "double": 4, "threshold": 8}  # of bitsandbytes
Place = tuple[str, ...]


def none(step: dict, options: dict, place: Place) -> Iterator[Mistake]:
    """Yield nothing: a technique whose options fit each other as the schema allows them."""
    return iter(())


def distill(student: dict, options: dict, place: Place) -> Iterator[Mistake]:
    """Yield what does not fit the options of a student."""
    yield from _check_unlabelled(student, options, place)
    if "layer_map" in student and not student["loss"]["hidden"]:
        yield Mistake(
            place, "'layer_map' says which hidden states are compared; give 'hidden' of the loss a weight, or take it out", "layer_map"
        )
    if student.get("layers") == "important" and options["task"] == MASKED:
        yield Mistake(place, "what a layer is worth is measured on labels, which a corpus has none of; name the layers", "layers")
    if student["ensemble"] and "soft_targets" not in student:
        yield from _check_ensemble(student, options, place)
    if "top_logits" in student:
        yield from _check_top_logits(student["loss"], options["task"], place)
    if "soft_targets" in student:
        yield from _check_files(student, options, place)
    if not in_chain(student):
        yield from _check_elsewhere(student, options, place)
    if "hidden_size" in student:
        yield from _check_narrow(student, options["task"], place)


def _check_narrow(student: dict, task: str, place: Place) -> Iterator[Mistake]:
    """Yield what a student with narrower hidden states does not go with."""
    if task == MASKED:
        message = "the head of a corpus has matrices of its own that are not narrowed; take 'hidden_size' out, or distil for a task"
        yield Mistake(place, message, "hidden_size")
    if isinstance(student["start"], dict):
        yield Mistake(place, "a model of another experiment is as wide as it is; take 'hidden_size' or 'start' out", "hidden_size")


def _check_files(student: dict, options: dict, place: Place) -> Iterator[Mistake]:
    """Yield what soft targets from files do not go with: they are probabilities of classes, and nothing else of a teacher is there."""
    if student["teacher"] != "teacher":
        yield Mistake(place, "'soft_targets' stand in place of a teacher; take one of the two out", "soft_targets")
    if options["task"] != "classification":
        message = f"probabilities are those of classes, but the task is {options['task']}; name a teacher, or take them out"
        yield Mistake(place, message, "soft_targets")
    if asks_teacher_itself(student["loss"]):
        yield Mistake(place, "files have no hidden states; take 'hidden' and 'relation' out of the loss, or name a teacher", "loss")
    if student["ensemble"]:
        yield Mistake(place, "an ensemble has teachers, but the soft targets are those of files; take 'ensemble' out", "ensemble")
    if student["soft_targets"]["columns"].keys() != options["dataset"]["columns"].keys() - {"label"}:
        yield Mistake((*place, "soft_targets"), "name text_pair in both 'dataset' and 'soft_targets', or in neither", "columns")


def _check_elsewhere(student: dict, options: dict, place: Place) -> Iterator[Mistake]:
    """Yield what soft targets that are found again by a text do not go with."""
    if "top_logits" in student:
        yield Mistake(
            place, "'top_logits' are those of a step of the chain; take it out, the teacher then answers in every step", "top_logits"
        )
    if student["unlabelled"] and "replaced" in options.get("unlabelled", {}):
        message = (
            "texts with words replaced are not those that another teacher has read; take 'unlabelled' out, or name a step of the chain"
        )
        yield Mistake(place, message, "unlabelled")


def _check_unlabelled(student: dict, options: dict, place: Place) -> Iterator[Mistake]:
    if student["unlabelled"] and "unlabelled" not in options:
        yield Mistake(place, "there is no unlabeled text; say in a section 'unlabelled' where it is", "unlabelled")
    if student["unlabelled"] and student["loss"]["hard"] and not asks_teacher(student["loss"]):
        yield Mistake(place, "texts without labels teach by the other terms than 'hard' alone; give one a weight", "loss")


def static(student: dict, options: dict, place: Place) -> Iterator[Mistake]:
    """Yield what does not fit the options of a student without layers, whose answer is one for the whole input."""
    yield from _check_unlabelled(student, options, place)
    if options["task"] not in ("classification", "regression"):
        yield Mistake(
            place, f"static embeddings give one answer for a text, and {options['task']} asks one for each token; take the step out"
        )
    for term in (term for term in ("hidden", "relation") if student["loss"][term]):
        yield Mistake((*place, "loss"), f"'{term}' compares layers, and the student has none; take it out", term)
    if student["training"].get("epochs") == 0:
        yield Mistake((*place, "training"), "untrained, the head would be random; give it epochs, steps or seconds", "epochs")


def bag_of_words(step: dict, options: dict, place: Place) -> Iterator[Mistake]:
    """Yield a bag of words for a task that asks for more than one answer for a text."""
    if options["task"] not in ("classification", "regression"):
        message = f"a bag of words gives one answer for a text, and {options['task']} asks one for each token; take the step out"
        yield Mistake(place, message)


def _check_ensemble(student: dict, options: dict, place: Place) -> Iterator[Mistake]:
    if len(options["seeds"]) < 2 and not reference(student):
        message = "an ensemble is the teachers of all seeds, and there is one; name more 'seeds', or take 'ensemble' out"
        yield Mistake(place, message, "ensemble")
    if not student["loss"]["soft"] or options["task"] == MASKED:
        yield Mistake(place, "an ensemble gives logits that are kept, which this step does not read; take 'ensemble' out", "ensemble")


def _check_top_logits(loss: dict, task: str, place: Place) -> Iterator[Mistake]:
    if task != MASKED:
        yield Mistake(place, f"'top_logits' is for a corpus; take it out, all logits of {task} are kept anyway", "top_logits")
    elif loss["hidden"] or loss["relation"] or not loss["soft"]:
        remedy = "give 'soft' a weight, 'hidden' and 'relation' none, or take it out"
        yield Mistake(place, f"'top_logits' spares the teacher where 'soft' alone asks it; {remedy}", "top_logits")


def prune(step: dict, options: dict, place: Place) -> Iterator[Mistake]:
    """Yield what does not fit the options of a prune step."""
    sparsity, ramp, training = step["sparsity"], step.get("ramp"), step["training"]
    if "embeddings" in step["parts"] and step["score"] != "magnitude":
        message = f"the score '{step['score']}' knows only the words of its examples; prune embeddings by magnitude"
        yield Mistake(place, message, "score")
    if step["scope"] == "fours" and sparsity not in (0.25, 0.5, 0.75):
        remedy = "give a sparsity of 0.25, 0.5 or 0.75, or another scope"
        yield Mistake(place, f"of four neighbours one, two or three can be zero; {remedy}", "sparsity")
    if ramp and not (training.get("epochs") or training.get("steps")):
        remedy = "give it epochs or steps, or take 'ramp' out"
        yield Mistake(place, f"a ramp needs a training of known steps to rise in; {remedy}", "ramp")
    if ramp and ramp["start"] > sparsity:
        yield Mistake(place, f"the ramp starts at {ramp['start']}, above the sparsity of {sparsity}; lower 'start'", "ramp")


def shrink(step: dict, options: dict, place: Place) -> Iterator[Mistake]:
    """Yield a device of a target that the experiment does not have."""
    devices = options["devices"]
    if "target" in step and step["target"]["device"] not in devices:
        device = step["target"]["device"]
        yield Mistake((*place, "target"), f"unknown device '{device}'{nearest(device, devices)}", "device")


def trim(step: dict, options: dict, place: Place) -> Iterator[Mistake]:
    """Yield a trim step for a task whose rows hold parts of texts."""
    rows = {"question-answering": "the windows of long texts", "masked-language-modelling": "the blocks of a corpus"}
    if options["task"] in rows:
        yield Mistake(place, f"{rows[options['task']]} are not cut anew; take the step out")


def quantize(step: dict, options: dict, place: Place) -> Iterator[Mistake]:
    """Yield what does not fit the options of a quantize step, or what the machine lacks for its method."""
    yield from _check_method(step, place)
    yield from _check_excluded(step, options["task"], place)
    if step["method"] in OF_PYTORCH:
        yield from _check_package(step["method"], options["devices"], place)


def _check_method(step: dict, place: Place) -> Iterator[Mistake]:
    for name, (methods, plain) in OF_METHODS.items():
        if step["method"] not in methods and step.get(name, plain) != plain:
            given = name if isinstance(step[name], list | dict) else f"{name}: {step[name]}"
            yield Mistake(place, f"'{given}' is for the method {' or '.join(methods)}; name that, or take it out", name)
    for name, bits in OF_BITS.items() if step["method"] == "bitsandbytes" else ():
        if name in step and step["bits"] != bits:
            yield Mistake(place, f"'{name}' is for bits: {bits}; say so, or take it out", name)


def _check_package(method: str, devices: dict, place: Place) -> Iterator[Mistake]:
    """Yield that the package of a method for PyTorch is missing, or has no kernels for the CUDA of a device."""
    if not environment.is_installed(method):
        yield Mistake(place, f"the package {method} is not installed; make the environment anew with 'make .venv/ready'", "method")
        return
    on_cuda = [name for name, device in devices.items() if (device["runtime"], device["hardware"]) == ("pytorch", "cuda")]
    lacking = gpu.lacks_kernels(method) if on_cuda else None
    if lacking:
        yield Mistake(place, f"{lacking}; install one that has, or take the device '{on_cuda[0]}' out", "method")


def _check_excluded(step: dict, task: str, place: Place) -> Iterator[Mistake]:
    if step.get("exclude") != "auto":
        return
    if step["method"] == "weights":
        yield Mistake(place, "'exclude: auto' tries products in dynamic INT8; take it out, or list the products", "exclude")
    if task == "regression" and step["drop"]["agreement"]:
        yield Mistake(place, "numbers never agree exactly; set drop.agreement to 0, so that points alone decide", "drop")
