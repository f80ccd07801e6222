"""First requests to a model, which may be large: the sum of their memory is limited."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from rlmesh import Model, ModelServer, RemoteModel, spaces
from rlmesh._transport.address import parse_address
from rlmesh._transport.probe import connect_to
from rlmesh._transport.socket.unix import SUPPORTED
from rlmesh._wire.services import MODEL_SERVICE
from rlmesh.specs import EnvContract
from tests.inside import first_requests_of
from tests.integration.raw_frames import hello
from tests.processes import until

TOKEN = "s3cret"
LIMIT = 1_000_000


@pytest.fixture(autouse=True)
def transport() -> None:
    """Each test chooses its own."""


@pytest.fixture(params=["frames", *(["frames+unix"] if SUPPORTED else [])])
def server(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ModelServer]:
    """A server of a model, with a small limit."""
    monkeypatch.setattr("rlmesh._transport.socket.first_requests.MAX_FIRST_BYTES", LIMIT)
    address = f"frames+unix://{tmp_path}/s"
    if request.param == "frames":
        address = "frames://127.0.0.1:0"
    with ModelServer(Model(lambda observation: 1), address, token=TOKEN) as server:
        yield server


def begun(server: ModelServer, stack: ExitStack, size: int) -> Any:
    """Return a connection with so many bytes of a first request that never ends."""
    connected = stack.enter_context(connect_to(parse_address(server.address), 20))
    connected.sendall(hello(TOKEN, MODEL_SERVICE) + struct.pack("<I", 2**28) + bytes(size))
    return connected


def sizes(server: ModelServer) -> list[int]:
    return sorted(first_requests_of(server).values())


def test_the_largest_first_request_is_given_up(server: ModelServer) -> None:
    bounds = [float(i) for i in range(20_000)]
    large = spaces.Box([-x for x in bounds], bounds, (20_000,), "float32")
    contract = EnvContract("Large-v0", large, spaces.Discrete(2))
    with ExitStack() as stack:
        begun(server, stack, 300_000)
        until(lambda: sum(sizes(server)) >= 300_000, 10)
        largest = begun(server, stack, 500_000)
        until(lambda: sum(sizes(server)) >= 800_000, 10)
        with RemoteModel(server.address, contract, token=TOKEN):
            begun(server, stack, 300_000)
            assert largest.recv(1) == b""
            until(lambda: len(sizes(server)) == 2 and sum(sizes(server)) >= 600_000, 10)
    until(lambda: not sizes(server), 10)
