"""From a table and a wish to the answer: look at the table, write an experiment, run it, say which model keeps the wish."""

import re
import shlex
import subprocess
import sys
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

from encoder_compression.config import yaml_files
from encoder_compression.contract import experiment
from encoder_compression.contract.candidates import TEACHER
from encoder_compression.contract.experiment import Wishes
from encoder_compression.contract.look import look
from encoder_compression.errors import UserError
from encoder_compression.planning.plan import print_plan
from encoder_compression.run import provenance

CONFIG = Path("config")


@dataclass(frozen=True)
class Order:
    """What the command line says: the table with its columns and task, the model, the wishes, the experiment's name, how to run."""

    data: Path
    columns: dict[str, str | None]
    model: str | None
    wishes: Wishes
    name: str
    run: list[str]
    dry_run: bool

    @property
    def file(self) -> Path:
        """The file of the experiment."""
        return CONFIG / "experiments" / f"{self.name}.yaml"

    @property
    def experiment(self) -> list[str]:
        """The arguments of Snakemake that name the experiment."""
        return ["--config", f"experiments=[{self.name}]"]

    @property
    def command(self) -> str:
        """The command that makes this experiment, whatever runs it."""
        named = {f"--{key.replace('_', '-')}": value for key, value in {**self.columns, "model": self.model}.items() if value}
        wishes = {"--lose": f"{self.wishes.points:g}", "--device": self.wishes.device, "--name": self.name}
        options = (part for pair in (named | wishes).items() for part in pair)
        return shlex.join(["encoder-compression", "compress", str(self.data), *options])


def order_of(options: Namespace) -> Order:
    """Return the order that parsed options of the command line make."""
    data = Path(options.data)
    return Order(
        data=data,
        columns={name: getattr(options, name) for name in ("text", "text_pair", "label", "task")},
        model=options.model,
        wishes=Wishes(points=options.lose, device=options.device),
        name=options.name or re.sub(r"\W+", "_", data.stem),
        run=["--profile", options.profile] if options.profile else ["--cores", options.cores],
        dry_run=options.dry_run,
    )


def compress(order: Order) -> int:
    """Write the experiment and run it; print the answer, or with ``dry_run`` what it would cost. Returns Snakemake's exit status.

    An order that was begun goes on where it stopped. UserError where the table cannot make a study, or where the file of that name
    comes from elsewhere.
    """
    if not CONFIG.is_dir():
        raise UserError("there is no folder config/ here; run this in the folder of the workflow, where its Snakefile is")
    if not order.file.exists():
        _begin(order)
    elif not order.file.read_text(encoding="utf-8").startswith(f"# {order.command}\n"):
        raise UserError(f"{order.file} was not written by this command; take another --name, or delete the file")
    options = yaml_files.read(order.file)
    if options.get("finetune") == {TEACHER: {}}:  # as `beginning` leaves it until encoder and data set are known
        status = _snakemake(order, f"results/{order.name}/base", f"results/{order.name}/dataset")
        if status:
            return status
        _complete(order, options)
    if order.dry_run:
        print_plan([*order.run, *order.experiment])
        return 0
    status = _snakemake(order)
    if status == 0:
        print("\n".join(_answers(order.name)))
    return status


def _begin(order: Order) -> None:
    """Look at the table and write an experiment with its teacher alone."""
    seen = look(order.data, **order.columns)
    print("\n".join(seen.lines()))
    options = experiment.beginning(seen, experiment.encoder_of(order.model, CONFIG), order.wishes)
    experiment.write(options, order.file, order.command)
    print(f"{order.file}: the experiment, to be read and edited")


def _complete(order: Order, options: dict) -> None:
    """Give the experiment the steps that its encoder and data set allow."""
    folder = Path("results") / order.name
    options = experiment.whole(options, base=folder / "base", dataset=folder / "dataset", device=order.wishes.device)
    experiment.write(options, order.file, order.command)
    tuned = options["finetune"][TEACHER]["training"]["epochs"] == 0
    print("the model has a head for these classes and is the teacher as it is" if tuned else "the encoder is fine-tuned first")


def _snakemake(order: Order, *targets: str) -> int:
    return subprocess.run([sys.executable, "-m", "snakemake", *targets, *order.run, *order.experiment]).returncode


def _answers(name: str) -> list[str]:
    """Return the answers of the report, two lines for each device, and where it lies."""
    answers = provenance.read_facts(Path("results") / name)["answers"]
    lines = [f"{which} on {answer['device']}: {answer[which]['text']}" for answer in answers for which in ("smallest", "fastest")]
    return [*lines, f"the whole report: results/{name}/report.html"]
