"""Whether a model of another experiment can teach a step of this one: task, data, classes, and where it answers itself also tokens."""

from encoder_compression.data.tasks import MASKED
from encoder_compression.encoders.layers import model_type
from encoder_compression.errors import UserError
from encoder_compression.study import teachers
from encoder_compression.study.chain import Chain
from encoder_compression.study.fitted import steps_taught_elsewhere
from encoder_compression.study.step_checks import count_layers
from encoder_compression.study.study import Study

# Options of a data set that two experiments may have differently: how a model reads it, and what its classes are called.
OF_ONE_EXPERIMENT = ("label_map", "label_names", "masking", "max_length", "stride", "tune_threshold", "version")
OF_VOCABULARY = ("architecture", "vocabulary_from", "vocabulary_of_train", "vocabulary_size")  # of a random encoder


def check_teachers(study: Study, studies: dict[str, Study]) -> None:
    """Raise UserError where a step of a study learns from a model of another experiment that cannot teach it, as far as that is known."""
    for step in steps_taught_elsewhere(study):
        options = study.step_options(step)
        reference = teachers.reference(options)
        if reference:
            _check_teacher(f"{study.name}: distill.{step}.teacher", study, options, studies[reference["experiment"]])
            _check_rows(f"{study.name}: distill.{step}.teacher", reference["variant"], studies[reference["experiment"]])
            if teachers.asks_teacher_itself(options["loss"]) or study.options["task"] == MASKED:
                _check_tokens(f"{study.name}: distill.{step}", study, studies[reference["experiment"]])
        if reference and options["loss"]["hidden"]:
            _check_depths(f"{study.name}: distill.{step}", study, step, studies[reference["experiment"]], reference["variant"])


def _check_teacher(where: str, study: Study, options: dict, source: Study) -> None:
    if source.options["task"] != study.options["task"]:
        tasks = f"'{source.name}' is about {source.options['task']}, and this experiment about {study.options['task']}"
        raise UserError(f"{where}: {tasks}; name a model of the same task")
    if differing := _differing(source.options["dataset"], study.options["dataset"], "dataset"):
        what = f"'{source.name}' has another {differing}, so its models may have seen what this experiment tests"
        raise UserError(f"{where}: {what}; give both experiments the same 'dataset'")
    names, theirs = (each.options["dataset"].get("label_names") for each in (study, source))
    if names and theirs and _plain(names) != _plain(theirs):
        called = f"the classes are called {', '.join(names)} here and {', '.join(theirs)} in '{source.name}'"
        raise UserError(f"{where}: {called}; call them alike in both 'label_names', in any order")
    if options["ensemble"] and len(source.options["seeds"]) < 2:
        raise UserError(f"{where}: an ensemble is the teachers of all seeds, and '{source.name}' has one; name more 'seeds' there")
    if options["unlabelled"] and _differing(source.options.get("unlabelled", {}), study.options["unlabelled"], "unlabelled"):
        what = f"'{source.name}' has not the same unlabeled texts, on which its model is to answer"
        raise UserError(f"{where}: {what}; give both experiments the same 'unlabelled', or take it out of the step")


def _check_rows(where: str, variant: str, source: Study) -> None:
    """Raise UserError where a teacher reads rows of its own, as after a trim step, and not those of its experiment's data set."""
    for chain in Chain(variant).prefixes:
        if source.last_technique(chain).own_dataset:
            raise UserError(f"{where}: '{variant}' has a vocabulary that '{chain.last}' cut; name its parent '{chain.parent}'")


def _differing(section: dict, student_section: dict, name: str) -> str | None:
    """Return which option of two sections about data differs, as ``dataset.split``; None where both are of the same rows."""
    keys = sorted((section.keys() | student_section.keys()) - set(OF_ONE_EXPERIMENT))
    return next((f"{name}.{key}" for key in keys if section.get(key) != student_section.get(key)), None)


def _plain(names: list[str]) -> set[str]:
    """Return names without case and blanks, as `labels.match` compares them; that module imports pandas."""
    return {" ".join(name.casefold().split()) for name in names}


def _check_tokens(where: str, study: Study, source: Study) -> None:
    """Raise UserError where a teacher that answers itself is known to read other tokens than its student."""
    ours, theirs = (_vocabulary(each.options["encoder"]) for each in (study, source))
    kinds = [model_type(each.options["encoder"]) for each in (study, source)]
    if ours != theirs:
        asked = "a teacher that answers beside its student" if study.options["task"] == MASKED else "'hidden' or 'relation'"
        kinds = " and ".join(kind or "another encoder" for kind in kinds)
        message = f"{asked} needs a teacher of the student's tokens, but '{source.name}' has a tokenizer of its own ({kinds})"
        raise UserError(f"{where}: {message}; give the loss 'hard' and 'soft' alone, or both encoders one tokenizer")


def _vocabulary(encoder: dict) -> tuple | None:
    """Return what decides the vocabulary of a random encoder that makes one from texts; None where it has that of files."""
    random = encoder.get("random", {"tokenizer": ""})
    return None if "tokenizer" in random else tuple(random.get(key) for key in OF_VOCABULARY)


def _check_depths(where: str, study: Study, step: str, source: Study, variant: str) -> None:
    """Raise UserError where a student has more layers than its teacher, to whose hidden states its own are compared."""
    depth, most = count_layers(study, step), count_layers(source, variant)
    if None not in (depth, most) and depth > most:
        raise UserError(
            f"{where}: 'hidden' compares {depth} layers of the student with those of '{variant}', which has {most}; take 'hidden' out"
        )
