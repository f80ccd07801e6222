"""The fence of tools/pants/fence.py, checked without Pants: every import of every module."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator

import pytest

from tools.pants.fence import FENCED, MAY_IMPORT
from tools.pythons import REPOSITORY

SOURCES = {
    ".".join(path.relative_to(REPOSITORY / folder).with_suffix("").parts): path.read_text()
    for package, folder in FENCED
    for path in (REPOSITORY / folder / package).rglob("*.py")
}


def under(name: str, modules: tuple[str, ...]) -> bool:
    """Return whether a dotted name is one of the modules or within one."""
    return any(name == module or name.startswith(module + ".") for module in modules)


def imported(module: str, source: str) -> Iterator[str]:
    """Yield all imports anywhere in a module: dotted names, including the name after `import`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[: -node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            words = (word.value for word in node.args if isinstance(word, ast.Constant))
            yield from (word for word in words if isinstance(word, str))


def forbidden(module: str, source: str) -> list[str]:
    """Return the imports that the table does not allow a module."""
    own, allowed = next(row for row in MAY_IMPORT if under(module, row[0]))
    return [
        name
        for name in imported(module, source)
        if name.partition(".")[0] not in sys.stdlib_module_names
        if not under(name, (*own, *allowed))
    ]


def test_no_import_is_forbidden() -> None:
    found = {module: forbidden(module, source) for module, source in SOURCES.items()}
    assert {module: names for module, names in found.items() if names} == {}


def test_every_module_of_the_table_is_there() -> None:
    packages = {name.removesuffix(".__init__") for name in SOURCES}
    named = {module for own, allowed in MAY_IMPORT for module in (*own, *allowed)}
    ours = {module for module in named if under(module, tuple(name for name, _ in FENCED))}
    assert ours - packages == set()


@pytest.mark.parametrize(
    ("module", "source", "refused"),
    [
        ("rlmesh.tensor", "import numpy", "numpy"),
        ("rlmesh._client.env", "def f():\n    import gymnasium.spaces", "gymnasium.spaces"),
        (
            "rlmesh._codec.plan",
            "from rlmesh_proto.env.v1 import env_pb2",
            "rlmesh_proto.env.v1.env_pb2",
        ),
        ("rlmesh._codec.plan", "from rlmesh import EnvServer", "rlmesh.EnvServer"),
        ("rlmesh._codec.plan", "from .._session import client", "rlmesh._session.client_session"),
        (
            "rlmesh._session.session_manager",
            "import rlmesh._transport.address",
            "rlmesh._transport.address",
        ),
        (
            "rlmesh._transport.socket.framing",
            "from rlmesh._wire import messages",
            "rlmesh._messages.env",
        ),
        (
            "rlmesh.errors",
            "if TYPE_CHECKING:\n    from rlmesh._wire import dtypes",
            "rlmesh._wire.dtypes",
        ),
        ("rlmesh.specs", "importlib.import_module('rlmesh_numpy')", "rlmesh_numpy"),
        ("rlmesh._server.env_server", "import grpc", "grpc"),
        ("rlmesh_jax._env", "import torch", "torch"),
        ("rlmesh_torch._env", "from rlmesh_jax import BACKEND", "rlmesh_jax.BACKEND"),
        ("rlmesh_numpy._env", "from rlmesh._wire import messages", "rlmesh._messages.env"),
        ("rlmesh_proto.env.v1.env_pb2", "import rlmesh", "rlmesh"),
    ],
)
def test_refused(module: str, source: str, refused: str) -> None:
    assert forbidden(module, source) == [refused]
