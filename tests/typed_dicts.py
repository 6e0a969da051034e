"""Whether plain values are what a `TypedDict` says."""

from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict


def mismatches(value, kind, *, where: str, open_kinds: tuple = ()) -> list[str]:
    """Return a line for each place at which ``value`` is not of ``kind``; TypedDicts of ``open_kinds`` may have more keys."""
    origin, arguments = get_origin(kind), get_args(kind)
    if is_typeddict(kind):
        return _of_dict(value, kind, where=where, open_kinds=open_kinds)
    if origin in (Union, UnionType):
        branches = [mismatches(value, branch, where=where, open_kinds=open_kinds) for branch in arguments]
        return min(branches, key=len)
    if origin is list and isinstance(value, list):
        return _of_items(enumerate(value), arguments[0], where=where, open_kinds=open_kinds)
    if origin is dict and isinstance(value, dict):
        return _of_items(value.items(), arguments[1], where=where, open_kinds=open_kinds)
    return [] if _is_plain(value, kind) else [f"{where}: {value!r} is not {kind}"]


def _of_dict(value, kind, *, where: str, open_kinds: tuple) -> list[str]:
    if not isinstance(value, dict):
        return [f"{where}: {value!r} is not {kind}"]
    hints = get_type_hints(kind)
    lines = [f"{where}.{name} is missing" for name in hints.keys() - value.keys()]
    lines += [f"{where}.{name} is not a key of {kind}" for name in value.keys() - hints.keys() if kind not in open_kinds]
    common = [(name, value[name], hints[name]) for name in hints.keys() & value.keys()]
    return lines + [line for name, item, hint in common for line in mismatches(item, hint, where=f"{where}.{name}", open_kinds=open_kinds)]


def _of_items(items, kind, *, where: str, open_kinds: tuple) -> list[str]:
    return [line for name, item in items for line in mismatches(item, kind, where=f"{where}[{name!r}]", open_kinds=open_kinds)]


def _is_plain(value, kind) -> bool:
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if kind is Any:
        return True
    kinds = {float: (int, float), None: NoneType}.get(kind, kind)  # a whole number is a float, too
    return isinstance(value, kinds) and (kind is bool or not isinstance(value, bool))  # a bool is no number
