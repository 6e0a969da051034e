"""YAML files as a mapping of named keys: what YAML itself would lose or take for something else is a mistake here."""

from collections.abc import Iterator
from pathlib import Path

import yaml

from encoder_compression.errors import UserError

MERGE = "tag:yaml.org,2002:merge"
TEXT = "tag:yaml.org,2002:str"
WHOLE = "tag:yaml.org,2002:int"


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, for which a key is a text that a mapping has once; merge keys (<<) stay what they are."""

    def compose_mapping_node(self, anchor):
        """Return the node of a mapping whose keys are checked; here, as merge keys still stand apart from the others."""
        node = super().compose_mapping_node(anchor)
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if key.tag == MERGE:
                continue
            line = key.start_mark.line + 1
            key.tag = TEXT if key.tag == WHOLE else key.tag  # a label, such as 1, is the text of its digits
            if key.tag != TEXT:
                raise _Mistake(line, f"{_shown(key)} is no text to YAML; write the key in quotes")
            if key.value in lines:
                first = lines[key.value]
                raise _Mistake(line, f"'{key.value}' is given twice, first in line {first}; YAML keeps the second alone: merge the two")
            lines[key.value] = line
        return node

    def construct_object(self, node, deep=False):
        """Return what a node stands for."""
        try:
            return super().construct_object(node, deep)
        except ValueError as error:
            message = f"YAML takes a text for a date or a number that there is not ({error}); write it in quotes"
            raise _Mistake(node.start_mark.line + 1, message) from None


class _Mistake(Exception):
    """A mistake in a line, counted from 1."""

    def __init__(self, line: int, message: str):
        super().__init__(f"{line}: {message}")


def _shown(key: yaml.Node) -> str:
    return f"the key '{key.value}'" if isinstance(key, yaml.ScalarNode) else "a key of several values"


def name_of(path: Path) -> str:
    """Return how a file is called in messages: its path from the working directory where it lies below that."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def read(path: Path) -> dict:
    """Return what a YAML file holds; an empty one holds nothing.

    Raises UserError, in one line with file, line and remedy, where it is no UTF-8 or no YAML, where a key is given twice at any
    depth or is no text, where a value holds itself, and where the file holds something else than keys.
    """
    return read_with_lines(path)[0]


def read_with_lines(path: Path) -> tuple[dict, dict[tuple[str, ...], int]]:
    """Return what a YAML file holds and the line, counted from 1, of each place in it: its keys from the top down, indexes of lists too.

    The line is that of the key, or of the item of a list. Raises UserError as `read` does.
    """
    file = name_of(path)
    try:
        content, lines = _load(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UserError(f"{file}: not UTF-8 at byte {error.start}; save the file in UTF-8") from None
    except OSError as error:
        raise UserError(f"{file}: cannot be read, {error.strerror}; make it a file that you can read") from None
    except _Mistake as error:
        raise UserError(f"{file}:{error}") from None
    except yaml.YAMLError as error:
        raise UserError(f"{file}{_explain(error)}") from None
    if not isinstance(content or {}, dict):
        raise UserError(f"{file}: holds no keys; write lines such as 'task: classification'")
    return content or {}, lines


def _load(text: str) -> tuple[object, dict[tuple[str, ...], int]]:
    loader = _Loader(text)
    node = loader.get_single_node()
    if node is None:
        return None, {}
    _refuse_circles(node, ())
    content = loader.construct_document(node)  # which also puts what merge keys bring before the mapping's own keys
    return content, dict(_lines(node, ()))


def _refuse_circles(node: yaml.Node, above: tuple[yaml.Node, ...]) -> None:
    if node in above:
        raise _Mistake(node.start_mark.line + 1, "a value holds itself by an alias; write out what is meant")
    for child in _children(node):
        _refuse_circles(child, (*above, node))


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [value for _, value in node.value]
    return node.value if isinstance(node, yaml.SequenceNode) else []


def _lines(node: yaml.Node, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int]]:
    """Yield the places in a node and their lines; of a key that stands twice, as a merged one may, the last is the one that counts."""
    if isinstance(node, yaml.MappingNode):
        children = [(key.value, key, value) for key, value in node.value]
    else:
        children = [(str(index), item, item) for index, item in enumerate(_children(node))]
    for name, marked, child in children:
        yield (*place, name), marked.start_mark.line + 1
        yield from _lines(child, (*place, name))


def _explain(error: yaml.YAMLError) -> str:
    """Return the line of a mistake in YAML, what is wrong there and, for the commonest mistakes, what to write."""
    problem, mark = getattr(error, "problem", None) or str(error), getattr(error, "problem_mark", None)
    line = f":{mark.line + 1}: " if mark else ": "
    remedy = next((words for part, words in REMEDIES.items() if part in problem), "mend the line or the one before it")
    return f"{line}not valid YAML, {' '.join(problem.split())}; {remedy}"


# Part of PyYAML's words -> what to do.
REMEDIES = {
    r"character '\t'": "indent by spaces and not by tabs",
    "mapping values are not allowed": "put a text with ': ' in it in quotes, and indent a section's keys alike",
    "could not find expected ':'": "write ': ' between a key and its value",
    "expected <block end>": "indent the keys of a section by as many spaces, and put a text that begins with a quote wholly in quotes",
    "expected ',' or": "close the bracket, and put commas between its parts",
    "character '%'": "put a text that begins with this sign in quotes",
    "character '@'": "put a text that begins with this sign in quotes",
    "character '`'": "put a text that begins with this sign in quotes",
    "undefined alias": "put a text that begins with '*' in quotes",
    "special characters": "take characters out that cannot be printed",
    "another document": "take the line '---' out",
    "unexpected end of stream": "close the quotes",
}
