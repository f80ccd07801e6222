"""A check of JSON values against the part of JSON Schema that `spec/schemas` uses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

__all__ = ["schema_problems"]

_KNOWN = frozenset(
    (
        *("$schema", "$defs", "$ref", "title", "description", "type", "enum", "const", "anyOf"),
        *("properties", "required", "additionalProperties", "items", "minItems", "maxItems"),
        *("minimum", "maximum", "pattern"),
    )
)
_TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
}


def schema_problems(value: Any, schema: Any, root: Any, path: str = "$") -> Iterator[str]:
    """Yield a text for each place at which a value does not fit a schema.

    Raises:
        AssertionError: If the schema has a keyword that this function does not check.
    """
    if schema is True:
        return
    assert set(schema) <= _KNOWN, (path, set(schema) - _KNOWN)
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        yield from schema_problems(value, root["$defs"][name], root, path)
    if "anyOf" in schema:
        found = [list(schema_problems(value, part, root, path)) for part in schema["anyOf"]]
        if all(found):
            yield f"{path}: none of {len(found)} schemas: {found}"
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if types and not any(_is_of(value, name) for name in types):
        yield f"{path}: expected {types}, got {value!r:.60}"
        return
    if value not in schema.get("enum", [value]) or value != schema.get("const", value):
        yield f"{path}: {value!r} is not allowed"
    if type(value) in (int, float) and not _is_within(value, schema):
        yield f"{path}: {value!r} is out of range"
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        yield f"{path}: {value!r} does not match"
    if isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            yield f"{path}: {len(value)} items"
        for i, part in enumerate(value):
            yield from schema_problems(part, schema.get("items", True), root, f"{path}[{i}]")
    if isinstance(value, dict):
        yield from _object_problems(value, schema, root, path)


def _object_problems(value: Any, schema: Any, root: Any, path: str) -> Iterator[str]:
    named = schema.get("properties", {})
    yield from (
        f"{path}.{name}: missing" for name in schema.get("required", ()) if name not in value
    )
    for name, part in value.items():
        own = named.get(name, schema.get("additionalProperties", True))
        yield from schema_problems(part, own, root, f"{path}.{name}")


def _is_within(value: float, schema: Any) -> bool:
    return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))


def _is_of(value: Any, name: str) -> bool:
    if name == "number":
        return type(value) in (int, float)
    if name == "integer":
        return type(value) is int
    return isinstance(value, _TYPES[name])
