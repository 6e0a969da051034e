"""From YAML files to one checked, complete dict per experiment."""

import copy
import math
from pathlib import Path

from jsonschema import Draft202012Validator, validators

from encoder_compression.config import consistency, data_options, devices, explain, references, searches, yaml_files
from encoder_compression.errors import UserError, nearest
from encoder_compression.study.controls import add_controls
from encoder_compression.study.nested import merge
from encoder_compression.study.techniques import TECHNIQUES

# Sections that an experiment gives wholly or not at all: half of one source and half of another would be none.
WHOLE = ("encoder", "dataset", "unlabelled")


def of_run(config: dict, *, root: Path, config_files: list[Path]) -> dict[str, dict]:
    """Return `load_experiments` of the workflow in ``root``, whose ``config`` Snakemake has read from ``config_files``.

    Raises UserError also for what Snakemake's own reader takes from YAML as it is, such as a key that is given twice.
    """
    for file in [*config_files, *root.glob("profiles/*/config.yaml")]:
        yaml_files.read(Path(file))
    return load_experiments(shared=config, config_folder=root / "config", schema_folder=root / "workflow" / "schemas")


def load_experiments(*, shared: dict, config_folder: Path, schema_folder: Path) -> dict[str, dict]:
    """Return the complete options of every experiment that ``shared['experiments']`` names, and of those that they refer to.

    "reported" tells the former, whose tables are asked for, from the latter. ``shared`` is config.yaml as merged with the
    command line; a file of an experiment overrides its keys, deeply.
    Raises UserError, in one line with the remedy, for any mistake.
    """
    shared = dict(shared)
    names = {"experiments": shared.pop("experiments", None)}
    _validate(names, "config.yaml", yaml_files.read(schema_folder / "config.schema.yaml"))
    schema = yaml_files.read(schema_folder / "experiment.schema.yaml")
    experiments = references.follow(names["experiments"], lambda name, asker: _load(name, asker, shared, config_folder, schema))
    for name, options in experiments.items():
        options["reported"] = name in names["experiments"]
    _refuse_ambiguous_steps(experiments)
    return experiments


def _load(name: str, asker: str, shared: dict, config_folder: Path, schema: dict) -> dict:
    path = _experiment_file(name, config_folder / "experiments", asker)
    options = merge(shared, _read_experiment(path, ()))
    if options.get("devices", "auto") == "auto":
        options["devices"] = devices.available()
    _validate(options, path.name, schema)
    data_options.text_labels(options["dataset"])
    consistency.find_files(options, path.name)
    _check_duplicate_steps(options, path.name)
    consistency.check(options, path.name)
    searches.check(options, schema=schema, validate=lambda changed: _check_again(changed, path.name, schema), file=path.name)
    add_controls(options)
    return canonical(options)


def _check_again(options: dict, file: str, schema: dict) -> None:
    """Raise UserError where options that a search may try are wrong."""
    _validate(options, file, schema)
    consistency.check(options, file)


def _experiment_file(name: str, folder: Path, asker: str) -> Path:
    """Return the file of an experiment that the file ``asker`` names."""
    path = folder / f"{name}.yaml"
    if not path.exists():
        raise UserError(f"{asker}: unknown experiment '{name}'{nearest(str(name), {file.stem for file in folder.glob('*.yaml')})}")
    return path


def _read_experiment(path: Path, extending: tuple[str, ...]) -> dict:
    """Return what an experiment's file says, laid over what the file that it extends says, and so on down to one that extends none.

    ``extending`` names the experiments that lead here. Raises UserError where they extend each other in a circle.
    """
    options = yaml_files.read(path)
    if "extends" not in options:
        return options
    name, names = options.pop("extends"), (*extending, path.stem)
    if not isinstance(name, str):
        raise UserError(f"{path.name}: extends: {name} is not a text; name one experiment")
    if name in names:
        circle = " -> ".join([*names[names.index(name) :], name])
        raise UserError(f"{path.name}: experiments extend each other in a circle, {circle}; take 'extends' out of one of them")
    below = _read_experiment(_experiment_file(name, path.parent, path.name), names)
    return merge({key: value for key, value in below.items() if key not in options or key not in WHOLE}, options)


def canonical(value):
    """Return the value with the keys of every dict inside it sorted: Snakemake compares how options print."""
    if isinstance(value, dict):
        return {key: canonical(value[key]) for key in sorted(value)}
    return [canonical(item) for item in value] if isinstance(value, list) else value


def _with_defaults(validator_class):
    """Extend a validator so that it fills in the schema's defaults while it checks."""
    check_properties = validator_class.VALIDATORS["properties"]

    def fill_and_check(validator, properties, instance, schema):
        for key, subschema in properties.items():
            if isinstance(instance, dict) and "default" in subschema:
                instance.setdefault(key, copy.deepcopy(subschema["default"]))
        yield from check_properties(validator, properties, instance, schema)

    return validators.extend(validator_class, {"properties": fill_and_check}, type_checker=_strict_numbers(validator_class.TYPE_CHECKER))


def _strict_numbers(checker):
    """Refuse 3.0 as a whole number, which would print and hash as another value than 3, and what is not finite as a number."""
    return checker.redefine_many(
        {
            "integer": lambda _, value: not isinstance(value, float) and checker.is_type(value, "integer"),
            "number": lambda _, value: checker.is_type(value, "number") and not (isinstance(value, float) and not math.isfinite(value)),
        }
    )


_Validator = _with_defaults(Draft202012Validator)


def _validate(options: dict, file: str, schema: dict) -> None:
    errors = sorted(_Validator(schema).iter_errors(options), key=lambda error: len(error.absolute_path))
    if errors:
        raise UserError(f"{file}: {explain.explain(errors[0])}")


def _check_duplicate_steps(options: dict, file: str) -> None:
    seen: dict[str, str] = {}
    for technique in TECHNIQUES:
        for step in options[technique]:
            if step in seen:
                raise UserError(f"{file}: step '{step}' stands in '{seen[step]}' and in '{technique}'; rename one")
            seen[step] = technique


def _refuse_ambiguous_steps(experiments: dict[str, dict]) -> None:
    """One name means one technique in a run: the last step of a path decides which rule makes it."""
    seen: dict[str, tuple[str, str]] = {}
    for name, options in experiments.items():
        for technique in TECHNIQUES:
            for step in options[technique]:
                other, before = seen.setdefault(step, (technique, name))
                if other != technique:
                    raise UserError(
                        f"step '{step}' is a '{other}' step in {before}.yaml and a '{technique}' step in {name}.yaml; "
                        "rename one, or run the experiments one at a time"
                    )
