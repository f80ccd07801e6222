"""Values as tagged JSON, the form of the vectors and of the reference codec.

Every value is an object with one key that names its form; see spec/vectors/README.md.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, Union

from .elements import Number, pack
from .spaces import Key

__all__ = [
    "Tagged",
    "array",
    "b64",
    "chosen",
    "entries",
    "graph_of",
    "integer",
    "items",
    "key_tag",
    "positions",
    "string",
    "unb64",
]

Tagged = dict[str, Any]
Links = Union[Sequence[tuple[int, int]], None]


def b64(data: bytes) -> str:
    """Return standard base64 with padding."""
    return base64.b64encode(data).decode("ascii")


def unb64(text: str) -> bytes:
    """Return the bytes of standard base64."""
    return base64.b64decode(text, validate=True)


def array(dtype: str, shape: Sequence[int], elements: Sequence[Number]) -> Tagged:
    """Return a value of a Box, MultiBinary or MultiDiscrete: its elements in C order."""
    return {"array": {"dtype": dtype, "shape": list(shape), "data": b64(pack(dtype, elements))}}


def integer(value: int) -> Tagged:
    """Return a value of a Discrete."""
    return {"int": str(value)}


def string(value: str) -> Tagged:
    """Return a value of a Text."""
    return {"text": value}


def key_tag(key: Key) -> dict[str, str]:
    """Return the key of a Dict."""
    return {"name": key} if isinstance(key, str) else {"index": str(key)}


def entries(*pairs: tuple[Key, Tagged]) -> Tagged:
    """Return a value of a Dict, in the order of the space."""
    return {"dict": [[key_tag(key), value] for key, value in pairs]}


def positions(*values: Tagged) -> Tagged:
    """Return a value of a Tuple."""
    return {"tuple": list(values)}


def items(*values: Tagged) -> Tagged:
    """Return a value of a Sequence."""
    return {"sequence": list(values)}


def graph_of(
    nodes: Sequence[Tagged], edges: Sequence[Tagged] | None = None, links: Links = None
) -> Tagged:
    """Return a value of a Graph; None: it has no edge features, or no edge links."""
    return {
        "graph": {
            "nodes": list(nodes),
            "edges": None if edges is None else list(edges),
            "edge_links": None if links is None else [list(pair) for pair in links],
        }
    }


def chosen(index: int, value: Tagged) -> Tagged:
    """Return a value of a OneOf."""
    return {"one_of": {"index": index, "value": value}}
