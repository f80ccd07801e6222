"""When the calls of gRPC are freed.

Freeing a call waits for its lock. When the interpreter ends, a thread of gRPC may have been killed
while it held that lock, so a call that still exists then can keep the process from ending.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Generator
from contextlib import contextmanager

import grpc
import pytest

from rlmesh import EnvServer
from rlmesh._conformance.streams import Ended
from rlmesh._conformance.target import Target
from rlmesh._transport.address import parse_address
from rlmesh._transport.grpc.client import GrpcConnection
from rlmesh.errors import RLMeshError
from tests.integration.envs import CounterEnv

SERVICE = "rlmesh.proto.env.v1.EnvService"


@pytest.fixture(autouse=True)
def transport() -> str:
    """The connections of these tests are gRPC's."""
    return "grpc"


@contextmanager
def new_calls() -> Generator[Callable[[], int], None, None]:
    """How many calls exist that did not exist at the start, without help of the collector."""

    def found() -> set[int]:
        return {
            id(one)
            for one in gc.get_objects()
            if issubclass(type(one), grpc.Call) and hasattr(type(one), "__del__")
        }

    gc.collect()
    gc.disable()
    before = found()
    try:
        yield lambda: len(found() - before)
    finally:
        gc.enable()


def test_an_error_that_is_kept_does_not_keep_the_call() -> None:
    with EnvServer(CounterEnv()) as server, new_calls() as calls:
        connection = GrpcConnection(parse_address(server.address), SERVICE)
        with pytest.raises(RLMeshError) as kept:
            for _ in range(2):
                connection.exchange(b"\xff")
        assert calls() == 1
        connection.close()
        assert calls() == 0
        assert kept.value.__traceback__ is not None


def test_a_stream_of_the_conformance_kit_frees_its_call_when_it_is_cut() -> None:
    with EnvServer(CounterEnv()) as server, new_calls() as calls:
        stream = Target(parse_address(server.address)).connect(SERVICE)
        stream.send(b"\xff")
        with pytest.raises(Ended):
            while True:
                stream.receive(10.0)
        assert calls() == 1
        stream.cut()
        stream.cut()
        assert calls() == 0
