"""What a user can mend: an exception of one line, and mistakes at places of the options."""

from dataclasses import dataclass
from difflib import get_close_matches


class UserError(Exception):
    """A mistake the user can mend; its message is one line with the remedy, for a YAML file a line for each mistake in it."""


SYNONYMS = {"gpu": "cuda"}  # words that are no misspelling of the known one


def closest(word: str, known) -> str | None:
    """Return the known word that ``word`` is likely to mean, never itself; None where none is like it."""
    names = [name for name in sorted(map(str, known)) if name != word]
    if SYNONYMS.get(word) in names:
        return SYNONYMS[word]
    matches = get_close_matches(word, names, n=1, cutoff=0.5)
    return matches[0] if matches else None


def nearest(word: str, known) -> str:
    """Return ``"; did you mean 'x'?"`` for the known word nearest to ``word``, never itself, else what is known.

    A number may be known where its text was given: both are shown alike.
    """
    meant = closest(word, known)
    return f"; did you mean '{meant}'?" if meant else f"; known: {', '.join(sorted(map(str, known))) or 'none'}"


@dataclass(frozen=True)
class Mistake:
    """What is wrong at a place of the options.

    ``place`` has the keys from the top down, indexes of lists among them; ``message`` ends with the remedy. ``key`` names a key
    below the place whose line is meant, where the place itself stays its section.
    """

    place: tuple[str, ...]
    message: str
    key: str = ""

    def words(self) -> str:
        """Return place and message, as ``distill.even1.gate: 70 is greater than …``."""
        return ": ".join(filter(None, (".".join(self.place), self.message)))

    def narrowest(self) -> tuple[str, ...]:
        """Return the place whose line is told."""
        return (*self.place, self.key) if self.key else self.place


class WrongOptions(UserError):
    """Mistakes in the options of what ``name`` names, a line for each."""

    def __init__(self, name: str, mistakes: list[Mistake]):
        super().__init__("\n".join(f"{name}: {mistake.words()}" for mistake in mistakes))
        self.mistakes = mistakes
