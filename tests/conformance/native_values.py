"""Golden vectors' tagged JSON as native values, and back."""

from __future__ import annotations

import base64
import math
import struct
from typing import Any

from rlmesh import spaces
from rlmesh.spaces import GraphInstance
from rlmesh.spaces._stacking import stack
from rlmesh.tensor import Tensor

__all__ = ["dynamic_from_json", "one_nan", "value_from_json", "values_equal"]


def value_from_json(space: spaces.Space[Any], tagged: dict[str, Any]) -> Any:
    """The native value of `space` that `tagged` describes."""
    ((kind, content),) = tagged.items()
    if kind == "array":
        data = base64.b64decode(content["data"])
        return Tensor(data, content["dtype"], content["shape"])
    if kind == "int":
        return int(content)
    if kind == "text":
        return content
    if kind == "dict":
        return {
            _key(key): value_from_json(child, part)
            for (key, part), (_, child) in zip(content, space.children, strict=True)
        }
    if kind == "tuple":
        parts = zip(content, space.children, strict=True)
        return tuple(value_from_json(child, part) for part, (_, child) in parts)
    if kind == "sequence":
        assert isinstance(space, spaces.Sequence)
        values = [value_from_json(space.feature_space, part) for part in content]
        return stack(space.feature_space, values) if space.stack else tuple(values)
    if kind == "one_of":
        child = space.children[content["index"]][1]
        return (content["index"], value_from_json(child, content["value"]))
    assert kind == "graph" and isinstance(space, spaces.Graph)
    return _graph(space, content)


def _key(tagged: dict[str, Any]) -> str | int:
    return tagged["name"] if "name" in tagged else int(tagged["index"])


def _graph(space: spaces.Graph, content: dict[str, Any]) -> GraphInstance:
    nodes = [value_from_json(space.node_space, part) for part in content["nodes"]]
    edges = None
    if content["edges"] is not None:
        assert space.edge_space is not None
        edges = stack(
            space.edge_space, [value_from_json(space.edge_space, part) for part in content["edges"]]
        )
    links = None
    if content["edge_links"] is not None:
        rows = content["edge_links"]
        links = Tensor.of(rows, "int32") if rows else Tensor(b"", "int32", (0, 2))
    return GraphInstance(stack(space.node_space, nodes), edges, links)


def dynamic_from_json(tagged: dict[str, Any]) -> Any:
    """The Python value of a self-describing value's tagged JSON."""
    ((kind, content),) = tagged.items()
    if kind in ("null", "bool", "string"):
        return content
    if kind == "int":
        return int(content)
    if kind == "bytes":
        return base64.b64decode(content)
    if kind == "float":
        return struct.unpack("<d", base64.b64decode(content))[0]
    if kind in ("list", "tuple"):
        parts = [dynamic_from_json(part) for part in content]
        return parts if kind == "list" else tuple(parts)
    if kind == "map":
        return {dynamic_from_json(key): dynamic_from_json(value) for key, value in content}
    raise NotImplementedError(kind)


def one_nan(value: Any) -> Any:
    """With each NaN the same: JSON has but one."""
    if isinstance(value, float) and math.isnan(value):
        return math.nan
    if isinstance(value, dict):
        return {key: one_nan(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(one_nan, value))
    return value


def values_equal(a: Any, b: Any) -> bool:
    """Equality to the bit: types, NaN payloads and the sign of zero count."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return struct.pack("<d", a) == struct.pack("<d", b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(values_equal(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(values_equal, a, b))
    return bool(a == b)
