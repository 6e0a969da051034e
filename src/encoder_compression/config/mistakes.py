"""Mistakes in an experiment's options, each told in one line with the file and the line where the value stands."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from encoder_compression.errors import Mistake, UserError

COMMAND_LINE = "--config or --configfile"


@dataclass(frozen=True)
class Layer:
    """One of the files that options are merged of, or the command line; ``lines`` maps a place to its line, counted from 1.

    What comes from the command line has line 0.
    """

    file: str
    lines: dict[tuple[str, ...], int]


@dataclass(frozen=True)
class Sources:
    """Tells where the values of merged options stand; of the ``layers`` the nearest, which wins, comes first."""

    layers: tuple[Layer, ...]

    def find(self, place: tuple[str, ...]) -> tuple[int, int]:
        """Return the index of the layer and the line of a value, or of the innermost section around it that is written anywhere."""
        for length in range(len(place), 0, -1):
            for index, layer in enumerate(self.layers):
                if place[:length] in layer.lines:
                    return index, layer.lines[place[:length]]
        return next(index for index, layer in enumerate(self.layers) if layer.file != COMMAND_LINE), 0

    def where(self, place: tuple[str, ...]) -> str:
        """Return file and line of a value, as ``config/experiments/tiny.yaml:12``."""
        index, line = self.find(place)
        return f"{self.layers[index].file}:{line}" if line else self.layers[index].file


def refuse(mistakes: Iterable[Mistake], sources: Sources) -> None:
    """Raise UserError where there are mistakes: a line for each, in the order of the files and their lines."""
    ordered = sorted(mistakes, key=lambda mistake: (*sources.find(mistake.narrowest()), mistake.words()))
    places: dict[tuple[str, str, str], list[str]] = {}  # an alias in YAML stands in one line for several places
    for mistake in ordered:
        last = mistake.place[-1] if mistake.place else ""
        places.setdefault((sources.where(mistake.narrowest()), last, mistake.message), []).append(mistake.words())
    lines = [f"{where}: {words[0]}{_further(dict.fromkeys(words))}" for (where, _, _), words in places.items()]
    if lines:
        raise UserError("\n".join(lines))


@contextmanager
def together() -> Iterator[Callable]:
    """Collect what several blocks ``with collect():`` refuse, and raise it as one UserError at the end."""
    lines: list[str] = []

    @contextmanager
    def collect() -> Iterator[None]:
        try:
            yield
        except UserError as error:
            lines.extend(str(error).splitlines())

    yield collect
    if lines:
        raise UserError("\n".join(dict.fromkeys(lines)))


def _further(places: dict) -> str:
    """Return in how many places a line is used, as part of a sentence; nothing for one."""
    return f" (this line serves {len(places)} places)" if len(places) > 1 else ""


def command_line(shared: dict, written: dict) -> Layer:
    """Return the layer of what ``shared``, Snakemake's merged config, has beside what is ``written`` in config.yaml."""
    return Layer(COMMAND_LINE, dict.fromkeys(_changed(shared, written, ()), 0))


def _changed(shared: dict, written: dict, place: tuple[str, ...]) -> Iterable[tuple[str, ...]]:
    """Yield the places at which two mappings differ: those that ``shared`` alone has, or with another value."""
    before = {str(key): value for key, value in written.items()}
    for key, value in shared.items():
        here, old = (*place, str(key)), before.get(str(key))
        if isinstance(value, dict) and isinstance(old, dict):
            yield from _changed(value, old, here)
        elif str(key) not in before or value != old:
            yield from places_of(value, here)


def places_of(value: object, place: tuple[str, ...]) -> Iterable[tuple[str, ...]]:
    """Yield the place of a value and those of all that it holds."""
    yield place
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places_of(item, (*place, str(key)))
