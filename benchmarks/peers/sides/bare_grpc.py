"""A bidirectional stream of bare grpcio, with as many bytes as a step has."""

from __future__ import annotations

import queue
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from benchmarks.peers.cases import Case
from benchmarks.peers.sides import environments, program

UNLIMITED = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]


class Echo:
    """A client."""

    def __init__(self, case: Case, address: str) -> None:
        self._request = bytes(_sizes(case)[0])
        self._outgoing: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        options = [*UNLIMITED, ("grpc.enable_http_proxy", 0)]
        self._channel = grpc.insecure_channel(address, options=options)
        stream = self._channel.stream_stream("/bare/Echo")
        self._answers = stream(iter(self._outgoing.get, None))

    def reset(self, seed: int | None) -> None:
        self.step(None)

    def step(self, action: Any) -> tuple[None, bool]:
        self._outgoing.put(self._request)
        next(self._answers)
        return None, False

    def close(self) -> None:
        self._outgoing.put(None)
        self._channel.close()


def _sizes(case: Case) -> tuple[int, int]:
    return environments.step_bytes(case, environments.make(case).reset(seed=0)[0])


def serve(case: Case, option: str, ready: program.Ready) -> None:
    answer = bytes(_sizes(case)[1])

    class Handler(grpc.GenericRpcHandler):
        def service(self, handler_call_details: Any) -> Any:
            return grpc.stream_stream_rpc_method_handler(
                lambda requests, context: (answer for _ in requests)
            )

    server = grpc.server(ThreadPoolExecutor(4), options=UNLIMITED)
    server.add_generic_rpc_handlers((Handler(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    ready(f"127.0.0.1:{port}")
    signal.pause()


def connect(case: Case, option: str, address: str) -> Echo:
    return Echo(case, address)


if __name__ == "__main__":
    program.run(connect, serve, versions=["grpcio"], checks=False)
