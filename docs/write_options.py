"""Write docs/options.md: every option of an experiment with its type, default and meaning, from the schema that checks it.

Run by `make options`; a test holds the page fresh.
"""

from collections.abc import Iterator
from pathlib import Path

import yaml

from encoder_compression.config.schema import resolve
from encoder_compression.study.techniques import TECHNIQUES

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "options.md"
SCHEMA = ROOT / "workflow" / "schemas" / "experiment.schema.yaml"
SHARED = ("training", "loss")  # blocks that many steps have, told once
OF_TASKS = {  # block of the schema -> its columns' heading
    "columns_of_sentences": "dataset.columns of classification and regression",
    "columns_of_questions": "dataset.columns of question-answering",
    "columns_of_texts": "dataset.columns of masked-language-modelling",
}
HEAD = ["| option | type | default | meaning |", "| --- | --- | --- | --- |"]
INTRODUCTION = """# Options of an experiment

Every key of `config/experiments/{experiment}.yaml`, from its [schema](../workflow/schemas/experiment.schema.yaml), by `make options`.
A step stands in the section of its technique under a name of your own: `distill: {even3: {layers: even}}`. A wrong key is refused with its
file, its line and the nearest right one.
"""
WORDS = {"object": "section", "array": "list", "string": "text", "boolean": "true or false"}
BOUNDS = {"minimum": "≥ {}", "exclusiveMinimum": "> {}", "maximum": "≤ {}", "exclusiveMaximum": "< {}"}


def page() -> str:
    """Return the whole page."""
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    sections = [("Top level", _leaves(schema))] + [
        (f"`{name}`", _section(part, schema)) for name, part in schema["properties"].items() if _section(part, schema)
    ]
    shared = [(f"`{name}` of a step", schema["$defs"][name]) for name in SHARED]
    columns = [(title, schema["$defs"][name]) for name, title in OF_TASKS.items()]
    return "\n".join([INTRODUCTION, _chains(), *(_table(title, part, schema) for title, part in [*sections, *shared, *columns])])


def _chains() -> str:
    """Return a table of the techniques: which of them may begin a chain, and what each may stand behind."""
    rows = [
        f"| [`{name}`](#{name}) | {'yes' if technique.begins or technique.elsewhere else ''} | {', '.join(map(_code, technique.follows))} |"
        for name, technique in TECHNIQUES.items()
    ]
    heads = ["| technique | may begin a chain | may stand behind |", "| --- | --- | --- |"]
    note = "A `distill` step begins a chain where its soft targets come from [elsewhere](guides/teachers.md)."
    return "\n".join(["## Chains", "", *heads, *rows, "", note, ""])


def _code(text: str) -> str:
    return f"`{text}`"


def _leaves(schema: dict) -> dict:
    """Return the top level without the keys that have a section."""
    return {"properties": {name: part for name, part in schema["properties"].items() if not _section(part, schema)}}


def _section(part: dict, schema: dict) -> dict | None:
    """Return what a key holds that has keys itself, under names of the user's own or not; None of a plain value."""
    part = resolve(part, schema)
    named = part.get("additionalProperties")
    inner = resolve(named, schema) if isinstance(named, dict) else part
    return part | inner if "properties" in inner else None


def _table(title: str, part: dict, schema: dict) -> str:
    lines = [f"## {title}", "", *([part["description"], ""] if "description" in part else []), *HEAD]
    return "\n".join([*lines, *(_row(*entry, schema) for entry in _entries(part, "", schema)), ""])


def _entries(part: dict, path: str, schema: dict) -> Iterator[tuple[str, dict, bool]]:
    """Yield (dotted name, its schema, whether it is required) of every option below a block."""
    for name, raw in part.get("properties", {}).items():
        option = resolve(raw, schema)
        if name == "version" and "const" in option:  # which users do not set
            continue
        yield f"{path}{name}", option, name in part.get("required", [])
        if "properties" in option and name not in SHARED and name != "columns":
            yield from _entries(option, f"{path}{name}.", schema)


def _row(name: str, option: dict, required: bool, schema: dict) -> str:
    link = f" [Options](#{name.rpartition('.')[2]}-of-a-step)." if name.rpartition(".")[2] in SHARED and "properties" in option else ""
    default = f"`{_value(option['default'])}`" if option.get("default") not in (None, {}) else "required" if required else ""
    meaning = option.get("description", "").replace("|", "\\|").rstrip(".")
    return f"| `{name}` | {_type(option, schema)} | {default} | {meaning + '.' if meaning else ''}{link} |"


def _value(value) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=1000).strip().removesuffix("\n...")


def _type(part: dict, schema: dict) -> str:
    """Return the type of a value in words, with its bounds."""
    option = resolve(part, schema)
    if "anyOf" in option:
        return " or ".join(dict.fromkeys(_type(each, schema) for each in option["anyOf"]))
    if "enum" in option:
        return ", ".join(f"`{_value(value)}`" for value in option["enum"])
    if "const" in option:
        return f"`{_value(option['const'])}`"
    kind = option.get("type", "section")
    kinds = [kind] if isinstance(kind, str) else kind
    bounds = [text.format(f"{option[key]:g}") for key, text in BOUNDS.items() if key in option]
    items = f" of {_type(option['items'], schema)}" if "items" in option else ""
    return " ".join([" or ".join(WORDS.get(each, each) for each in kinds) + items, *bounds])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
