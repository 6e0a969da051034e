"""YAML files as a mapping of named keys: what YAML itself would lose or take for something else is a mistake here."""

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


class _Mistake(Exception):
    """A mistake in a line, counted from 1."""

    def __init__(self, line: int, message: str):
        super().__init__(f"line {line}: {message}")


def _shown(key: yaml.Node) -> str:
    return f"the key '{key.value}'" if isinstance(key, yaml.ScalarNode) else "a key of several values"


def read(path: Path) -> dict:
    """Return what a YAML file holds; an empty one holds nothing.

    Raises UserError, in one line with file, line and remedy, where it is no UTF-8 or no YAML, where a key is given twice at any
    depth or is no text, and where the file holds something else than keys.
    """
    file = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    try:
        content = yaml.load(path.read_text(encoding="utf-8-sig"), _Loader)
    except UnicodeDecodeError as error:
        raise UserError(f"{file}: not UTF-8 at byte {error.start}; save the file in UTF-8") from None
    except OSError as error:
        raise UserError(f"{file}: cannot be read, {error.strerror}; make it a file that you can read") from None
    except _Mistake as error:
        raise UserError(f"{file}: {error}") from None
    except yaml.YAMLError as error:
        raise UserError(f"{file}: {_explain(error)}") from None
    except ValueError as error:
        raise UserError(f"{file}: YAML takes a text for a date or a number that there is not ({error}); write it in quotes") from None
    if not isinstance(content or {}, dict):
        raise UserError(f"{file}: holds no keys; write lines such as 'task: classification'")
    return content or {}


def _explain(error: yaml.YAMLError) -> str:
    """Return the place of a mistake in YAML, what is wrong there and, for the commonest mistakes, what to write."""
    problem, mark = getattr(error, "problem", None) or str(error), getattr(error, "problem_mark", None)
    line = f"line {mark.line + 1}: " if mark else ""
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
