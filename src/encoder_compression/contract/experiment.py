"""The experiment of a contract as options, and as a file that a person can read and edit."""

import re
from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc
import yaml
from pyarrow import parquet

from encoder_compression.config import devices, yaml_files
from encoder_compression.config.input_length import longest_input
from encoder_compression.contract import candidates, pace
from encoder_compression.contract.candidates import Space
from encoder_compression.contract.clauses import Clauses
from encoder_compression.contract.look import Look
from encoder_compression.data import tasks
from encoder_compression.encoders import encoder_facts
from encoder_compression.errors import UserError, nearest
from encoder_compression.study.chain import Chain

DEFAULT = "reviews"  # the experiment whose encoder is taken where none is named
SMALL = 384  # hidden size up to which an encoder bears a high learning rate
RATES = {True: 1.0e-4, False: 3.0e-5}  # of small encoders, of others (Devlin et al. 2019, appendix A.3)
EPOCHS = 3
GIVEN = {"epochs": 0}  # the training of a teacher that is fine-tuned already
SPARE = 1.1  # entries of a vocabulary beyond those that the training texts have
WORTH = 0.8  # share of the vocabulary from which on cutting it saves too little


HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")
STYLE = {"sort_keys": False, "allow_unicode": True, "width": 140}


class _Plain(yaml.SafeDumper):
    """PyYAML's safe dumper, which writes what two places share twice."""

    def ignore_aliases(self, data) -> bool:
        """Return that nothing is written as a reference."""
        return True


@dataclass(frozen=True)
class Wishes:
    """What the command line asks for: how much may be lost, what it may cost, on which device, how long the search may take."""

    clauses: Clauses
    device: str
    minutes: float | None


def encoder_of(model: str | None, config_folder: Path) -> dict:
    """Return the section ``encoder`` for a folder, a name on the hub with or without ``@revision``, or the default encoder."""
    if model is None:
        return yaml_files.read(config_folder / f"experiments/{DEFAULT}.yaml")["encoder"]
    if Path(model).is_dir():
        return {"files": {"folder": str(Path(model).resolve())}}
    name, _, revision = model.partition("@")
    if not HUB_ID.fullmatch(name):
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
        "budget": {"points": wishes.clauses.points},
        "gate": {name: {"at_most": limit} for name, limit in wishes.clauses.costs.items()},
        "contract": {"device": wishes.device},
    }


def in_words(options: dict) -> str:
    """Return what an experiment took from its table: the columns and the task."""
    columns = [f"{role} '{column}'" for role, column in options["dataset"].get("columns", {}).items()]
    return ", ".join([*columns, f"task {options['task']}"])


def space_of(options: dict, *, base: Path, dataset: Path, device: str) -> Space:
    """Return the chains that a prepared encoder and data set allow on a device."""
    refused = encoder_facts.architecture(base).refused
    return Space(
        depth=encoder_facts.depth(base),
        hidden_size=encoder_facts.hidden_size(base),
        runtime=options["devices"][device]["runtime"],
        vocabulary=_vocabulary(base, dataset),
        can_shrink="shrink" not in refused,
        can_be_static=tasks.describe(dataset)["task"] == "classification",
        training={"epochs": EPOCHS, "learning_rate": RATES[encoder_facts.hidden_size(base) <= SMALL]},
    )


def with_steps(options: dict, space: Space) -> dict:
    """Return the options with all steps of a search, and a teacher that is fine-tuned."""
    finetune = {candidates.TEACHER: {"training": space.training}, pace.PACE: {"training": pace.training(space.training)}}
    return options | space.steps() | {"finetune": finetune}


def with_teacher(options: dict, training: dict) -> dict:
    """Return the options with another training of the teacher."""
    return options | {"finetune": options["finetune"] | {candidates.TEACHER: {"training": training}}}


def with_finalists(options: dict, finalists: list[Chain], *, device: str) -> dict:
    """Return the options with what a search chose as variants, which run on its device alone."""
    runtime = options["devices"][device]["runtime"]
    alone = {str(chain): [runtime] for chain in finalists if chain != candidates.TEACHER}
    variants = dict.fromkeys([candidates.TEACHER, *map(str, finalists)])
    return options | {"variants": list(variants), "runtimes": alone if runtime != "pytorch" else {}}


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
