"""Moves generated Python from `rlmesh.proto`, its protobuf package, to `rlmesh_proto`.

protoc derives import paths from proto paths, and `rlmesh` belongs to rlmesh-core. Only names of
Python modules move: protobuf full names, gRPC method paths and proto paths in descriptors stay.
"""

from __future__ import annotations

import re

__all__ = ["RelocationError", "relocate"]

# `from rlmesh.proto.env.v1 import env_pb2 as ...` in _pb2.py and _pb2_grpc.py
_FROM = re.compile(r"^(\s*from )rlmesh\.proto(\.[\w.]+ import \w+_pb2\b)", re.MULTILINE)
# `import rlmesh.proto.env.v1.env_pb2` and `rlmesh.proto.env.v1.env_pb2.Name` in .pyi
_DOTTED = re.compile(r"(?<![\w./'\"])rlmesh\.proto((?:\.\w+)+_pb2)\b")
# The __module__ of every message, by which pickle imports it.
_MODULE = re.compile(r"(BuildTopDescriptorsAndMessages\(DESCRIPTOR, ')rlmesh\.proto(\.[\w.]+_pb2')")
_LEFT = re.compile(r"rlmesh\.proto[\w.]*_pb2\b|^\s*(?:from|import) rlmesh\.proto\b", re.MULTILINE)


class RelocationError(Exception):
    """A generator wrote a module name in a form that this module does not know."""


def relocate(text: str, name: str) -> str:
    """Return the text of one generated module with its module names moved.

    Args:
        text: Text that the generator wrote.
        name: Name of the file, for the error.

    Raises:
        RelocationError: If a name of a generated module under `rlmesh.proto` is left.
    """
    for pattern in (_FROM, _DOTTED, _MODULE):
        text = pattern.sub(_moved, text)
    left = _LEFT.search(text)
    if left is not None:
        raise RelocationError(f"{name}: {left.group().strip()!r} was not relocated to rlmesh_proto")
    return text


def _moved(match: re.Match[str]) -> str:
    return match.group().replace("rlmesh.proto", "rlmesh_proto", 1)
