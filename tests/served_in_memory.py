"""A served model and its client in one process, without sockets."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any
from unittest import mock

from rlmesh import RemoteModel, ServeOptions
from rlmesh._server.model_server import _new_manager, _new_servicers, _offered_spec
from rlmesh._session.server_connection import ServerConnection
from rlmesh._session.session_manager import SessionManager
from rlmesh._transport.address import parse_address
from rlmesh._transport.memory import MemoryConnection, MemoryTransport
from rlmesh.specs import Capability, EnvContract

__all__ = ["served_in_memory"]


class _MemoryTransports:
    """The transports to a server in memory; see `TransportChoice`."""

    where = parse_address("127.0.0.1:1")
    can = frozenset({Capability.RESUME})

    def __init__(self, manager: SessionManager) -> None:
        self.moves: Any = {}
        self.memory = MemoryTransport(partial(ServerConnection, manager))
        self._manager = manager

    def connect(self) -> MemoryConnection:
        connection: Any = self.memory.connect()
        connection.describe = lambda request, timeout: self._manager.description
        return connection

    def check(self, session: object) -> None:
        pass


@contextmanager
def served_in_memory(
    model: Any, contract: EnvContract | None = None, *, without: frozenset[Capability] = frozenset()
) -> Iterator[tuple[RemoteModel, MemoryTransport]]:
    """Serve a model to a client of NumPy values.

    Args:
        model: The model.
        contract: Contract of the client; None: it gets one by `for_contract`.
        without: Capabilities that the server does not list.
    """
    options = ServeOptions(max_batch_delay_ms=0)
    servicers = _new_servicers(model, options, 500, True)
    manager = _new_manager(model, _offered_spec(model), servicers, options, True)
    listed = manager._server.capabilities - without
    manager._server = replace(manager._server, capabilities=listed)
    transports = _MemoryTransports(manager)
    thread = threading.Thread(target=servicers.thread.run, name="memory-model", daemon=True)
    thread.start()
    try:
        with mock.patch("rlmesh._models.remote_model.TransportChoice", return_value=transports):
            remote = RemoteModel("127.0.0.1:1", contract, framework="numpy")
        with remote:
            yield remote, transports.memory
    finally:
        servicers.thread.stop()
        thread.join(30)
