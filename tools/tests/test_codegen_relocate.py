"""Relocation moves module names and nothing else."""

from __future__ import annotations

import pytest

from tools.codegen.relocate import RelocationError, relocate

MOVED = [
    (
        "from rlmesh.proto.env.v1 import env_pb2 as rlmesh_dot_proto_dot_env_dot_v1_dot_env__pb2\n",
        "from rlmesh_proto.env.v1 import env_pb2 as rlmesh_dot_proto_dot_env_dot_v1_dot_env__pb2\n",
    ),
    ("import rlmesh.proto.spaces.v1.value_pb2\n", "import rlmesh_proto.spaces.v1.value_pb2\n"),
    (
        "    def tags(self) -> rlmesh.proto.adapters.v1.tags_pb2.EnvTags:\n",
        "    def tags(self) -> rlmesh_proto.adapters.v1.tags_pb2.EnvTags:\n",
    ),
    (
        "x: dict[str, rlmesh.proto.a.v1.b_pb2.C | rlmesh.proto.a.v1.d_pb2.E]\n",
        "x: dict[str, rlmesh_proto.a.v1.b_pb2.C | rlmesh_proto.a.v1.d_pb2.E]\n",
    ),
    (
        "_builder.BuildTopDescriptorsAndMessages(DESCRIPTOR, 'rlmesh.proto.env.v1.env_pb2', g)\n",
        "_builder.BuildTopDescriptorsAndMessages(DESCRIPTOR, 'rlmesh_proto.env.v1.env_pb2', g)\n",
    ),
]
KEPT = [
    "DESCRIPTOR = Add(b'rlmesh/proto/env/v1/env.proto\\x12\\x13rlmesh.proto.env.v1')\n",
    "                '/rlmesh.proto.env.v1.EnvService/Describe',\n",
    "    'rlmesh.proto.env.v1.EnvService', rpc_method_handlers)\n",
    "# source: rlmesh/proto/env/v1/env.proto\n",
    "from google.protobuf import descriptor_pb2 as _descriptor\n",
    "other_rlmesh = my.rlmesh_proto.env_pb2\n",
]


@pytest.mark.parametrize(("before", "after"), MOVED)
def test_names_of_modules_move(before: str, after: str) -> None:
    assert relocate(before, "x") == after
    assert relocate(after, "x") == after


@pytest.mark.parametrize("line", KEPT)
def test_names_of_the_wire_stay(line: str) -> None:
    assert relocate(line, "x") == line


@pytest.mark.parametrize(
    "line",
    [
        "import_module('rlmesh.proto.env.v1.env_pb2')\n",
        "from rlmesh.proto import env\n",
        "import rlmesh.proto.env.v1 as v1\n",
    ],
)
def test_a_form_that_is_not_known_is_an_error(line: str) -> None:
    with pytest.raises(RelocationError, match=r"env_pb2\.py: .*rlmesh\.proto"):
        relocate(line, "env_pb2.py")
