"""What the workflow asks of every technique: the form of the entries in `techniques`, and what several of them share. Imports no torch."""

from collections.abc import Callable
from dataclasses import dataclass, field

from encoder_compression.study import descriptions, option_checks, step_checks, teachers


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


def by_loss(step_options: dict) -> bool:
    """Say whether a term of the loss asks for a teacher."""
    return teachers.asks_teacher(step_options["loss"])


def always(step_options: dict) -> bool:
    """Say yes."""
    return True


def keeps_shapes(step: str, step_options: dict) -> None:
    """Say that a step changes values of weights alone."""


def by_name(step: str, step_options: dict) -> str:
    """Return the step's name: it makes shapes of its own."""
    return step


def by_layers_and_width(step: str, step_options: dict) -> str | None:
    """Return how many layers are kept, and how wide they are, as far as either changes."""
    layers, width = step_options.get("layers"), step_options.get("hidden_size")
    shapes = [f"{len(layers) if isinstance(layers, list) else step_options['keep']} layers"] if layers else []
    return ", ".join([*shapes, *([f"{width} wide"] if width else [])]) or None  # all that there are, as wide as they are


def never(step_options: dict) -> bool:
    """Say no."""
    return False


def weights(step_options: dict) -> tuple[str, ...]:
    """Return the forms of a model with weights in floating point."""
    return ("model", "compressed", "onnx", "openvino")


def named(*tags: str) -> Callable[[dict], tuple[str, ...]]:
    """Return a function of options that gives these tags."""
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
    taught: Callable[[dict], bool] = never
    elsewhere: bool = False
    learns: Callable[[dict], bool] = always
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
    shape: Callable[[str, dict], str | None] = by_name
    forms: Callable[[dict], tuple[str, ...]] = weights
    tags: Callable[[dict], tuple[str, ...]] = named()
    limits: Callable[[dict, str], list[str]] = field(default=descriptions.no_limits)
    check: Callable = step_checks.none
    check_options: Callable = option_checks.none

    def cause(self) -> tuple[str, str]:
        """Return what a row that ends with it differs in from its control, and what that control is."""
        return (self.control.cause, self.control.counterpart) if self.control else self.row_cause
