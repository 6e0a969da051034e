"""The one exception whose message is meant for the user."""

from difflib import get_close_matches


class UserError(Exception):
    """A mistake the user can mend; its message is one line with the remedy, for a YAML file a line for each mistake in it."""


def closest(word: str, known) -> str | None:
    """Return the known word that ``word`` is likely to mean, never itself; None where none is like it."""
    matches = get_close_matches(word, [name for name in sorted(map(str, known)) if name != word], n=1, cutoff=0.5)
    return matches[0] if matches else None


def nearest(word: str, known) -> str:
    """Return ``"; did you mean 'x'?"`` for the known word nearest to ``word``, never itself, else what is known.

    A number may be known where its text was given: both are shown alike.
    """
    meant = closest(word, known)
    return f"; did you mean '{meant}'?" if meant else f"; known: {', '.join(sorted(map(str, known))) or 'none'}"
