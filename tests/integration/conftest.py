"""The transports of the tests of sessions.

Each test runs over one transport, which a hash of its node id chooses, so that a quarter of the
tests runs over each transport and a test always gets the same one. Tests marked `every_transport`
run over each of them, and so do all tests in `make test-long`. Tests marked `own_transport` have no
client that leaves the choice open; a module of such tests overrides the fixture instead. Tests
marked `over_grpc` speak gRPC themselves, so their servers are never of frames alone.
"""

from __future__ import annotations

import functools
import signal
import zlib
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from rlmesh._transport.socket.unix import SUPPORTED
from tests.certificates import new_authority
from tests.integration.envs import MischiefEnv
from tests.size import LONG

# In the background of a shell Ctrl-C is ignored, and so it would be in the processes of the tests.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

WAYS = ["frames", "shared", "grpc", "alone"] if SUPPORTED else ["grpc", "alone"]
"""Frames on the socket, unless they are large; all of them in shared memory; gRPC; frames alone."""

_HERE = Path(__file__).parent


@pytest.fixture(autouse=True, params=WAYS)
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The transport of the clients of this process that ask for none."""
    name = "grpc" if request.param == "grpc" else "frames"
    monkeypatch.setattr("rlmesh._client.transport_choice.AUTO", name)
    if request.param == "shared":
        monkeypatch.setattr("rlmesh._transport.socket.unix.SHARED_BYTES", 1)
    if request.param == "alone":
        # Over TCP to the end: sessions would move to the abstract socket.
        monkeypatch.setattr("rlmesh._transport.address.UNNAMED", "frames")
        monkeypatch.setattr("rlmesh._client.transport_choice.TRANSPORTS", ())
    return name


@pytest.fixture(scope="session")
def authority() -> Any:
    """A certificate authority."""
    return new_authority()


@pytest.fixture(scope="session")
def roots(authority: Any) -> bytes:
    """The authority's certificate, in PEM."""
    return bytes(authority.cert_pem.bytes())


@pytest.fixture
def note(tmp_path: Path) -> Path:
    """A file into which environments write what happens to them."""
    return tmp_path / "note"


@pytest.fixture
def factory(note: Path) -> Any:
    """A factory of environments that make trouble."""
    return functools.partial(MischiefEnv, str(note))


@pytest.hookimpl(trylast=True)  # After -k and -m, so that `-k grpc` runs every test over gRPC.
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep one of the transports of each test."""
    variants: dict[str, list[pytest.Item]] = defaultdict(list)
    dropped = []
    for item in items:
        if _HERE not in item.path.parents:
            continue
        if _transport_of(item) == "alone" and _needs_grpc(item):
            dropped.append(item)
        elif not _runs_over_each(item):
            variants[_without_transport(item)].append(item)
    kept = {id(found[zlib.crc32(name.encode()) % len(found)]) for name, found in variants.items()}
    dropped += [x for found in variants.values() for x in found if id(x) not in kept]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        gone = {id(item) for item in dropped}
        items[:] = [item for item in items if id(item) not in gone]


def _runs_over_each(item: pytest.Item) -> bool:
    if item.get_closest_marker("own_transport") is not None:
        return False
    return LONG or item.get_closest_marker("every_transport") is not None


def _needs_grpc(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(name) for name in ("own_transport", "over_grpc"))


def _transport_of(item: pytest.Item) -> str:
    """Return the transport among the parameters of a test; empty: it has none."""
    callspec = getattr(item, "callspec", None)
    return "" if callspec is None else str(callspec.params.get("transport", ""))


def _without_transport(item: pytest.Item) -> str:
    """Return the node id of a test without the transport among its parameters."""
    chosen = _transport_of(item)
    if not chosen:
        return item.nodeid
    name, _, parameters = item.nodeid.partition("[")
    return f"{name}[{'-'.join(x for x in parameters.rstrip(']').split('-') if x != chosen)}"
