"""Tags and specs <-> their messages in protobuf's JSON; see `rlmesh._documents`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format
from rlmesh_proto.adapters.v1 import tags_pb2
from rlmesh_proto.model.v1 import spec_pb2

from rlmesh._wire.dynamic import DynamicEncoder
from rlmesh._wire.json_check import parse_document
from rlmesh._wire.model_spec import model_spec_from_wire, model_spec_to_wire
from rlmesh._wire.tags import tags_from_wire, tags_to_wire
from rlmesh.adapters import EnvTags, ModelSpec
from rlmesh.adapters._feature_rules import feature_problem
from rlmesh.adapters._field_types import type_problems
from rlmesh.backends import NATIVE
from rlmesh.errors import CodecError

__all__ = ["declaration_from_dict", "declaration_to_dict"]


def declaration_to_dict(declaration: EnvTags | ModelSpec) -> dict[str, Any]:
    """Return the message of tags or of a spec in protobuf's JSON.

    Raises:
        CodecError: If a rule of the contract is broken.
        InvalidValueError: If no wire type holds a value of the metadata exactly.
    """
    message: Any
    if isinstance(declaration, EnvTags):
        message = tags_pb2.EnvTags()
        _check_features(declaration)
        tags_to_wire(declaration, message)
    else:
        message = spec_pb2.ModelSpec()
        model_spec_to_wire(declaration, message, DynamicEncoder(NATIVE, exact=True))
    found: dict[str, Any] = json_format.MessageToDict(message)
    return found


def declaration_from_dict(
    kind: type[EnvTags | ModelSpec], document: Mapping[str, Any]
) -> EnvTags | ModelSpec:
    """Return the tags or the spec of a message in protobuf's JSON.

    Raises:
        CodecError: If it is none, or breaks a rule of the contract; with the path.
    """
    if issubclass(kind, EnvTags):
        tags = tags_pb2.EnvTags()
        parse_document(document, tags)
        found = tags_from_wire(tags)
        _check_features(found)
        return found
    spec = spec_pb2.ModelSpec()
    parse_document(document, spec)
    return model_spec_from_wire(spec, NATIVE)


def _check_features(tags: EnvTags) -> None:
    """Refuse tags with a feature that breaks a rule on its own, whatever the spaces are."""
    for typed in type_problems(tags, "", ""):
        raise CodecError.of_rule("T-1", typed.expected, typed.actual, path=typed.path)
    for side, leaves in (("observation", tags.observation), ("action", tags.action)):
        for i, leaf in enumerate(leaves):
            problem = feature_problem(leaf.feature, f"{side}[{i}].feature", "")
            if problem is not None:
                raise CodecError.of_rule("A-2", problem.expected, problem.actual, path=problem.path)
