"""The one exception whose message is meant for the user."""

from difflib import get_close_matches


class UserError(Exception):
    """A mistake the user can mend; its message is one line with the remedy."""


def nearest(word: str, known) -> str:
    """Return ``"; did you mean 'x'?"`` for the known word nearest to ``word``, never itself, else what is known.

    A number may be known where its text was given: both are shown alike.
    """
    known = sorted(map(str, known))
    matches = get_close_matches(word, [name for name in known if name != word], n=1, cutoff=0.5)
    if matches:
        return f"; did you mean '{matches[0]}'?"
    return f"; known: {', '.join(known) or 'none'}"
