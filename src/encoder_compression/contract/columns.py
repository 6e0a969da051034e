"""Which columns of a table are the text and the label, and what task that makes."""

import re
from dataclasses import dataclass, field

import pandas as pd

from encoder_compression.data.tasks.labels import NUMBER, WHOLE, as_text
from encoder_compression.errors import UserError, nearest

# Names that columns of public data sets have, the likelier first.
TEXTS = ("text", "sentence", "review", "comment", "content", "message", "tweet", "body", "document", "description", "title", "question")
LABELS = ("label", "labels", "class", "category", "sentiment", "intent", "topic", "target", "stars", "rating", "score", "y")
PAIRS = (
    ("sentence1", "sentence2"), ("text1", "text2"), ("text_a", "text_b"), ("premise", "hypothesis"), ("question1", "question2"),
    ("question", "sentence"), ("query", "passage"), ("text", "text_pair"),
)  # fmt: skip
QUESTIONS = {"question", "context", "answers"}
MOST_CLASSES = 200
HAS_WORDS = 0.5  # share of a column's values with several words, in which it is a column of texts
NUMBERS = 20  # so many different whole numbers are an amount and no class


@dataclass(frozen=True)
class Roles:
    """The columns by their roles in ``columns`` of a data set, and the task."""

    task: str
    columns: dict[str, str] = field(default_factory=dict)


def find(table: pd.DataFrame, *, name: str, text: str | None, text_pair: str | None, label: str | None, task: str | None) -> Roles:
    """Return the roles of a table's columns; those that the user names are taken as they are.

    UserError where a named column is missing, where several could be the label, or where the labels are of one class.
    """
    _require(table, name, {"--text": text, "--text-pair": text_pair, "--label": label})
    if task == "question-answering" or (task is None and not (text or label) and set(table.columns) >= QUESTIONS):
        return Roles("question-answering")
    pair = (text, text_pair) if text else _pair(list(table.columns), label)
    texts = [column for column in pair if column] or [_text(table, name, label)]
    label = label or _label(table, name, texts)
    columns = dict(zip(("text", "text_pair"), texts, strict=False)) | {"label": label}
    return Roles(task or _task(table[label], name, label), columns)


def _require(table: pd.DataFrame, name: str, given: dict[str, str | None]) -> None:
    for option, column in given.items():
        if column is not None and column not in table.columns:
            raise UserError(f"{name} has no column '{column}' for {option}{nearest(column, list(table.columns))}")


def _pair(columns: list[str], label: str | None) -> tuple[str | None, str | None]:
    by_name = {column.lower(): column for column in columns if column != label}
    fitting = (pair for pair in PAIRS if set(pair) <= by_name.keys())
    return tuple(by_name[column] for column in next(fitting, ())) or (None, None)


def _named(columns: list[str], names: tuple[str, ...]) -> str | None:
    """Return the column that has the first of the names, or one of them among its words, as review_text has."""
    for name in names:
        for column in columns:
            if name == column.lower():
                return column
    return next((column for name in names for column in columns if name in re.split(r"[\W_]+", column.lower())), None)


def _text(table: pd.DataFrame, name: str, label: str | None) -> str:
    """Return the column of the texts: by its name, else the one with the most letters in a row."""
    columns = [column for column in table.columns if column != label]
    named = _named([column for column in columns if _named([column], LABELS) is None or _named([column], TEXTS)], TEXTS)
    if named:
        return named
    lengths = {column: table[column].map(lambda value: len(value) if isinstance(value, str) else 0).mean() for column in columns}
    longest = max(lengths, key=lengths.get, default=None)
    if longest is None or not table[longest].map(_has_words).mean() > HAS_WORDS:
        raise UserError(f"{name} has no column of texts; {_described(table)}: name one by --text")
    return longest


def _has_words(value) -> bool:
    """Say whether a value is a text of several words, as an id or a date is none."""
    return isinstance(value, str) and any(letter.isspace() for letter in value.strip())


def _described(table: pd.DataFrame) -> str:
    """Return the columns, and of a column of records their fields, which a table has as columns of their own."""
    records = {column: next((value for value in table[column] if isinstance(value, dict)), None) for column in table.columns}
    nested = [f"column '{name}' holds records of {', '.join(fields)}: make a column of each" for name, fields in records.items() if fields]
    return "; ".join([f"its columns are {', '.join(table.columns)}", *nested])


def _label(table: pd.DataFrame, name: str, texts: list[str]) -> str:
    """Return the column of the labels: by its name, else the only one with few enough different values."""
    columns = [column for column in table.columns if column not in texts]
    if named := _named(columns, LABELS):
        return named
    most = min(MOST_CLASSES, len(table) // 2)
    possible = [column for column in columns if 2 <= table[column].map(str).nunique() <= most]
    if len(possible) != 1:
        which = f"{' and '.join(possible)} could be the label" if possible else f"none of the columns {', '.join(columns)} can be the label"
        raise UserError(f"{name}: {which if columns else 'there is no column beside the text'}; name the column of the label by --label")
    return possible[0]


def _task(values: pd.Series, name: str, label: str) -> str:
    """Return what the labels make of the task: numbers that are no classes make a regression."""
    texts = as_text(values)
    if texts.isna().any():
        raise UserError(f"{name}: column '{label}' holds lists, so several labels a text; give each text one label, or a column of its own")
    different = sorted(set(texts) - {""})
    if len(different) < 2:
        raise UserError(
            f"{name}: column '{label}' has {len(different)} label in all rows, {different}; a model needs rows of two classes at least"
        )
    _refuse_decimal_commas(different, f"{name}: column '{label}'")
    numbers = all(NUMBER.fullmatch(text) for text in different)
    fractions = numbers and not all(WHOLE.fullmatch(text) for text in different)
    if fractions or (numbers and len(different) > NUMBERS):
        return "regression"
    if len(different) > MOST_CLASSES:
        raise UserError(
            f"{name}: column '{label}' has {len(different)} different values, {different[:3]} among them; name another by --label"
        )
    return "classification"


def _refuse_decimal_commas(different: list[str], where: str) -> None:
    """Raise UserError where labels would be numbers with a point in place of a comma."""
    with_comma = [text for text in different if "," in text]
    if with_comma and all(NUMBER.fullmatch(text.replace(",", ".")) for text in different):
        raise UserError(f"{where} has numbers with a decimal comma, such as {with_comma[0]}; write them with a point")
