"""The experiment of a contract as options, and as a file that a person can read and edit."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc
import yaml
from pyarrow import parquet

from encoder_compression.config import devices, yaml_files
from encoder_compression.config.input_length import longest_input
from encoder_compression.contract import candidates
from encoder_compression.contract.look import Look
from encoder_compression.data import tasks
from encoder_compression.data.tasks.labels import match
from encoder_compression.encoders import encoder_facts
from encoder_compression.errors import UserError, nearest

DEFAULT = "reviews"  # the experiment whose encoder is taken where none is named
SMALL = 384  # hidden size up to which an encoder bears a high learning rate
RATES = {True: 1.0e-4, False: 3.0e-5}  # of small encoders, of others (Devlin et al. 2019, appendix A.3)
EPOCHS = 3
SPARE = 1.1  # entries of a vocabulary beyond those that the training texts have
WORTH = 0.8  # share of the vocabulary from which on cutting it saves too little


STYLE = {"sort_keys": False, "allow_unicode": True, "width": 140}


class _Plain(yaml.SafeDumper):
    """PyYAML's safe dumper, which writes what two places share twice."""

    def ignore_aliases(self, data) -> bool:
        """Return that nothing is written as a reference."""
        return True


@dataclass(frozen=True)
class Wishes:
    """What the command line asks for: how much may be lost, on which device."""

    points: float
    device: str


def encoder_of(model: str | None, config_folder: Path) -> dict:
    """Return the section ``encoder`` for a folder, a name on the hub with or without ``@revision``, or the default encoder."""
    if model is None:
        return yaml_files.read(config_folder / f"experiments/{DEFAULT}.yaml")["encoder"]
    if Path(model).is_dir():
        return {"files": {"folder": str(Path(model).resolve())}}
    name, _, revision = model.partition("@")
    if name.count("/") != 1:
        raise UserError(f"--model {model}: no such folder, and no name on the hub, such as org/name; give one of both")
    return {"hub": {"id": name} | ({"revision": revision} if revision else {})}


def beginning(seen: Look, encoder: dict, wishes: Wishes) -> dict:
    """Return the options that need nothing but the table: enough to prepare encoder and data set."""
    known = devices.available()
    if wishes.device not in known:
        raise UserError(f"--device {wishes.device}: this machine has none of that name{nearest(wishes.device, known)}")
    baseline = next(name for name, device in known.items() if device == known[wishes.device] | {"runtime": "pytorch"})
    files = {"files": {"train": str(seen.path.resolve())}, "format": seen.format, "columns": seen.roles.columns}
    length = (
        {} if seen.roles.task == "question-answering" else {"max_length": min(seen.max_length, longest_input(encoder) or seen.max_length)}
    )
    return {
        "encoder": encoder,
        "dataset": {key: part for key, part in files.items() if part} | length,
        "task": seen.roles.task,
        "finetune": {candidates.TEACHER: {}},
        "variants": [candidates.TEACHER],
        "devices": {name: known[name] for name in dict.fromkeys([baseline, wishes.device])},
        "budget": {"points": wishes.points},
    }


def whole(options: dict, *, base: Path, dataset: Path, device: str) -> dict:
    """Return the options with the steps and variants that the prepared encoder and data set allow."""
    runtime = options["devices"][device]["runtime"]
    depth, vocabulary = encoder_facts.depth(base), _vocabulary(base, dataset)
    small = encoder_facts.hidden_size(base) <= SMALL
    training = {"epochs": EPOCHS, "learning_rate": RATES[small]}
    steps = candidates.steps(depth, runtime=runtime, vocabulary=vocabulary, training=training)
    tuned = has_fitting_head(base, dataset)
    chains = candidates.chains(
        depth, runtime=runtime, has_words=bool(vocabulary), can_shrink="shrink" not in encoder_facts.architecture(base).refused
    )
    others = {} if runtime == "pytorch" else {str(chain): [runtime] for chain in chains if chain != candidates.TEACHER}
    teacher = {candidates.TEACHER: {"training": {"epochs": 0} if tuned else training}}
    return options | steps | {"finetune": teacher, "variants": list(map(str, chains)), "runtimes": others}


def has_fitting_head(base: Path, dataset: Path) -> bool:
    """Say whether an encoder is fine-tuned for the task already: its head has the classes of the data set, by their names."""
    classes, head = tasks.describe(dataset).get("labels"), encoder_facts.classification_head(base)
    return bool(classes and head) and match(classes, head, values=None) is not None


def _vocabulary(base: Path, dataset: Path) -> int | None:
    """Return how many entries the training texts and some to spare need; None where that saves too little, or the task keeps them all."""
    if tasks.describe(dataset)["task"] == "question-answering":
        return None
    ids = parquet.read_table(Path(dataset) / "train.parquet", columns=["input_ids"])["input_ids"]
    needed = int(SPARE * len(pc.unique(pc.list_flatten(ids.combine_chunks()))))
    size = encoder_facts.vocabulary_size(base)
    return needed if needed < WORTH * size else None


def write(options: dict, path: Path, command: str) -> None:
    """Write an experiment's file, whose first lines name the command that made it."""
    header = f"# {command}\n# Written by this command. Edit it as you like: the command goes on with what stands here.\n\n"
    sections = (_section(key, value) for key, value in options.items() if value)
    part = path.with_suffix(".part")
    part.write_text(header + "\n".join(sections), encoding="utf-8")
    part.replace(path)


def _section(key: str, value) -> str:
    """Return a section as YAML: what has no parts in braces on one line, a list with a line for each entry."""
    flow = None if isinstance(value, dict) else False
    return yaml.dump({key: value}, Dumper=_Plain, default_flow_style=flow, **STYLE)
