"""Names of messages and packages of the schema, as generated code of other languages needs them."""

from __future__ import annotations

from rlmesh_proto.adapters.v1 import tags_pb2
from rlmesh_proto.env.v1 import contract_pb2, env_pb2
from rlmesh_proto.eval.v1 import result_pb2
from rlmesh_proto.model.v1 import model_pb2, spec_pb2
from rlmesh_proto.session.v1 import error_pb2, frames_pb2, handshake_pb2
from rlmesh_proto.spaces.v1 import dtype_pb2, space_pb2, value_pb2

SESSION = (error_pb2, frames_pb2, handshake_pb2)
FILES = [
    module.DESCRIPTOR
    for module in (
        *(tags_pb2, contract_pb2, env_pb2, result_pb2, model_pb2, spec_pb2),
        *(*SESSION, dtype_pb2, space_pb2, value_pb2),
    )
]

GLOBAL = frozenset(
    [
        "Array",
        "Boolean",
        "Class",
        "Date",
        "Enum",
        "Error",
        "Exception",
        "Function",
        "Iterable",
        "Iterator",
        "List",
        "Map",
        "Number",
        "Object",
        "Package",
        "Process",
        "Promise",
        "Proxy",
        "Record",
        "Set",
        "String",
        "Symbol",
        "System",
        "Thread",
    ]
)
"""Globals of JavaScript, and types of `java.lang` and `java.util` that most files use."""


def test_no_message_or_enum_hides_a_global_of_another_language() -> None:
    names = {n for file in FILES for n in (*file.message_types_by_name, *file.enum_types_by_name)}
    assert {"Failure", "DynamicMap", "DynamicList", "OpenHeader", "OpenedHeader"} <= names
    assert not names & GLOBAL


def test_what_both_services_share_depends_on_neither() -> None:
    imported = {other.name for module in SESSION for other in module.DESCRIPTOR.dependencies}
    assert all(name.startswith("rlmesh/proto/session/") for name in imported)
    results = {other.name for other in result_pb2.DESCRIPTOR.dependencies}
    assert not any(name.startswith("rlmesh/proto/env/") for name in results)
    both = {env_pb2.SessionRequest, model_pb2.OpenRequest}
    headers = [one.DESCRIPTOR.fields_by_name for one in both]
    found = {field["open" if "open" in field else "header"].message_type for field in headers}
    assert found == {handshake_pb2.OpenHeader.DESCRIPTOR}
    answers = {env_pb2.OpenResponse, model_pb2.OpenResponse}
    answered = {one.DESCRIPTOR.fields_by_name["header"].message_type for one in answers}
    assert answered == {handshake_pb2.OpenedHeader.DESCRIPTOR}
    own = [field.name for one in answers for field in one.DESCRIPTOR.fields if field.number != 1]
    assert sorted(own) == ["contract", "spec"]
