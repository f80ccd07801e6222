"""The public surface: exact exports, the error tree, and what an import may bring along."""

from __future__ import annotations

import ast
import importlib
import inspect
import pickle
import re
import subprocess
import sys
from pathlib import Path

import grpc
import pytest

import rlmesh
from rlmesh import errors
from rlmesh._compatibility import compatible
from rlmesh._messages.env import ErrorCode, Failure
from rlmesh._transport.address import host_of, parse_address
from rlmesh._transport.grpc.status import exception_of_status
from rlmesh._wire.failures import raise_failure

MODULES = ["rlmesh", "rlmesh.adapters", "rlmesh.errors", "rlmesh.spaces", "rlmesh.specs"]
MODULES += ["rlmesh.types", "rlmesh.dtypes", "rlmesh.backends", "rlmesh.results", "rlmesh.options"]
MODULES += ["rlmesh.endpoints", "rlmesh.ray", "rlmesh.record", "rlmesh.stopping", "rlmesh.trackers"]


@pytest.mark.parametrize("name", MODULES)
def test_every_exported_name_is_there_once(name: str) -> None:
    module = importlib.import_module(name)
    assert len(module.__all__) == len(set(module.__all__))
    assert all(hasattr(module, exported) for exported in module.__all__)


def test_errors_exports_exactly_its_classes_and_draws_them() -> None:
    classes = {
        n for n, c in vars(errors).items() if inspect.isclass(c) and c.__module__ == errors.__name__
    }
    assert classes == set(errors.__all__)
    assert all(name in (errors.__doc__ or "") for name in classes)


def test_no_other_module_has_an_error_of_the_tree() -> None:
    root = Path(rlmesh.__file__).parent
    bases = set(errors.__all__)
    elsewhere = [
        f"{path.relative_to(root)}: {node.name}"
        for path in root.rglob("*.py")
        if path != root / "errors.py"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ClassDef)
        if bases & {ast.unparse(base).rpartition(".")[2] for base in node.bases}
    ]
    assert elsewhere == []


def test_the_tree_is_drawn_as_it_is() -> None:
    drawn: dict[str, list[str]] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"    ([│├└─ ]*)(\w+Error)\b(?: \((\w+)\))?", line):
            depth = len(found[1]) // 4
            above[depth:] = [found[2]]
            parent = above[depth - 1] if depth else "Exception"
            drawn[found[2]] = [parent, *filter(None, [found[3]])]
    classes = {name: getattr(errors, name) for name in errors.__all__}
    assert drawn == {name: [base.__name__ for base in c.__bases__] for name, c in classes.items()}


def test_core_imports_neither_numpy_nor_gymnasium_nor_grpc() -> None:
    code = (
        "import sys, rlmesh; "
        "heavy = ('numpy', 'gymnasium', 'grpc', 'google.protobuf', 'torch', 'jax'); "
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("code", list(grpc.StatusCode), ids=lambda c: c.name)
def test_every_status_code_is_an_error_with_the_address(code: grpc.StatusCode) -> None:
    error = exception_of_status(code, "details", "tcp://here:1", "/service/Method")
    assert isinstance(error, errors.RLMeshError)
    assert "tcp://here:1" in str(error)


@pytest.mark.parametrize("code", [*ErrorCode, 0, 99], ids=str)
def test_every_error_code_is_raised_as_an_error(code: int) -> None:
    with pytest.raises(errors.RLMeshError, match="words") as caught:
        raise_failure(Failure(code, "words", session_closed=True), "tcp://here:1")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert type(copy) is type(caught.value) and vars(copy) == vars(caught.value)


@pytest.mark.parametrize(
    ("ours", "theirs", "talk"),
    [
        ("1.0.0", "1.0.0", True),
        ("1.0.0", "1.7.3", True),
        ("1.0.0", "2.0.0", False),
        ("1.0.0rc1", "1.0.0rc1", True),
        ("1.0.0rc1", "1.0.0rc2", False),
        ("1.0.0", "1.0.0rc1", False),
        ("1.0.0", "1.0.0-rc.1", False),
        ("1.0.0", "", False),
    ],
)
def test_versions_that_talk(ours: str, theirs: str, talk: bool) -> None:
    assert compatible(ours, theirs) is talk
    assert compatible(theirs, ours) is talk


@pytest.mark.parametrize(
    ("text", "resolved", "local"),
    [
        (5555, "tcp://127.0.0.1:5555", True),
        ("5555", "tcp://127.0.0.1:5555", True),
        (":5555", "tcp://127.0.0.1:5555", True),
        ("localhost:1", "tcp://localhost:1", True),
        ("0.0.0.0:1", "tcp://0.0.0.0:1", False),
        ("[::1]:1", "tcp://[::1]:1", True),
        ("tcp://[::1]:1", "tcp://[::1]:1", True),
        ("grpcs://[2001:db8::7]:1", "grpcs://[2001:db8::7]:1", False),
        ("[::]:0", "tcp://[::]:0", False),
        ("[fe80::1%eth0]:1", "tcp://[fe80::1%eth0]:1", False),
        ("[::ffff:127.0.0.1]:1", "tcp://[::ffff:127.0.0.1]:1", True),
        ("grpcs://robot:443", "grpcs://robot:443", False),
        ("unix:///tmp/a.sock", "unix:///tmp/a.sock", True),
        ("unix:rel.sock", "unix://rel.sock", True),
    ],
)
def test_addresses(text: str | int, resolved: str, local: bool) -> None:
    address = parse_address(text)
    assert (str(address), address.is_local) == (resolved, local)


@pytest.mark.parametrize("text", ["::1", "[::1]", "::1:5555", "tcp://::1:5555", "grpcs://[::1]"])
def test_an_ipv6_address_needs_brackets_and_a_port(text: str) -> None:
    with pytest.raises(errors.AddressError, match=r"in brackets, and a port: \[::1\]:5555"):
        parse_address(text)


@pytest.mark.parametrize("text", ["[robot]:1", "[1.2.3.4]:1", "[]:1", "[::1]:", "[::1]:70000"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(errors.AddressError):
        parse_address(text)


def test_hosts() -> None:
    assert [host_of(x) for x in ("::1", "[::1]", "robot", "10.0.0.1")] == [
        "::1",
        "::1",
        "robot",
        "10.0.0.1",
    ]
    for text in ("robot:1", "a robot", "[robot]", "[::1]:1", "tcp://robot"):
        with pytest.raises(errors.AddressError, match="is not a host"):
            host_of(text)


def test_the_version_is_the_specs() -> None:
    import rlmesh_proto

    assert rlmesh.__version__ == rlmesh_proto.SPEC_VERSION
