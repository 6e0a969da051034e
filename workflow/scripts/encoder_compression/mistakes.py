"""What jsonschema found wrong in a YAML file, as one line that says where and what would be right."""

import json

from jsonschema import ValidationError

from encoder_compression.errors import nearest

KINDS = {
    "object": "keys with values, such as {}",
    "array": "a list, such as [1, 2]",
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
}


def explain(error: ValidationError) -> str:
    """Return one line that says where the mistake is and what would be right."""
    place = ".".join(str(key) for key in error.absolute_path)
    prefix = f"{place}: " if place else ""
    known = error.schema.get("properties", {})
    if error.validator == "additionalProperties" and known:
        unknown = sorted(set(error.instance) - set(known))[0]
        return f"{prefix}unknown key '{unknown}'{nearest(unknown, known)}"
    if error.validator == "enum" and isinstance(error.instance, str):
        return f"{prefix}unknown value '{error.instance}'{nearest(error.instance, error.validator_value)}"
    if error.validator == "type":
        return f"{prefix}{_explain_type(error.instance, error.validator_value)}"
    if error.validator == "anyOf" and isinstance(error.instance, dict):  # the mistake in it, not that it is no name
        return explain(next(inner for inner in error.context if inner.validator != "enum"))
    if error.validator == "anyOf" and isinstance(error.instance, list):  # the mistake in the list, not that it is no name
        return explain(max(error.context, key=lambda inner: (len(inner.absolute_path), inner.validator != "enum")))
    if error.validator == "anyOf":  # a name or something that is no name
        names, *others = error.validator_value
        others = "".join(f"; or give {KINDS[other['type']]}" for other in others if "type" in other)
        return f"{prefix}unknown value '{error.instance}'{nearest(str(error.instance), names.get('enum', []))}{others}"
    if error.validator == "pattern" and "description" in error.schema:
        return f"{prefix}'{error.instance}' does not look right. {error.schema['description']}"
    if error.validator == "pattern":
        return f"{prefix}'{error.instance}' is no name here; take letters, digits and '_', a letter first"
    if error.validator == "not":
        return f"{prefix}not for this task; take it out or change 'task'"
    if error.validator in ("minProperties", "maxProperties") and known:
        return f"{prefix}give exactly one of: {', '.join(known)}"
    if error.validator == "oneOf":  # each branch requires one key
        return f"{prefix}give exactly one of: {', '.join(branch['required'][0] for branch in error.validator_value)}"
    return f"{prefix}{error.message}"


def _explain_type(found, wanted: str) -> str:
    """Return what is there in place of a value of the wanted kind, and how such a one is written."""
    if found is None:
        return f"nothing stands here; give {KINDS[wanted]}, or take the key out"
    if wanted in ("number", "integer") and isinstance(found, str):
        return f"'{found}' is text to YAML, not a number; write it {'like 5.0e-5' if 'e' in found else 'without quotes'}"
    return f"{json.dumps(found)} is not {KINDS[wanted]}" + (f"; write [{found}]" if wanted == "array" else "")
