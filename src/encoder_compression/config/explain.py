"""What jsonschema found wrong in options, as mistakes that say where and what would be right."""

import datetime
import json
import math

from jsonschema import ValidationError

from encoder_compression.config.schema import resolve
from encoder_compression.errors import Mistake, closest, nearest

OF_UNKNOWN_KEYS = ("additionalProperties", "unevaluatedProperties")
KINDS = {
    "object": "keys with values, such as {}",
    "array": "a list, such as [1, 2]",
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
}


def explain(errors: list[ValidationError], schema: dict) -> list[Mistake]:
    """Return the mistakes behind errors of a ``schema``, in words, less those that follow from another one.

    What is wrong in a value of the wrong kind follows from that, a key that is missing since it is misspelt from the unknown key, and
    what is wrong in a section from that the section may have to go.
    """
    leaves = [leaf for error in errors for leaf in _leaves(error)]
    return [mistake for error in leaves if not _follows(error, leaves, schema) for mistake in _mistakes(error, schema)]


def _follows(error: ValidationError, errors: list[ValidationError], schema: dict) -> bool:
    """Say whether an error follows from another one."""
    place = tuple(error.absolute_path)
    beside = [another for another in errors if another is not error and tuple(another.absolute_path) == place]
    if error.validator != "type" and any(another.validator == "type" for another in beside):
        return True
    meant = {closest(str(key), _known(another, schema)) for another in beside for key in _unknown(another, schema)}
    sections = [(*another.absolute_path, key) for another in errors for key in _alternatives(another)]
    return bool(meant & set(_wanted(error))) or any(place[: len(section)] == section for section in sections)


def _leaves(error: ValidationError) -> list[ValidationError]:
    """Return the errors in a mapping or list that may also be a name, as they say more than that it is none; else the error."""
    if error.validator != "anyOf" or not isinstance(error.instance, dict | list):
        return [error]
    named = [inner for inner in error.context if inner.validator == "enum" or _is_of_another_kind(inner, error)]
    inner = [inner for inner in error.context if inner not in named] or error.context
    likeliest = max(inner, key=lambda inner: len(inner.absolute_path)) if isinstance(error.instance, list) else inner[0]
    branch = [inner for inner in error.context if inner.schema_path[0] == likeliest.schema_path[0]]
    return [leaf for inner in branch for leaf in _leaves(inner)]


def _is_of_another_kind(inner: ValidationError, error: ValidationError) -> bool:
    """Say whether what an alternative misses is the kind of the whole value."""
    return inner.validator == "type" and inner.absolute_path == error.absolute_path


def _mistakes(error: ValidationError, schema: dict) -> list[Mistake]:
    place = tuple(map(str, error.absolute_path))
    if error.validator in OF_UNKNOWN_KEYS:
        known = {*_known(error, schema), *([] if place else ["extends"])}
        return [Mistake(place, f"unknown key '{key}'{nearest(str(key), known)}", str(key)) for key in _unknown(error, schema)]
    if error.validator == "required":
        return [Mistake(place, f"the key '{key}' is missing; add it", key) for key in _wanted(error)]
    words = EXPLANATIONS[error.validator](error) if error.validator in EXPLANATIONS else error.message
    return [Mistake(place, words, error.instance if "propertyNames" in error.schema_path else "")]


def _unknown(error: ValidationError, schema: dict) -> list:
    """Return the keys of a section that its schema does not know."""
    return sorted(set(error.instance) - set(_known(error, schema)), key=str) if error.validator in OF_UNKNOWN_KEYS else []


def _known(error: ValidationError, schema: dict) -> dict:
    """Return the options of a section, those of a block that it takes among them."""
    return resolve(error.schema, schema)["properties"]


def _wanted(error: ValidationError) -> list[str]:
    """Return the keys of which a section lacks some."""
    if error.validator == "required":
        return [key for key in error.validator_value if key not in error.instance]
    return _branches(error) if error.validator == "oneOf" else []


def _alternatives(error: ValidationError) -> list[str]:
    """Return the keys of a section of which some have to go, so that what is wrong in them may, too."""
    if error.validator in ("maxProperties", "not") and isinstance(error.instance, dict):
        return list(error.instance)
    return _branches(error) if error.validator == "oneOf" else []


def _branches(error: ValidationError) -> list[str]:
    """Return the keys of which a section needs exactly one, in a schema whose every branch requires one key."""
    return [branch["required"][0] for branch in error.validator_value]


def _unknown_value(error: ValidationError) -> str:
    if isinstance(error.instance, str):
        return f"unknown value '{error.instance}'{nearest(error.instance, error.validator_value)}"
    return f"unknown value {_shown(error.instance)}; known: {', '.join(map(_shown, error.validator_value))}"


def _no_name(error: ValidationError) -> str:
    """Explain a value that is neither one of the names nor what may stand in place of a name."""
    names, *alternatives = error.validator_value
    if "enum" not in names:
        kinds = [KINDS[kind["type"]] for kind in error.validator_value if "type" in kind]
        return f"{_shown(error.instance)} is not {' or '.join(kinds)}; write it as such"
    alternatives = "".join(f"; or give {KINDS[alternative['type']]}" for alternative in alternatives if "type" in alternative)
    return f"unknown value '{error.instance}'{nearest(str(error.instance), names['enum'])}{alternatives}"


def _pattern(error: ValidationError) -> str:
    if "description" in error.schema:
        return f"'{error.instance}' does not look right. {error.schema['description']}"
    dashes = "_-" in error.validator_value
    signs = "letters, digits, '_' and '-', a letter or digit first" if dashes else "letters, digits and '_', a letter first"
    return f"'{error.instance}' is no name here; take {signs}"


def _not_here(error: ValidationError) -> str:
    return "not for this task; take it out or change 'task'"


def _count_of_keys(error: ValidationError) -> str:
    known = error.schema.get("properties", {})
    return f"give exactly one of: {', '.join(known)}" if known else f"{error.message}; name at least {error.validator_value}"


def _one_of(error: ValidationError) -> str:
    return f"give exactly one of: {', '.join(_branches(error))}"


def _repeated(error: ValidationError) -> str:
    value = next(item for index, item in enumerate(error.instance) if item in error.instance[:index])
    return f"{_shown(value)} is listed twice; take one out"


def _too_few(error: ValidationError) -> str:
    return f"{error.message}; list at least {error.validator_value}"


def _fixed(error: ValidationError) -> str:
    return f"{_shown(error.instance)} is not {_shown(error.validator_value)}, which the workflow itself sets; take the key out"


def _bounds(error: ValidationError) -> str:
    """Explain between which numbers a value must lie, and that a share is no percentage."""
    schema = error.schema
    ends = {"minimum": "at least", "exclusiveMinimum": "more than", "maximum": "at most", "exclusiveMaximum": "less than"}
    allowed = " and ".join(f"{words} {schema[end]}" for end, words in ends.items() if end in schema)
    is_share = 1 in (schema.get("maximum"), schema.get("exclusiveMaximum")) and 1 < error.instance <= 100
    percentage = f" ({error.instance:g} % is {error.instance / 100:g})" if is_share else ""
    return f"{error.message}; give {allowed}{percentage}"


def _kind(error: ValidationError) -> str:
    """Explain what stands in place of a value of the wanted kind, and how such a value is written."""
    value, wanted = error.instance, error.validator_value
    if not isinstance(wanted, str):
        return f"{_shown(value)} is none of these: {', '.join(KINDS[kind] for kind in wanted)}; give one"
    if value is None:
        return f"nothing stands here; give {KINDS[wanted]}, or take the key out"
    return EXPLANATIONS_OF_KINDS[wanted](value, error.schema)


def _no_text(value, schema: dict) -> str:
    if isinstance(value, bool):
        return f"YAML takes yes, no, on, off, true and false for {_shown(value)}; put the text in quotes"
    if isinstance(value, int | float | datetime.date):
        return f"{value} is {'a date' if isinstance(value, datetime.date) else 'a number'} to YAML; write '{value}' in quotes"
    return f"{_shown(value)} is not a text; write one, without brackets"


def _no_number(value, schema: dict) -> str:
    wanted = KINDS[schema["type"]]
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value} is not {wanted}; give a finite number"
    if not isinstance(value, str):
        whole = isinstance(value, float) and value.is_integer()
        return f"{_shown(value)} is not {wanted}; {f'write {value:.0f}' if whole else f'give {wanted}'}"
    if value.endswith("%"):
        return f"'{value}' is text to YAML, not a number; write a share, such as 0.6 for 60 %"
    return f"'{value}' is text to YAML, not a number; {_how_to_write(value, wanted)}"


def _how_to_write(text: str, wanted: str) -> str:
    try:
        float(text)
    except ValueError:
        return f"give {wanted}"
    return "write it like 5.0e-5" if "e" in text.lower() else "write it without quotes"


def _no_list(value, schema: dict) -> str:
    if isinstance(value, dict):
        return f"{_shown(value)} is not {KINDS['array']}; write its parts between brackets"
    if isinstance(value, str) and value.startswith("["):
        return f"'{value}' is no whole list; close the bracket"
    return f"{_shown(value)} is not {KINDS['array']}; write [{value}]"


def _no_keys(value, schema: dict) -> str:
    known = ", ".join(schema.get("properties", {}))
    return f"{_shown(value)} is not {KINDS['object']}; {f'its keys: {known}' if known else 'write a line for each name, such as name: {}'}"


def _no_boolean(value, schema: dict) -> str:
    return f"{_shown(value)} is not {KINDS['boolean']}; write one of them, without quotes"


def _shown(value) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)


EXPLANATIONS_OF_KINDS = {
    "object": _no_keys,
    "array": _no_list,
    "string": _no_text,
    "number": _no_number,
    "integer": _no_number,
    "boolean": _no_boolean,
}
EXPLANATIONS = {
    "enum": _unknown_value,
    "anyOf": _no_name,
    "pattern": _pattern,
    "not": _not_here,
    "minProperties": _count_of_keys,
    "maxProperties": _count_of_keys,
    "oneOf": _one_of,
    "uniqueItems": _repeated,
    "minItems": _too_few,
    "const": _fixed,
    "minimum": _bounds,
    "maximum": _bounds,
    "exclusiveMinimum": _bounds,
    "exclusiveMaximum": _bounds,
    "type": _kind,
}
