"""What YAML itself would lose or misread in a file of the workflow is one line with file, line and remedy."""

from pathlib import Path

import pytest

from conftest import ROOT
from encoder_compression.config import yaml_files
from encoder_compression.errors import UserError


def read(folder: Path, text: str) -> dict:
    (folder / "study.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
    return yaml_files.read(folder / "study.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "prune: {}\nfinetune: {}\nprune: {}\n",
            "3: 'prune' is given twice, first in line 1; YAML keeps the second alone: merge the two",
        ),
        ("a:\n  b:\n    c: 1\n    d: 2\n    c: 3\n", "5: 'c' is given twice, first in line 3; "),
        ("a: [{b: 1,\n  b: 2}]\n", "2: 'b' is given twice, first in line 1; "),
        ("a: 1\n'a': 2\n", "2: 'a' is given twice, first in line 1; "),
        ("x: &x {a: 1}\ny: {<<: *x, b: 1, b: 2}\n", "2: 'b' is given twice, first in line 2; "),
        ("prune:\n  on: {}\n", "2: the key 'on' is no text to YAML; write the key in quotes"),
        ("1.5: 2\n", "1: the key '1.5' is no text to YAML; write the key in quotes"),
        ("a: {1: b, '1': c}\n", "1: '1' is given twice, first in line 1"),
        ("a: 1\nb: &x {c: [*x]}\n", "2: a value holds itself by an alias; write out what is meant"),
        ("[a]: 2\n", "1: a key of several values is no text to YAML; write the key in quotes"),
        ("a:\n\tb: 1\n", "2: not valid YAML, found character '.+t' that cannot start any token; indent by spaces and not by tabs"),
        ("a: b: c\n", "1: not valid YAML, mapping values are not allowed here; put a text with ': ' in it in quotes"),
        ("a:\n  b: 1\n c: 2\n", "3: not valid YAML, expected <block end>, .* indent the keys of a section by as many spaces"),
        ("a: [1, 2\nb: 3\n", "2: not valid YAML, .*; close the bracket, and put commas between its parts"),
        ('a: "x\n', "2: not valid YAML, found unexpected end of stream; close the quotes"),
        ("a: *x\n", "1: not valid YAML, found undefined alias 'x'; put a text that begins with '\\*' in quotes"),
        ("a: 1\n---\nb: 1\n", "2: not valid YAML, but found another document; take the line '---' out"),
        ("a: 1\nb: 2026-13-45\n", "2: YAML takes a text for a date or a number that there is not .*; write it in quotes"),
        ("a: !!python/name:os.system\n", "1: not valid YAML, could not determine a constructor for the tag"),
        ("- a\n", " holds no keys; write lines such as 'task: classification'"),
        ("a: \x01\n", " not valid YAML, .*; take characters out that cannot be printed"),
        ("größe: 1\n".encode("latin-1"), " not UTF-8 at byte 2; save the file in UTF-8"),
    ],
)
def test_what_yaml_would_lose_or_misread_is_one_line_with_file_line_and_remedy(tmp_path, text, message):
    with pytest.raises(UserError, match=f"study.yaml:{message}") as error:
        read(tmp_path, text)
    assert "\n" not in str(error.value)


def test_merge_keys_are_no_repetition_at_whatever_depth(tmp_path):
    assert read(tmp_path, "x: &x {a: 1, b: 2}\ny: {<<: *x, a: 3}\n")["y"] == {"a": 3, "b": 2}
    text = "w: {y: &a {<<: &b {k: 2}, k: 1}}\nc: {<<: *a, l: 3}\n"  # 'c' is constructed before the mapping that it takes in
    assert read(tmp_path, text) == {"w": {"y": {"k": 1}}, "c": {"k": 1, "l": 3}}


def test_a_byte_order_mark_and_an_empty_file_are_no_mistake(tmp_path):
    assert read(tmp_path, "\ufeffa: 1\n") == {"a": 1}
    assert read(tmp_path, "# nothing\n") == {}


def test_a_file_that_is_none_is_told(tmp_path):
    with pytest.raises(UserError, match="cannot be read, Is a directory; make it a file that you can read"):
        yaml_files.read(tmp_path)


@pytest.mark.parametrize(
    "path", [path for folder in ("config", "profiles", "workflow/schemas") for path in sorted((ROOT / folder).rglob("*.yaml"))], ids=str
)
def test_every_yaml_file_that_comes_along_gives_a_key_once(path):
    assert yaml_files.read(path)


def test_a_whole_number_as_a_key_is_the_text_of_its_digits_as_labels_are(tmp_path):
    (tmp_path / "study.yaml").write_text("dataset: {label_map: {1: bad, -1: 5}}\n", encoding="utf-8")
    assert yaml_files.read(tmp_path / "study.yaml") == {"dataset": {"label_map": {"1": "bad", "-1": 5}}}


def test_every_place_of_a_file_has_the_line_of_its_key_or_item(tmp_path):
    text = "# a comment\na:\n  b: {c: 1,\n    d: 2}\n\n'e':\n  - x\n  - [y,\n     z]\n  - f: 1\n"
    (tmp_path / "study.yaml").write_text(text, encoding="utf-8")
    content, lines = yaml_files.read_with_lines(tmp_path / "study.yaml")
    assert content == {"a": {"b": {"c": 1, "d": 2}}, "e": ["x", ["y", "z"], {"f": 1}]}
    assert {".".join(place): line for place, line in lines.items()} == {
        "a": 2, "a.b": 3, "a.b.c": 3, "a.b.d": 4,
        "e": 6, "e.0": 7, "e.1": 8, "e.1.0": 8, "e.1.1": 9, "e.2": 10, "e.2.f": 10,
    }  # fmt: skip


def test_what_an_alias_or_a_merge_key_brings_has_the_line_where_it_is_written_unless_it_is_overridden(tmp_path):
    text = "a: &a\n  x: 1\n  y: 2\nb:\n  <<: *a\n  y: 3\nc: *a\n"
    (tmp_path / "study.yaml").write_text(text, encoding="utf-8")
    content, lines = yaml_files.read_with_lines(tmp_path / "study.yaml")
    assert content["b"] == {"x": 1, "y": 3}
    assert [lines["b", "x"], lines["b", "y"], lines["b",], lines["c",], lines["c", "y"]] == [2, 6, 4, 7, 3]
