"""Labels of classes: read as text whatever the source, told apart as numbers or names once for all splits, matched with a head by name."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Number

import numpy as np
import pandas as pd

from encoder_compression.data.spool import SHOWN
from encoder_compression.errors import UserError

WHOLE = re.compile(r"[+-]?(0|[1-9]\d*)(\.0*)?")
NUMBER = re.compile(r"[+-]?(0|[1-9]\d*)?(\.\d*)?(e[+-]?\d+)?", re.IGNORECASE)
TRUTHS = {True: "true", False: "false"}


@dataclass(frozen=True)
class Classes:
    """What the classes are called, in the order of the model's outputs, and which class each label of the source is.

    ``head`` holds what the encoder's own head calls the same classes in the same order; None where it has no such head.
    ``numbered`` says whether labels that are numbers were taken for numbers of its outputs, as they share no names.
    """

    names: list[str]
    index_of: dict[str, int]
    head: list[str] | None
    numbered: bool


def as_text(labels: pd.Series) -> pd.Series:
    """Return labels as texts without blanks around them, "" where one is missing; NaN for what is no single value."""
    return pd.Series([_as_text(label) for label in labels], index=labels.index, dtype=object)


def _as_text(label) -> str | None:
    if isinstance(label, str):
        return label.strip()
    if isinstance(label, list | tuple | dict | set | np.ndarray):
        return None
    if label is None or label is pd.NA or label != label:  # NaN is not itself
        return ""
    if isinstance(label, bool | np.bool_):
        return TRUTHS[bool(label)]
    return str(int(label)) if isinstance(label, Number) and float(label).is_integer() else str(label)


def find_classes(labels: Iterable[str], *, label_map: dict[str, str] | None, names: list[str] | None, head: list[str] | None) -> Classes:
    """Return the classes of all ``labels`` of a data set, each of them a text.

    They are numbers where all of them are whole, in the order of the numbers, else names in alphabetical order.
    ``label_map`` says what a label is to be called, ``names`` what the classes are called in that order. A ``head`` whose
    names are the same, but for case, blanks and LABEL_, gives the order, and so does one for as many numbers from 0 on.
    UserError where the classes are no classes or the maps do not fit them.
    """
    called = {label: _mapped(label, label_map) for label in labels}
    values = _values(sorted(set(called.values())))
    _require_distinct(sorted(set(values.values()), key=str))
    order = sorted(set(values.values()))
    if names is not None and len(names) != len(order):
        raise UserError(f"dataset: 'label_names' has {len(names)} names for {len(order)} labels {order}; give one for each, in this order")
    shown = names or [str(value) for value in order]
    places = match(shown, head, values=order if names is None or _is_generic(head) else None)
    numbered = places is not None and not _is_generic(head) and match(shown, head, values=None) is None
    if places is None:
        places, head = list(range(len(order))), None
    elif names is None and not _is_generic(head):
        shown = [head[place] for place in places]
    index_of = {label: places[order.index(values[name])] for label, name in called.items()}
    return Classes([name for _, name in sorted(zip(places, shown, strict=True))], index_of, head, numbered)


def require_map(label_map: dict[str, str], head: list[str]) -> None:
    """Raise UserError where some labels are mapped to classes of a head and others to none of them: a mistake in writing."""
    known = {_plain(name) for name in head}
    strange = [name for name in label_map.values() if _plain(name) not in known]
    if strange and len(strange) < len(label_map):
        raise UserError(f"dataset: label_map calls a label '{strange[0]}', but the encoder's head has the classes {head}; name one of them")


def _mapped(label: str, label_map: dict[str, str] | None) -> str:
    if label_map is None:
        return label
    if label not in label_map:
        raise UserError(f"dataset: label_map names {sorted(label_map)}, but the data set has the label '{label}'; add it")
    return label_map[label]


def _values(labels: list[str]) -> dict[str, int] | dict[str, str]:
    """Return each label as a whole number where all of them are, else as it is; UserError where all are numbers and some not whole.

    Codes such as 007 are names.
    """
    if all(WHOLE.fullmatch(label) for label in labels):
        return {label: int(label.partition(".")[0]) for label in labels}
    fractions = [label for label in labels if not WHOLE.fullmatch(label)]
    if all(NUMBER.fullmatch(label) for label in labels):
        raise UserError(
            f"dataset: labels such as {', '.join(fractions[:SHOWN])} are no classes, which are whole numbers or names; "
            "set 'threshold' to cut a rating in two, or 'task: regression'"
        )
    return {label: label.partition(".")[0] if WHOLE.fullmatch(label) else label for label in labels}


def _require_distinct(values: list) -> None:
    """Raise UserError where two classes differ in case or blanks alone, which is one class written in two ways."""
    seen: dict[str, str] = {}
    for name in map(str, values):
        first = seen.setdefault(" ".join(name.casefold().split()), name)
        if first != name:
            raise UserError(
                f"dataset: the labels '{first}' and '{name}' differ in case or blanks alone; write them alike, or name one class for both "
                f"in label_map, which then names all labels: {{'{first}': {first}, '{name}': {first}, …}}"
            )


def match(names: list[str], head: list[str] | None, *, values: list | None) -> list[int] | None:
    """Return for each of the classes the output of a head that stands for it; None where the head is for others.

    Names are compared without case and blanks, LABEL_3 is 3. ``values`` are the classes as numbers, where they may be
    numbers of outputs: those from 0 on keep their numbers.
    """
    if head is None or len(head) != len(names):
        return None
    wanted = [_plain(name) for name in head]
    plain = [_plain(name) for name in names]
    if len(set(wanted)) == len(head) and set(plain) == set(wanted):
        return [wanted.index(name) for name in plain]
    return list(range(len(head))) if values == list(range(len(head))) else None


def is_among(name: str, names: list[str]) -> bool:
    """Say whether a name is one of others, without case and blanks."""
    return _plain(name) in map(_plain, names)


def _is_generic(head: list[str] | None) -> bool:
    """Say whether a head's names are but the numbers of its outputs."""
    return head is not None and [_plain(name) for name in head] == [str(number) for number in range(len(head))]


def _plain(name: str) -> str:
    words = re.sub(r"[\s_-]+", " ", name.strip().casefold())
    return re.sub(r"^label (\d+)$", r"\1", words)
