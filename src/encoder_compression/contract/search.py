"""The search of a contract, stage by stage: what needs no training, the sizes and speeds of students, short trainings, whole ones.

Each stage asks Snakemake for artifacts, so that a search goes on where it stopped. All scores are those of validation.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from encoder_compression.contract.candidates import TEACHER, Space
from encoder_compression.contract.clauses import Clauses, Screened, better_half, finalists, worth_training
from encoder_compression.contract.clock import Clock
from encoder_compression.contract.screened import Results, table
from encoder_compression.errors import UserError
from encoder_compression.study.chain import Chain

ROWS = 5  # that the end measures: the teacher in PyTorch and on the device, the two finalists, and the report with the delivery
TIMES = 6  # what measuring a row takes, in times of screening one
AT_ONCE = 3  # chains that are asked for together where time is short: as they are screened last, its end costs so many at most

Run = Callable[[list[str], float | None, Callable[[], None]], list[str]]  # targets, seconds, poll -> what went wrong


class Search:
    """One search: ``run`` makes targets, as `runner.run` does; ``say`` prints a line."""

    def __init__(self, space: Space, clauses: Clauses, results: Results, clock: Clock, run: Run, say: Callable[[str], None]):
        self.space, self.clauses, self.results, self.clock, self.run, self.say = space, clauses, results, clock, run, say
        self.students = space.students()
        self.chains: list[Chain] = []  # in the order in which they were asked for
        self.told: set[Chain] = set()
        self.reserve = 0.0
        self.skipped: list[Chain] = []  # students that were not trained, as that would have taken too long

    @property
    def every_chain(self) -> list[Chain]:
        """Every chain that may be asked for."""
        of_students = dict.fromkeys(chain for student in self.students for chain in (student.shape, student.short, student.chain))
        return [*self.space.whole(), *self.space.untrained(), *of_students]

    @property
    def all_targets(self) -> list[str]:
        """Everything that may be asked for."""
        return [*map(self.results.target, self.every_chain)]

    def finalists(self) -> list[Screened]:
        """Search, and return the two chains to measure on test beside the teacher; fewer where time allowed to try no more.

        UserError where the teacher cannot be made, or where no chain is as small or as fast as the contract asks.
        """
        self._teacher()
        self._screen(self.space.untrained())
        if not self._is_settled():
            self._train()
        self._say_what_was_not_tried()
        self._save()
        return finalists([each for each in self._real() if each.chain != TEACHER], self.clauses)

    def _teacher(self) -> None:
        """Make the teacher and screen it, as it is and in 8 bits; without it there is nothing."""
        whole = self.space.whole()
        compared = [self.results.target(Chain(TEACHER), self.results.baseline)]  # what all others are compared with comes first
        for targets, chains in ((compared, []), ([*map(self.results.target, whole)], whole)):
            mistakes = self.run(targets, None, partial(self._tell, chains))
            if mistakes:
                raise UserError(mistakes[0].removeprefix("Error: "))
        self.chains += whole
        if self.results.teacher_is_no_better_than_constant():
            self.say("the teacher is no better than one answer to all: do --label, and the classes with their order, fit the model?")
        self.reserve = ROWS * TIMES * self.results.seconds(Chain(TEACHER), f"{self.results.device}/screening")
        self._say_what_lacks()

    def _say_what_lacks(self) -> None:
        """Say that the last measurements alone take longer than there is time."""
        left = self.clock.left()
        if left is not None and left < self.reserve:
            lacking = (self.reserve - left) / 60
            self.say(f"--minutes is too short by about {lacking:.1f}: the last measurements alone take {self.reserve / 60:.1f} minutes")

    def _train(self) -> None:
        """Screen the shapes of students, train the promising ones for an epoch, and the better half of them wholly."""
        self._screen([student.shape for student in self.students])
        shapes = {student.chain: self.results.of(student.shape) for student in self.students if self.results.has(student.shape)}
        promising = worth_training(shapes, self._real(), self.clauses)
        self._require_affordable(list(shapes.values()))
        students = [student for student in self.students if student.chain in promising]
        self._screen(list(dict.fromkeys(student.short for student in students)))
        short = {student.short: self.results.of(student.short) for student in students if self.results.has(student.short)}
        for chain in better_half(short, self.clauses):
            together = [student.chain for student in students if student.short == chain]
            if self._has_time_for(chain, together[0]):
                self._screen(together)

    def _has_time_for(self, short: Chain, whole: Chain) -> bool:
        """Say whether a student's whole training ends in time, as its first epoch tells it."""
        left, (_, layers, *_), (_, first, *_) = self.clock.left(self.reserve), whole.steps, short.steps
        seconds = self.results.seconds(Chain.of([TEACHER, first])) * self.space.epochs
        if left is None or seconds <= left:
            return True
        self.say(f"{layers}: not trained, as that takes about {seconds / 60:.0f} minutes")
        self.skipped.append(whole)
        return False

    def _is_settled(self) -> bool:
        """Say whether a chain surely keeps a contract that names costs; one that names none asks for the fastest that there is."""
        return bool(self.clauses.costs) and any(map(self.clauses.surely_keeps, self._real()))

    def _require_affordable(self, shapes: list[Screened]) -> None:
        """Raise UserError where everything was tried and nothing is as small and as fast as the contract asks."""
        every = [*self._real(), *shapes]
        if any(map(self.clauses.affords, every)) or not all(map(self.results.has, self.chains)):
            return
        units = {"latency_ms": "ms", "size_mb": "MB", "memory_mb": "MB of memory"}
        least = [
            f"{limit:g} {units[name]}: the least is {getattr(best, name):.3g}, of {best.chain}"
            for name, limit in self.clauses.costs.items()
            for best in [min(every, key=lambda each: getattr(each, name))]
        ]
        raise UserError(f"no variant keeps all costs of this contract on {self.results.device} ({'; '.join(least)}); allow more")

    def _screen(self, chains: list[Chain]) -> None:
        """Ask for screenings in the time that is left, a few at once, and say what they told; a chain that fails is told and left out."""
        asked = [chain for chain in chains if chain not in self.chains]
        self.chains += asked
        at_once = max(1, len(asked)) if self.clock.left() is None else AT_ONCE
        for first in range(0, len(asked), at_once):
            if self.clock.left(self.reserve) == 0:
                break
            together = asked[first : first + at_once]
            targets = [self.results.target(chain) for chain in together]
            for mistake in self.run(targets, self.clock.left(self.reserve), partial(self._tell, together)):
                self.say(mistake)

    @property
    def untried(self) -> list[Chain]:
        """What was asked for and not made."""
        return [chain for chain in self.chains if not self.results.has(chain)]

    @property
    def is_complete(self) -> bool:
        """Whether time cut nothing short."""
        return self.clock.left(self.reserve) != 0 and not self.skipped

    def _say_what_was_not_tried(self) -> None:
        if self.untried and not self.is_complete:
            what = f"{len(self.untried)} variants not tried"
            self.say(f"{what}: the time that is left is for the last measurements; the same command with more --minutes tries them")

    def _tell(self, chains: list[Chain]) -> None:
        """Say what screening told of chains, once each."""
        shapes = {student.shape for student in self.students}
        for chain in chains:
            if chain not in self.told and self.results.has(chain):
                self.told.add(chain)
                screened = self.results.of(chain)
                score = "" if chain in shapes else f"{screened.score:.1%} on validation ({100 * screened.change:+.1f} points), "
                self.say(f"{chain}: {score}{screened.latency_ms:.3g} ms, {screened.size_mb:.3g} MB")
                self._save()

    def _real(self) -> list[Screened]:
        """Return what was screened of chains that can be delivered, neither untrained nor trained for one epoch alone."""
        scouts = {chain for student in self.students for chain in (student.shape, student.short)}
        return self.results.of_all([chain for chain in self.chains if chain not in scouts])

    def _save(self) -> None:
        """Write what was tried to results/{experiment}/screening.csv, and keep the time."""
        table(self.results, self.chains, self.students).to_csv(Path("results") / self.results.experiment / "screening.csv", index=False)
        self.clock.save()
