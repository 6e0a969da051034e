"""Bars with the time left, on the terminal, while everything else a job prints goes to its log."""

import sys

from tqdm import tqdm

terminal = sys.stderr


def bar(total: int | None, *, description: str, unit: str) -> tqdm:
    """Return a bar that is redrawn at most every two seconds; a file in place of a terminal gets few lines."""
    return tqdm(
        total=total,
        desc=description,
        unit=unit,
        file=terminal,
        mininterval=2 if terminal.isatty() else 30,
        dynamic_ncols=True,
        leave=False,
    )


def say(line: str) -> None:
    """Print a line on the terminal, above the bars."""
    tqdm.write(line, file=terminal)
