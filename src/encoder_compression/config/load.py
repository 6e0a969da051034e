"""From YAML files to one checked, complete dict per experiment."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from encoder_compression.config import (
    consistency,
    data_options,
    devices,
    hub_revisions,
    overrides,
    references,
    schema,
    searches,
    validate,
    yaml_files,
)
from encoder_compression.config.mistakes import Layer, Sources, command_line, refuse, together
from encoder_compression.config.overrides import Overrides
from encoder_compression.errors import Mistake, UserError, WrongOptions, nearest
from encoder_compression.study.controls import add_controls
from encoder_compression.study.nested import merge
from encoder_compression.study.study import Study
from encoder_compression.study.techniques import TECHNIQUES

# Sections that an experiment gives wholly or not at all: half of one source and half of another would be none.
WHOLE = ("encoder", "dataset", "unlabelled")


def of_run(config: dict, *, given: Mapping, files: list[Path], root: Path) -> dict[str, dict]:
    """Return `load_experiments` of the workflow in ``root``; ``given`` is what --config holds, ``files`` are those of --configfile.

    Raises UserError also for what Snakemake's own reader takes from YAML as it is, such as a key that is given twice.
    """
    for file in [root / "config/config.yaml", *root.glob("profiles/*/config.yaml")]:
        yaml_files.read(file)
    overriding = overrides.given(given, [file for file in map(Path, files) if file != root / "config/config.yaml"])
    return load_experiments(shared=config, given=overriding, config_folder=root / "config", schema_folder=root / "workflow" / "schemas")


def load_experiments(*, shared: dict, given: Overrides, config_folder: Path, schema_folder: Path) -> dict[str, dict]:
    """Return the complete options of every experiment that ``shared['experiments']`` names, and of those that they refer to.

    "reported" tells the former, whose tables are asked for, from the latter. ``shared`` is config.yaml as merged with the
    command line; a file of an experiment overrides its keys, deeply, and what is ``given`` on the command line overrides both.
    Raises UserError for any mistake, with a line for each in the file: where it stands, what is wrong, the remedy.
    """
    reader = _Reader(shared, given, config_folder, schema.read(schema_folder / "experiment.schema.yaml"))
    experiments = reader.read(shared, schema.read(schema_folder / "config.schema.yaml"))
    reader.check_chains(experiments)
    return experiments


class _Reader:
    """Reads the options of experiments and remembers where they stand."""

    def __init__(self, shared: dict, given: Overrides, config_folder: Path, of_experiment: dict):
        path = config_folder / "config.yaml"
        written, lines = yaml_files.read_with_lines(path) if path.exists() else ({}, {})
        self.shared = {key: value for key, value in shared.items() if key in of_experiment["properties"]}
        self.given = Overrides({key: value for key, value in given.options.items() if key in self.shared}, given.layers)
        self.wrong_shared: list[Mistake] = []
        self.folder, self.schema = config_folder / "experiments", of_experiment
        self.shared_layers = (command_line(shared, written), Layer(yaml_files.name_of(path), lines))
        self.sources: dict[str | None, Sources] = {None: Sources((*given.layers, *self.shared_layers))}
        self.variants: dict[str, list[str]] = {}  # as they are written, before controls are added

    def read(self, shared: dict, of_config: dict) -> dict[str, dict]:
        """Return the options of all experiments that ``shared`` names, and of those that they refer to."""
        self._check_shared(shared, of_config)
        experiments = references.follow(shared["experiments"], self._load, self._where)
        for name, options in experiments.items():
            options["reported"] = name in shared["experiments"]
        _refuse_ambiguous_steps(experiments, self.sources)
        return experiments

    def check_chains(self, experiments: dict[str, dict]) -> None:
        """Raise UserError where chains of any experiment cannot work."""
        with together() as collect:
            for name, options in experiments.items():
                with collect():
                    refuse(_find_wrong_chains(name, options, self.variants[name]), self.sources[name])

    def _where(self, experiment: str | None, place: tuple[str, ...]) -> str:
        """Return file, line and place of an experiment's option, or with None of one that all share."""
        return f"{self.sources[experiment].where(place)}: {'.'.join(place)}"

    def _check_shared(self, shared: dict, of_config: dict) -> None:
        """Look for unknown keys in config.yaml and the command line; what the others hold is checked in each experiment.

        Raises UserError where no experiment can be read.
        """
        keys = dict.fromkeys(self.schema["properties"], {}) | of_config["properties"]
        self.wrong_shared = validate.find_mistakes(shared, of_config | {"properties": keys, "additionalProperties": False})
        if any(mistake.narrowest()[0] == "experiments" for mistake in self.wrong_shared):
            refuse(self.wrong_shared, self.sources[None])

    def _load(self, name: str, asker: str) -> dict:
        """Return the complete options of an experiment, which ``asker`` names."""
        written, layers = _read_experiment(_experiment_file(name, self.folder, asker), ())
        sources = self.sources[name] = Sources((*self.given.layers, *layers, *self.shared_layers))
        options = canonical(merge(merge(self.shared, written), self.given.options))
        if options.get("devices", "auto") == "auto":
            options["devices"] = devices.available()
        refuse([*self.wrong_shared, *validate.find_mistakes(options, self.schema)], sources)
        data_options.text_labels(options["dataset"])
        duplicates = _find_duplicate_steps(options, sources)
        refuse([*duplicates, *consistency.find_files(options), *consistency.find_mistakes(options)], sources)
        refuse(searches.find_mistakes(options, schema=self.schema, validate=self._find_mistakes), sources)
        hub_revisions.fill(options, self.folder.parent)
        self.variants[name] = options["variants"]
        add_controls(options)
        return canonical(options)

    def _find_mistakes(self, options: dict) -> list[Mistake]:
        """Return what is wrong in options that a search may try."""
        return validate.find_mistakes(options, self.schema) or list(consistency.find_mistakes(options))


def _find_wrong_chains(name: str, options: dict, variants: list[str]) -> Iterator[Mistake]:
    """Yield what is wrong in the chains of an experiment, at the lines of the ``variants`` that its file names."""
    try:
        Study(name, options)
    except WrongOptions as error:
        for mistake in error.mistakes:
            yield replace(mistake, key=str(variants.index(mistake.key))) if mistake.key in variants else mistake


def _experiment_file(name: str, folder: Path, asker: str) -> Path:
    """Return the file of an experiment that is named where ``asker`` says."""
    path = folder / f"{name}.yaml"
    if not path.exists():
        raise UserError(f"{asker}: unknown experiment '{name}'{nearest(str(name), {file.stem for file in folder.glob('*.yaml')})}")
    return path


def _read_experiment(path: Path, extending: tuple[str, ...]) -> tuple[dict, tuple[Layer, ...]]:
    """Return what an experiment's file says, laid over what the file that it extends says, and so on down to one that extends none.

    Beside the options stand the layers that they come from. ``extending`` names the experiments that lead here. Raises UserError where
    they extend each other in a circle.
    """
    options, lines = yaml_files.read_with_lines(path)
    layer = Layer(yaml_files.name_of(path), lines)
    if "extends" not in options:
        return options, (layer,)
    name, names = options.pop("extends"), (*extending, path.stem)
    refuse(_find_wrong_extension(name, names), Sources((layer,)))
    asker = f"{Sources((layer,)).where(('extends',))}: extends"
    below, layers = _read_experiment(_experiment_file(name, path.parent, asker), names)
    hidden = options.keys() & set(WHOLE)
    seen = [Layer(lower.file, {place: line for place, line in lower.lines.items() if place[0] not in hidden}) for lower in layers]
    return merge({key: value for key, value in below.items() if key not in hidden}, options), (layer, *seen)


def _find_wrong_extension(name: object, names: tuple[str, ...]) -> Iterator[Mistake]:
    if not isinstance(name, str):
        yield Mistake(("extends",), f"{name} is not a text; name one experiment")
    elif name in names:
        circle = " -> ".join([*names[names.index(name) :], name])
        yield Mistake(("extends",), f"experiments extend each other in a circle, {circle}; take 'extends' out of one of them")


def canonical(value):
    """Return the value with the keys of every dict inside it sorted: Snakemake compares how options print."""
    if isinstance(value, dict):
        return {key: canonical(value[key]) for key in sorted(value, key=str)}
    return [canonical(item) for item in value] if isinstance(value, list) else value


def _find_duplicate_steps(options: dict, sources: Sources) -> Iterator[Mistake]:
    """Yield steps that two techniques have, at the place whose layer wins."""
    seen: dict[str, tuple[str, str]] = {}
    for place in [(technique, step) for technique in TECHNIQUES for step in options[technique]]:
        step = place[1]
        if step in seen:
            nearer = min(seen[step], place, key=sources.find)
            yield Mistake(nearer, f"step '{step}' stands in '{seen[step][0]}' and in '{place[0]}'; rename one")
        seen[step] = place


def _refuse_ambiguous_steps(experiments: dict[str, dict], sources: dict[str | None, Sources]) -> None:
    """One name means one technique in a run: the last step of a path decides which rule makes it."""
    first: dict[str, tuple[str, str]] = {}
    steps = [(name, technique, step) for name, options in experiments.items() for technique in TECHNIQUES for step in options[technique]]
    for name, technique, step in steps:
        first_name, first_technique = first.setdefault(step, (name, technique))
        if first_technique != technique:
            where = sources[first_name].where((first_technique, step))
            message = f"'{step}' is a {first_technique} step in {where}; rename one, or run the experiments one at a time"
            refuse([Mistake((technique, step), message)], sources[name])
