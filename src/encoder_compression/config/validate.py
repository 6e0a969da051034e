"""Options checked by a schema, which also fills in its defaults, whatever the order of keys in either."""

import copy
import math

from jsonschema import Draft202012Validator, validators

from encoder_compression.config.explain import explain
from encoder_compression.errors import Mistake


def find_mistakes(options: dict, schema: dict) -> list[Mistake]:
    """Fill the defaults of a schema, as `schema.read` returns it, into ``options``, in place; return what is wrong in these."""
    return explain(list(_Validator(schema).iter_errors(options)), schema)


def _with_defaults(validator_class):
    """Extend a validator so that it fills in the schema's defaults while it checks."""
    check_properties = validator_class.VALIDATORS["properties"]

    def fill_and_check(validator, properties, instance, schema):
        for key, subschema in properties.items():
            if isinstance(instance, dict) and "default" in subschema:
                instance.setdefault(key, copy.deepcopy(subschema["default"]))
        yield from check_properties(validator, properties, instance, schema)

    return validators.extend(validator_class, {"properties": fill_and_check}, type_checker=_strict_numbers(validator_class.TYPE_CHECKER))


def _strict_numbers(checker):
    """Refuse 3.0 as a whole number, which would print and hash as another value than 3, and what is not finite as a number."""
    return checker.redefine_many(
        {
            "integer": lambda _, value: not isinstance(value, float) and checker.is_type(value, "integer"),
            "number": lambda _, value: checker.is_type(value, "number") and not (isinstance(value, float) and not math.isfinite(value)),
        }
    )


_Validator = _with_defaults(Draft202012Validator)
