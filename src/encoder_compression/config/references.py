"""What an experiment takes from another one: its encoder, the start or teacher of a student, or a language model that replaces words."""

from collections.abc import Callable

from encoder_compression.config.mistakes import together
from encoder_compression.config.other_teachers import check_teachers
from encoder_compression.data.tasks import MASKED
from encoder_compression.errors import UserError
from encoder_compression.study.chain import is_control
from encoder_compression.study.step_checks import count_layers
from encoder_compression.study.study import Study, replaces_words
from encoder_compression.study.targets import has_no
from encoder_compression.study.teachers import reference
from encoder_compression.study.techniques import TECHNIQUES

SOURCES = ("package", "hub", "files")  # of a data set


def of(options: dict) -> list[dict]:
    """Return the variants of other experiments that an experiment's options name, each with "experiment", "variant" and "seed"."""
    return list(_by_place(options).values())


def _by_place(options: dict) -> dict[tuple[str, ...], dict]:
    """Return the variants of other experiments by the place of the options that names them."""
    starts = {("distill", step, "start"): part["start"] for step, part in options["distill"].items() if isinstance(part["start"], dict)}
    encoder = {("encoder", "variant"): options["encoder"]["variant"]} if "variant" in options["encoder"] else {}
    model = {("unlabelled", "replaced", "model"): options["unlabelled"]["replaced"]["model"]} if replaces_words(options) else {}
    return encoder | model | starts | _teachers(options)


def _teachers(options: dict) -> dict[tuple[str, ...], dict]:
    """Return the variants of other experiments that teach a step, by the place of the options that names them; a control needs none."""
    sections = {name: options[name] for name, technique in TECHNIQUES.items() if technique.elsewhere}
    taught = [(name, step, part) for name, section in sections.items() for step, part in section.items() if not is_control(step)]
    return {(name, step, "teacher"): reference(part) for name, step, part in taught if reference(part)}


def follow(names: list[str], load: Callable[[str, str], dict], where: Callable[[str | None, tuple[str, ...]], str]) -> dict[str, dict]:
    """Return the options of experiments and of all that they refer to, at any depth.

    ``load`` takes the name of an experiment and where it is named; ``where`` tells this of a place of an experiment's options, or with
    None of those of the run. UserError where experiments refer to each other in a circle.
    """
    experiments: dict[str, dict] = {}
    with together() as collect:
        for index, name in enumerate(names):
            with collect():
                _follow(name, where(None, ("experiments", str(index))), [], experiments, load, where)
    return experiments


def _follow(name: str, asker: str, path: list[str], experiments: dict[str, dict], load: Callable, where: Callable) -> None:
    if name in path:
        circle = " -> ".join([*path[path.index(name) :], name])
        raise UserError(f"{asker}: experiments refer to each other in a circle, {circle}; take the encoder, start or teacher elsewhere")
    if name in experiments:
        return
    experiments[name] = load(name, asker)
    for place, model in _by_place(experiments[name]).items():
        _follow(model["experiment"], where(name, (*place, "experiment")), [*path, name], experiments, load, where)


def check_references(studies: dict[str, Study]) -> None:
    """Raise UserError where an experiment takes from another one what that cannot give."""
    for name, study in studies.items():
        for model in of(study.options):
            source = studies[model["experiment"]]
            source.check(model["variant"])
            if not source.has_weights(model["variant"]):
                raise UserError(f"{name}: {model['experiment']}: {has_no('model', model['variant'], source)}")
            if count_layers(source, model["variant"]) == 0:
                message = f"'{model['variant']}' has no transformer layers and is no encoder; name its parent"
                raise UserError(f"{name}: {model['experiment']}: {message}")
        for model in _below(study.options):
            _check_folds(study, studies[model["experiment"]])
        check_teachers(study, studies)
        for step, options in study.options["distill"].items():
            if isinstance(options["start"], dict):
                _check_start(f"{name}: distill.{step}", study, step, studies[options["start"]["experiment"]])
        if replaces_words(study.options):
            _check_language_model(name, studies[study.options["unlabelled"]["replaced"]["model"]["experiment"]])


def _below(options: dict) -> list[dict]:
    """Return the variants of other experiments that an experiment's own models begin with, or whose words they read: all but teachers."""
    return [model for place, model in _by_place(options).items() if place[-1] != "teacher"]


def _check_folds(study: Study, source: Study) -> None:
    """Raise UserError where a search with folds builds on a model that has read the very rows that folds leave out."""
    searched = [step for step, search in study.options["search"].items() if "folds" in search]
    if searched and _source_of(source) == _source_of(study):
        what = f"'{source.name}', on which this experiment builds, was trained on the same rows, also on those that a fold leaves out"
        raise UserError(f"{study.name}: search.{searched[0]}.folds: {what}; build on another one, or take 'folds' out")


def _source_of(study: Study) -> dict:
    """Return where the rows of an experiment come from."""
    return {key: value for key, value in study.options["dataset"].items() if key in SOURCES}


def _check_start(where: str, study: Study, step: str, source: Study) -> None:
    """Raise UserError where a student starts from a model that has another number of layers, as far as that is known."""
    variant = study.options["distill"][step]["start"]["variant"]
    wanted, count = count_layers(study, step), count_layers(source, variant)
    if count not in (wanted, None):
        begins = f"'{variant}', where it starts, has {count}"
        raise UserError(f"{where}: the student has {wanted} of the layers, but {begins}; make 'layers' and 'keep' fit")


def _check_language_model(name: str, source: Study) -> None:
    if source.options["task"] != MASKED:
        raise UserError(
            f"{name}: unlabelled.replaced: '{source.name}' is about {source.options['task']}; name a model of a corpus, {MASKED}"
        )
