"""The techniques: all that the workflow knows about each of them beside its schema, its rule and its code. Imports no torch."""

from collections.abc import Callable
from dataclasses import dataclass, field

from encoder_compression.study import descriptions, option_checks, step_checks, teachers
from encoder_compression.study.forms import FORM_OF_METHOD

LABELS_ALONE = {"hard": 1, "soft": 0, "hidden": 0, "relation": 0}
TRAINED = ("finetune", "lora", "distill", "average")  # what leaves a whole model


@dataclass(frozen=True)
class Control:
    """What the control of a step lacks, and how the difference to it is called.

    ``without`` are options that the control has in place of the step's, ``amounts`` those that it does not have at all;
    ``cause`` is what the row differs in, ``counterpart`` what the control is.
    """

    without: dict
    cause: str
    counterpart: str
    amounts: tuple[str, ...] = ()


def trains(step_options: dict) -> bool:
    """Say whether a step with these options trains anything."""
    return "training" in step_options and step_options["training"].get("epochs") != 0


def _by_loss(step_options: dict) -> bool:
    return teachers.asks_teacher(step_options["loss"])


def _always(step_options: dict) -> bool:
    return True


def _keeps_shapes(step: str, step_options: dict) -> None:
    """Say that a step changes values of weights alone."""


def _by_name(step: str, step_options: dict) -> str:
    return step


def _by_layers_and_width(step: str, step_options: dict) -> str | None:
    layers, width = step_options.get("layers"), step_options.get("hidden_size")
    shapes = [f"{len(layers) if isinstance(layers, list) else step_options['keep']} layers"] if layers else []
    return ", ".join([*shapes, *([f"{width} wide"] if width else [])]) or None  # all that there are, as wide as they are


def _never(step_options: dict) -> bool:
    return False


def _weights(step_options: dict) -> tuple[str, ...]:
    return ("model", "compressed", "onnx", "openvino")


def _named(*tags: str) -> Callable[[dict], tuple[str, ...]]:
    return lambda options: tags


@dataclass(frozen=True)
class Technique:
    """One technique. Its name is that of the section in an experiment's file, of its rule, its script and its function.

    follows         techniques that may stand before it in a chain; one without any begins chains
    begins          whether a chain may begin with it
    refusal         why no other technique may follow it: ends a sentence that names the step, ``before`` is the step of this one
    reads           inputs of its rule beside the encoder and the data set, by their names in `inputs.Step`
    taught          options of a step -> whether it learns from a teacher
    elsewhere       whether its teacher may be a model of another experiment, or files; it may then begin chains
    learns          options of a step -> whether it fits any weight to the data
    control         what a control of it lacks; None where rows of it have none
    row_cause       (cause, counterpart) of a row that ends with it and has the control of an earlier step
    adds_up         whether steps of it in a row have one control, that of all
    shows_later     whether its effect shows in what follows, so that all variants behind it have a control
    speedup_factor  what it changes about the work of a call, as the tables name the factors of a speedup
    searchable      whether it ends with a score on validation, which a hyperparameter search needs
    settled         options that a search may not try, as other steps rely on them
    of_corpus       whether it can train masked language models
    structures      whether its models can be timed with fewer heads and neurons
    needs_all_heads whether it needs layers of one shape
    keeps_layers    whether its models have transformer layers, so that they can be encoders of other experiments
    sparse          whether it leaves a model whose zeros make a second, compressed file worth having
    own_dataset     whether it leaves a data set, cut for its model
    on_cuda         whether a GPU can run what it leaves
    in_float        whether the weights that it leaves are numbers that can be trained, averaged, exported and compressed
    shape           name and options of a step -> what it makes of the shapes of weights; None where it changes their values alone
    forms           options of a step -> the artifacts that it can have
    tags            options of a step -> what the hub's search finds an artifact by
    describe        options of a step, whether the task is a corpus -> what it did, in words
    limits          options of a step, form of the artifact -> what to know before using it, in sentences
    check           raises UserError where the options of a step do not fit the steps before it
    check_options   yields a `Mistake` where the options of a step do not fit each other or the experiment
    """

    name: str
    describe: Callable[[dict, bool], str]
    speedup_factor: str = "weights"
    follows: tuple[str, ...] = ()
    begins: bool = False
    refusal: str = "cannot follow '{before}'; put it before that"
    reads: tuple[str, ...] = ()
    taught: Callable[[dict], bool] = _never
    elsewhere: bool = False
    learns: Callable[[dict], bool] = _always
    control: Control | None = None
    row_cause: tuple[str, str] | None = None
    adds_up: bool = False
    shows_later: bool = False
    searchable: bool = False
    settled: tuple[str, ...] = ()
    of_corpus: bool = False
    structures: bool = False
    needs_all_heads: bool = False
    keeps_layers: bool = True
    sparse: bool = False
    own_dataset: bool = False
    on_cuda: bool = True
    in_float: bool = True
    shape: Callable[[str, dict], str | None] = _by_name
    forms: Callable[[dict], tuple[str, ...]] = _weights
    tags: Callable[[dict], tuple[str, ...]] = _named()
    limits: Callable[[dict, str], list[str]] = field(default=descriptions.no_limits)
    check: Callable = step_checks.none
    check_options: Callable = option_checks.none

    def cause(self) -> tuple[str, str]:
        """Return what a row that ends with it differs in from its control, and what that control is."""
        return (self.control.cause, self.control.counterpart) if self.control else self.row_cause


_FAKE_QUANTIZATION = ("Rounding in training", "the same training without it")
_TAUGHT = ("parent", "teacher", "soft_targets")

_ALL = (
    Technique(
        name="finetune",
        shape=_keeps_shapes,
        begins=True,
        learns=trains,
        searchable=True,
        of_corpus=True,
        structures=True,
        describe=descriptions.finetune,
    ),
    Technique(
        name="lora",
        shape=_keeps_shapes,
        begins=True,
        follows=(*TRAINED, "shrink"),
        reads=_TAUGHT,
        taught=_by_loss,
        control=Control(
            without={"loss": LABELS_ALONE},
            cause="Distillation",
            counterpart="the same updates without a teacher",
        ),
        searchable=True,
        forms=lambda options: (*_weights(options), "adapter"),
        tags=_named("lora"),
        describe=descriptions.lora,
        limits=descriptions.limits_of_lora,
        check=step_checks.lora,
    ),
    Technique(
        name="distill",
        shape=_by_layers_and_width,
        follows=TRAINED,
        speedup_factor="depth",
        reads=(*_TAUGHT, "start", "unlabelled", "unlabelled_targets"),
        taught=_always,
        elsewhere=True,
        control=Control(
            without={"loss": LABELS_ALONE, "start": "best", "ensemble": False},
            cause="Distillation",
            counterpart="the same student without a teacher",
        ),
        searchable=True,
        of_corpus=True,
        structures=True,
        needs_all_heads=True,
        tags=_named("knowledge-distillation"),
        describe=descriptions.distill,
        check_options=option_checks.distill,
    ),
    Technique(
        name="average",
        shape=_keeps_shapes,
        follows=(*TRAINED, "shrink"),
        reads=("parent", "others"),
        tags=_named("model-soup"),
        describe=descriptions.average,
        check=step_checks.average,
    ),
    Technique(
        name="shrink",
        shape=lambda step, options: None if options.get("remove") == 0 else step,
        follows=TRAINED,
        refusal="needs whole layers, but follows '{before}'; shrink once, after distilling",
        speedup_factor="width",
        reads=(*_TAUGHT, "times"),
        taught=_always,
        control=Control(
            without={"remove": 0},
            amounts=("target",),
            cause="The removal",
            counterpart="the whole model after the same training",
        ),
        searchable=True,
        needs_all_heads=True,
        tags=_named("structured-pruning"),
        describe=descriptions.shrink,
        check_options=option_checks.shrink,
    ),
    Technique(
        name="prune",
        shape=_keeps_shapes,
        follows=(*TRAINED, "shrink", "prune"),
        refusal="would fill the zeros of '{before}'; put it first, then prune",
        reads=_TAUGHT,
        taught=_always,
        control=Control(
            without={"sparsity": 0},
            amounts=("ramp",),
            cause="Pruning",
            counterpart="the model with all its weights after the same training",
        ),
        adds_up=True,
        searchable=True,
        sparse=True,
        tags=_named("pruning"),
        describe=descriptions.prune,
        limits=descriptions.limits_of_prune,
        check=step_checks.prune,
        check_options=option_checks.prune,
    ),
    Technique(
        name="qat",
        shape=_keeps_shapes,
        follows=(*TRAINED, "shrink"),
        refusal="would undo what '{before}' learnt for the quantization; put it first",
        reads=_TAUGHT,
        taught=_always,
        control=Control(without={"bits": 32}, cause=_FAKE_QUANTIZATION[0], counterpart=_FAKE_QUANTIZATION[1]),
        shows_later=True,
        searchable=True,
        settled=("bits", "block"),  # which the quantize step behind it stores
        tags=_named("quantization-aware-training"),
        describe=descriptions.qat,
    ),
    Technique(
        name="static",
        follows=(*TRAINED, "shrink"),
        refusal="needs transformer layers, but '{before}' leaves none; trim and quantize steps alone can follow it",
        speedup_factor="depth",
        reads=(*_TAUGHT, "unlabelled", "unlabelled_targets"),
        taught=_always,
        control=Control(
            without={"loss": LABELS_ALONE},
            cause="Distillation",
            counterpart="the same student without a teacher",
        ),
        searchable=True,
        keeps_layers=False,
        forms=_named("model", "onnx", "openvino"),
        tags=_named("knowledge-distillation", "static-embeddings"),
        describe=descriptions.static,
        limits=descriptions.limits_of_static,
        check_options=option_checks.static,
    ),
    Technique(
        name="bag_of_words",
        begins=True,
        refusal="needs a neural network, and '{before}' leaves none; take the step out",
        speedup_factor="depth",
        keeps_layers=False,
        on_cuda=False,
        in_float=False,
        forms=_named("onnx"),
        tags=_named("tf-idf"),
        describe=descriptions.bag_of_words,
        limits=descriptions.limits_of_bag_of_words,
        check_options=option_checks.bag_of_words,
    ),
    Technique(
        name="trim",
        follows=(*TRAINED, "shrink", "prune", "qat", "static"),
        refusal="would read what '{before}' has cut; put it first, then trim, then quantize",
        reads=("parent",),
        learns=_never,
        row_cause=_FAKE_QUANTIZATION,
        own_dataset=True,
        tags=_named("vocabulary-trimming"),
        describe=descriptions.trim,
        limits=descriptions.limits_of_trim,
        check_options=option_checks.trim,
    ),
    Technique(
        name="quantize",
        follows=(*TRAINED, "shrink", "prune", "qat", "static", "trim"),
        refusal="needs weights, but follows the quantized step '{before}'",
        speedup_factor="precision",
        reads=("parent",),
        learns=_never,
        row_cause=_FAKE_QUANTIZATION,
        in_float=False,
        forms=lambda options: (FORM_OF_METHOD[options["method"]],),
        tags=descriptions.tags_of_quantize,
        describe=descriptions.quantize,
        limits=descriptions.limits_of_quantize,
        check=step_checks.quantize,
        check_options=option_checks.quantize,
    ),
)
TECHNIQUES = {technique.name: technique for technique in _ALL}
WITH_CONTROL = tuple(name for name, technique in TECHNIQUES.items() if technique.control)  # those that a teacher can teach
