"""From a table and a contract to a model: look at the table, write an experiment, search, measure what was found, say how it stands."""

import json
import re
import shlex
import signal
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from encoder_compression.config import yaml_files
from encoder_compression.contract import experiment, fitting_head, forecast, pace, runner
from encoder_compression.contract.candidates import TEACHER, Space
from encoder_compression.contract.certificate import STATUS
from encoder_compression.contract.clauses import Clauses
from encoder_compression.contract.clock import Clock
from encoder_compression.contract.experiment import Wishes
from encoder_compression.contract.explain import explain
from encoder_compression.contract.look import look
from encoder_compression.contract.screened import Results
from encoder_compression.contract.search import Search
from encoder_compression.contract.verify import read_certificate
from encoder_compression.errors import UserError
from encoder_compression.planning.plan import print_plan

CONFIG = Path("config")
INTERRUPTED = 130  # as shells say it of Ctrl-C


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
    def results(self) -> Path:
        """The folder of its results."""
        return Path("results") / self.name

    @property
    def searched(self) -> Path:
        """The file that says what a search chose, and whether it tried all that it wanted to."""
        return self.results / "searched.json"

    @property
    def log(self) -> Path:
        """The log of all that Snakemake says."""
        return Path("logs") / self.name / "compress.log"

    @property
    def experiment(self) -> list[str]:
        """The arguments of Snakemake that name the experiment."""
        return ["--config", f"experiments=[{self.name}]"]

    @property
    def command(self) -> str:
        """The command that makes this experiment, whatever runs it and however long."""
        named = {f"--{key.replace('_', '-')}": value for key, value in {**self.columns, "model": self.model}.items() if value}
        clauses = self.wishes.clauses
        limits = {f"--{key.replace('_', '-')}": f"{limit:g}" for key, limit in clauses.costs.items()}
        wishes = {"--lose": f"{clauses.points:g}", **limits, "--device": self.wishes.device, "--name": self.name}
        options = (part for pair in (named | wishes).items() for part in pair)
        return shlex.join(["encoder-compression", "compress", str(self.data), *options])


def order_of(options: Namespace) -> Order:
    """Return the order that parsed options of the command line make."""
    data = Path(options.data)
    if options.lose < 0 or any(
        limit is not None and limit <= 0 for limit in (options.latency_ms, options.size_mb, options.memory_mb, options.minutes)
    ):
        raise UserError("--lose is 0 or more; --latency-ms, --size-mb, --memory-mb and --minutes are above 0")
    clauses = Clauses(points=options.lose, latency_ms=options.latency_ms, size_mb=options.size_mb, memory_mb=options.memory_mb)
    return Order(
        data=data,
        columns={name: getattr(options, name) for name in ("text", "text_pair", "label", "task")},
        model=options.model,
        wishes=Wishes(clauses=clauses, device=options.device, minutes=options.minutes),
        name=options.name or _name_of(data),
        run=["--profile", options.profile] if options.profile else ["--cores", options.cores],
        dry_run=options.dry_run,
    )


def _name_of(data: Path) -> str:
    """Return the name of a table's experiment: that of the file, with more behind it where another experiment is called so."""
    name = re.sub(r"\W+", "_", data.stem)
    file = CONFIG / "experiments" / f"{name}.yaml"
    return f"{name}_contract" if file.exists() and not _is_written_here(file) else name


def _is_written_here(file: Path) -> bool:
    """Say whether an experiment's file begins as this command writes it."""
    return file.read_text(encoding="utf-8").startswith("# encoder-compression")


def compress(order: Order) -> int:
    """Write the experiment, search and measure what was found; print how it keeps the contract, or with ``dry_run`` what it would cost.

    Returns the `certificate.STATUS` of what is delivered, or that of an interrupted program. An order goes on where it stopped.
    UserError where the table cannot make a study, where the file of that name comes from elsewhere, or where nothing keeps the contract.
    """
    if not CONFIG.is_dir():
        raise UserError("there is no folder config/ here; run this in the folder of the workflow, where its Snakefile is")
    for ending in (signal.SIGTERM, signal.SIGHUP):  # Snakemake runs in a session of its own, and would go on alone
        if signal.getsignal(ending) != signal.SIG_IGN:  # which nohup asks for
            signal.signal(ending, signal.default_int_handler)
    clock = Clock(order.wishes.minutes, order.results / "search.json")
    try:
        return _compress(order, clock)
    except KeyboardInterrupt:
        minutes = f" --minutes {order.wishes.minutes:g}" if order.wishes.minutes else ""
        print(f"stopped; what is made stays, and the same command goes on: {order.command}{minutes}")
        return INTERRUPTED
    finally:
        if order.file.exists():  # a table that makes no study leaves nothing behind
            clock.save()


def _compress(order: Order, clock: Clock) -> int:
    say = _sayer(clock)
    if not order.file.exists() or _may_begin_anew(order):
        clock.restart()
        _begin(order)
    else:
        _require_same(order)
        print(f"{order.file}: it goes on with {experiment.in_words(yaml_files.read(order.file))}")
    base, dataset = order.results / "base", order.results / "dataset"
    _make(order, [str(base), str(dataset)])
    options = yaml_files.read(order.file)
    space = experiment.space_of(options, base=base, dataset=dataset, device=order.wishes.device)
    if options["finetune"] == {TEACHER: {}}:  # as `beginning` leaves it until encoder and data set are known
        options = _complete(order, options, space, clock)
    elif options["finetune"][TEACHER] == {"training": space.training}:  # a label_map may have been written, or the first run was killed
        options = _with_teacher(order, options, space, clock)
    search = _search(order, options, space, clock, say) if _is_to_search(order, options, clock) else None
    if order.dry_run:
        _plan(order, options, space, search)
        return 0
    if search:
        chains = [each.chain for each in search.finalists()]
        options = experiment.with_finalists(options, chains, device=order.wishes.device)
        experiment.write(options, order.file, order.command)
        order.searched.write_text(json.dumps({"complete": search.is_complete, "variants": options["variants"]}) + "\n", encoding="utf-8")
    say("measuring on the test split: the teacher and the two best")
    _make(order, [])
    return _answer(order)


def _may_begin_anew(order: Order) -> bool:
    """Say whether the file is of other options of this command, and nothing is trained yet that they would change."""
    return _is_written_here(order.file) and _first_line(order) != f"# {order.command}" and not (order.results / TEACHER).exists()


def _first_line(order: Order) -> str:
    return order.file.read_text(encoding="utf-8").partition("\n")[0]


def _require_same(order: Order) -> None:
    """Raise UserError where the file of the experiment is of other options of this command, or of none."""
    first = _first_line(order)
    if first != f"# {order.command}":
        writer = f"was written by {first[2:]!r}" if _is_written_here(order.file) else "was not written by this command"
        raise UserError(f"{order.file} {writer}; take another --name, or delete the file, and what is made stays")


def _is_to_search(order: Order, options: dict, clock: Clock) -> bool:
    """Say whether nothing is chosen yet, or what an earlier search chose when its time was up, and there is more of it now."""
    if options["variants"] == [TEACHER]:
        return True
    if not order.searched.exists() or clock.left() == 0:
        return False
    earlier = json.loads(order.searched.read_text(encoding="utf-8"))
    return not earlier["complete"] and earlier["variants"] == options["variants"]


def _sayer(clock: Clock) -> Callable[[str], None]:
    return lambda line: print(clock, line, flush=True)


def _begin(order: Order) -> None:
    """Look at the table and write an experiment with its teacher alone."""
    seen = look(order.data, **order.columns)
    print("\n".join(seen.lines()))
    options = experiment.beginning(seen, experiment.encoder_of(order.model, CONFIG), order.wishes)
    experiment.write(options, order.file, order.command)
    print(f"{order.file}: the experiment, to be read and edited")


def _complete(order: Order, options: dict, space: Space, clock: Clock) -> dict:
    """Give the experiment the steps that its encoder and data set allow; returns its options."""
    base, dataset = order.results / "base", order.results / "dataset"
    print(*fitting_head.in_words(base, dataset, order.file), sep="\n")
    options = experiment.with_steps(options, space)
    experiment.write(options, order.file, order.command)
    return _with_teacher(order, options, space, clock)


def _with_teacher(order: Order, options: dict, space: Space, clock: Clock) -> dict:
    """Take a model whose head fits for the teacher as it is, and cut the training of any other one short where time asks for it.

    Returns the options, which the file then has. What is trained already is left alone.
    """
    training = space.training
    if fitting_head.fits(order.results / "base", order.results / "dataset"):
        training = experiment.GIVEN
    elif clock.left() is not None and not (order.results / TEACHER).exists():
        _make(order, [pace.target(order.name)])
        training = pace.fitting(space.training, pace.read(order.name), clock.left())
    if "seconds" in training:
        minutes = training["seconds"] / 60
        print(f"--minutes is short: the teacher trains for {minutes:.1f} minutes in place of {space.training['epochs']} epochs")
    options = experiment.with_teacher(options, training)
    experiment.write(options, order.file, order.command)
    return options


def _plan(order: Order, options: dict, space: Space, search: Search | None) -> None:
    """Print what a search would cost at most, and the jobs of all its stages; trains a few steps to know the machine's pace."""
    if search:
        _make(order, [pace.target(order.name)])
        expected = forecast.lines(
            space,
            pace.read(order.name),
            teacher=options["finetune"][TEACHER]["training"],
            base=order.results / "base",
            chains=search.every_chain,
        )
        print(*expected, sep="\n")
    print_plan([*(search.all_targets if search else []), *order.run, *order.experiment])


def _search(order: Order, options: dict, space: Space, clock: Clock, say: Callable[[str], None]) -> Search:
    """Return the search that the file of the experiment asks for, with its devices and its steps."""
    baseline = next(name for name in options["devices"] if options["devices"][name]["runtime"] == "pytorch")
    results = Results(order.name, device=order.wishes.device, baseline=baseline)

    def run(targets: list[str], seconds: float | None, poll: Callable[[], None]) -> list[str]:
        return runner.run([*targets, "--keep-going", *order.run, *order.experiment], log=order.log, seconds=seconds, poll=poll)

    return Search(space, order.wishes.clauses, results, clock, run, say)


def _make(order: Order, targets: list[str]) -> None:
    """Make targets, or all that the experiment asks for; raises UserError with what went wrong."""
    mistakes = runner.run([*targets, *order.run, *order.experiment], log=order.log, seconds=None, poll=lambda: None)
    if mistakes:
        raise UserError(mistakes[0].removeprefix("Error: "))


def _answer(order: Order) -> int:
    """Print what is delivered and why, and where it lies; returns the status of its verdict."""
    explain(order.name)
    print(f"the delivery: {order.results}/delivery, the whole report: {order.results}/report.html")
    return STATUS[read_certificate(order.results / "delivery")["verdict"]]
