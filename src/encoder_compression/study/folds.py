"""The folds of a search: each is an experiment of its own, with the options of the whole one and a data set without the part left out.

So the chain behind which a step is searched is made in each fold by the rules that make any chain, and none of it has seen what the fold
leaves out.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from encoder_compression.study.study import Study

NAME = re.compile(r"(?P<whole>[^/]+)/folds/(?P<number>\d+)of(?P<count>\d+)")


@dataclass(frozen=True)
class Fold:
    """One of the ``count`` folds of the experiment ``whole``, counted from 1."""

    whole: str
    number: int
    count: int

    @property
    def name(self) -> str:
        """What the fold is called as an experiment, and where below results/ it lies."""
        return f"{self.whole}/folds/{self.number}of{self.count}"


def of_search(experiment: str, search: dict) -> list[Fold]:
    """Return the folds in which the trials of a search train; none where validation alone scores them."""
    count = search.get("folds", 0)
    return [Fold(experiment, number, count) for number in range(1, count + 1)]


def whole_of(experiment: str) -> str:
    """Return the experiment that a fold is of; any other experiment itself."""
    match = NAME.fullmatch(experiment)
    return match["whole"] if match else experiment


def with_folds(studies: dict[str, Study]) -> dict[str, Study]:
    """Return the studies and those of all folds of their searches, which searches with as many folds share."""
    searches = [(name, search) for name, study in studies.items() for search in study.options["search"].values()]
    folds = {fold for name, search in searches for fold in of_search(name, search)}
    return studies | {fold.name: _study(fold, studies) for fold in sorted(folds, key=lambda fold: fold.name)}


def _study(fold: Fold, studies: dict[str, Study]) -> Study:
    return Study(fold.name, studies[fold.whole].options | {"reported": False})


def wholes(names: Iterable[str]) -> list[str]:
    """Return the names of experiments less those of folds."""
    return [name for name in names if whole_of(name) == name]
