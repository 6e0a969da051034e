"""Commands beside snakemake: compress a model for a table, plan a run, check its gate and its delivery, look after a SLURM cluster."""

import argparse
import os
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

from encoder_compression.errors import UserError
from encoder_compression.run import environment

PIPE_CLOSED = 141  # as shells say it of SIGPIPE


def main() -> int | str | None:
    """Run the command that the command line names; return its exit status, or the one line that says what is wrong."""
    parser = _parser()
    options, further = parser.parse_known_args()
    if further and not options.passes_on:
        parser.error(f"unrecognized arguments: {' '.join(further)}")
    try:
        environment.require_linux()
        status = options.run(options, further)
        sys.stdout.flush()
        return status
    except UserError as error:
        return f"Error: {error}"
    except BrokenPipeError:  # whoever reads has enough, as head
        with Path(os.devnull).open("wb") as nothing:
            os.dup2(nothing.fileno(), sys.stdout.fileno())  # or Python would fail as it ends
        return PIPE_CLOSED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="encoder-compression", description=__doc__)
    parser.set_defaults(passes_on=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    plan = _add(commands, "plan", _plan, "tell what a run would cost; takes the arguments of snakemake")
    plan.set_defaults(passes_on=True)
    plan.usage = "encoder-compression plan [-h] [ARGUMENT ...]"
    _add_compress(commands)
    _add_delivery(commands)
    gate = _add(commands, "gate", _gate, "say which rows pass the release gate: exit 0 pass, 3 open, 4 fail")
    gate.add_argument("experiment", metavar="EXPERIMENT", help="whose results/EXPERIMENT/gate.json to read")
    gate.add_argument("--variant", help="rows of this variant alone")
    gate.add_argument("--device", help="rows on this device alone")
    slurm = _add(commands, "slurm", None, "look at a SLURM cluster, clean it up, guard a run on it")
    of_slurm = slurm.add_subparsers(required=True, metavar="COMMAND")
    _add(of_slurm, "check", _check, "look at the cluster and say what profiles/slurm needs")
    _add(of_slurm, "clean", _clean, "cancel the jobs that a killed run left working in this folder")
    guard = _add(of_slurm, "guard", _guard, "run a command and end it when it waits on nothing")
    guard.add_argument("--idle-minutes", type=float, required=True, metavar="MINUTES", help="how long the run may wait on nothing")
    guard.add_argument("command", nargs="+", metavar="COMMAND", help="what to run, such as snakemake, after --")
    return parser


def _add_compress(commands: argparse._SubParsersAction) -> None:
    """Add the command that makes a study of a table and answers from it."""
    command = _add(
        commands,
        "compress",
        _compress,
        "find the form of a model that keeps a contract for a table of texts: exit 0 kept, 3 open, 4 exceeded",
    )
    command.add_argument("data", metavar="DATA", help="a .csv, .tsv, .txt, .json, .jsonl or .parquet file")
    command.add_argument("--text", metavar="COLUMN", help="the column of the texts, where another one was taken")
    command.add_argument("--text-pair", metavar="COLUMN", help="the column of second texts, for a task about two")
    command.add_argument("--label", metavar="COLUMN", help="the column of the labels")
    command.add_argument("--task", choices=["classification", "regression", "question-answering"], help="what the models learn")
    command.add_argument(
        "--model", metavar="MODEL", help="a folder, or a name on the hub: org/name or org/name@revision; fine-tuned or not"
    )
    command.add_argument("--lose", type=float, default=1.0, metavar="POINTS", help="points of the score that may be lost (1.0)")
    command.add_argument("--latency-ms", type=float, metavar="MS", help="the longest median call with one text")
    command.add_argument("--size-mb", type=float, metavar="MB", help="the largest files")
    command.add_argument("--memory-mb", type=float, metavar="MB", help="the most memory of the running model, above its runtime's")
    command.add_argument("--minutes", type=float, metavar="MINUTES", help="how long all of it may take (as long as it needs)")
    command.add_argument("--device", default="cpu-onnxruntime", metavar="DEVICE", help="where the model is to run (cpu-onnxruntime)")
    command.add_argument("--name", metavar="NAME", help="name of the experiment (that of the file)")
    command.add_argument("--cores", default="all", metavar="NUMBER", help="processor cores that the run may take (all)")
    command.add_argument("--profile", metavar="PROFILE", help="run as jobs of a cluster, such as profiles/slurm")
    command.add_argument("--dry-run", action="store_true", help="prepare encoder and data, and say what the rest would cost")


def _add_delivery(commands: argparse._SubParsersAction) -> None:
    """Add the commands that look at a delivery after the fact."""
    verify = _add(commands, "verify", _verify, "measure a delivery anew, here and on other data: exit 0 kept, 3 open, 4 exceeded")
    verify.add_argument("delivery", metavar="DELIVERY", help="a folder delivery/ of an experiment with a contract")
    verify.add_argument("--data", required=True, metavar="FILE", help="a table of labeled examples, written as that of the study")
    verify.add_argument("--text", metavar="COLUMN", help="the column of the texts, where it has another name than in the study")
    verify.add_argument("--text-pair", metavar="COLUMN", help="the column of second texts")
    verify.add_argument("--label", metavar="COLUMN", help="the column of the labels")
    explain = _add(commands, "explain", _explain, "say why a delivery was chosen, and what lost to it")
    explain.add_argument("name", metavar="NAME", help="an experiment with a contract, or the folder of its delivery")


def _add(commands: argparse._SubParsersAction, name: str, run: object, summary: str) -> argparse.ArgumentParser:
    """Add a command whose help is the line ``summary``; ``run`` is called with its options and the further arguments."""
    command = commands.add_parser(name, help=summary, description=summary, allow_abbrev=False)
    command.set_defaults(run=run)
    return command


def _load(name: str) -> ModuleType:
    """Import a module of the package when its command is called; UserError where a library is missing that it needs."""
    try:
        return import_module(f"encoder_compression.{name}")
    except ModuleNotFoundError as error:
        remedy = "install what a run needs: pip install --requirement requirements.txt"
        raise UserError(f"this environment has no module {error.name}; {remedy}") from error


def _plan(_: argparse.Namespace, arguments: list[str]) -> None:
    _load("planning.plan").print_plan(arguments)


def _compress(options: argparse.Namespace, _: list[str]) -> int:
    module = _load("contract.compress")
    return module.compress(module.order_of(options))


def _verify(options: argparse.Namespace, _: list[str]) -> int:
    columns = {name: getattr(options, name) for name in ("text", "text_pair", "label")}
    return _load("contract.verify").verify(options.delivery, data=options.data, **columns)


def _explain(options: argparse.Namespace, _: list[str]) -> int:
    return _load("contract.explain").explain(options.name)


def _gate(options: argparse.Namespace, _: list[str]) -> int:
    return _load("reporting.gate_check").check(options.experiment, variant=options.variant, device=options.device)


def _check(*_) -> int:
    return _load("cluster.check").check_cluster()


def _clean(*_) -> None:
    number = _load("cluster.queue").cancel_orphans()
    print(f"{number} SLURM jobs cancelled; snakemake --profile profiles/slurm goes on where the run was")


def _guard(options: argparse.Namespace, _: list[str]) -> int:
    seconds = 60 * options.idle_minutes
    return _load("cluster.guard").run(options.command, idle_seconds=seconds, every_seconds=min(60, seconds / 5))
