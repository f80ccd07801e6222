"""A schema 1.1, made of today's by additions alone, and a translator that makes peers of it.

The translator stands between a client and a server over frames. It reads each message by the newer
schema, adds what that has, and passes it on: each end talks to a peer of 1.1.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import PurePath
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message
from rlmesh_proto.env.v1 import env_pb2
from rlmesh_proto.model.v1 import model_pb2

from rlmesh._transport.address import parse_address
from rlmesh._transport.probe import connect_to

__all__ = ["ADDED_CAPABILITY", "ADDED_MEMBER", "EXTENSION", "VERSION", "newer", "translated"]

VERSION = "1.1.0"
EXTENSION = "example.com/wave/1"
ADDED_CAPABILITY = 900
ADDED_MEMBER = 900
"""Number of the member `wave` of requests and responses."""

_TEXT, _NUMBERS, _INNER = 901, 902, 903
_Field = descriptor_pb2.FieldDescriptorProto


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    known: set[str] = set()

    def add(file: Any) -> None:
        if file.name in known:
            return
        known.add(file.name)
        for needed in file.dependencies:
            add(needed)
        proto = descriptor_pb2.FileDescriptorProto()
        file.CopyToProto(proto)
        _grow(proto)
        pool.AddSerializedFile(proto.SerializeToString())

    for schema in (env_pb2, model_pb2):
        add(schema.DESCRIPTOR)
    return pool


def _grow(file: descriptor_pb2.FileDescriptorProto) -> None:
    """Add fields to every message, a value to Capability, a member to requests and responses."""
    added = f"Added{PurePath(file.name).stem.title()}"
    inner = {"type": _Field.TYPE_MESSAGE, "type_name": f".{file.package}.{added}"}
    for message in file.message_type:
        fields = message.field
        fields.add(name="added_text", number=_TEXT, type=_Field.TYPE_STRING, label=1)
        fields.add(name="added_numbers", number=_NUMBERS, type=_Field.TYPE_DOUBLE, label=3)
        fields.add(name="added", number=_INNER, label=1, **inner)
        if message.name in ("SessionRequest", "SessionResponse"):
            fields.add(name="wave", number=ADDED_MEMBER, label=1, oneof_index=0, **inner)
    made = file.message_type.add(name=added)
    made.field.add(name="text", number=1, type=_Field.TYPE_STRING, label=1)
    for enum in file.enum_type:
        if enum.name == "Capability":
            enum.value.add(name="CAPABILITY_WAVE", number=ADDED_CAPABILITY)


def newer(message: Any) -> Any:
    """Return the class of schema 1.1 of a message class."""
    return message_factory.GetMessageClass(
        _pool().FindMessageTypeByName(message.DESCRIPTOR.full_name)
    )


def _enrich(message: Any) -> int:
    """Set what 1.1 adds in a message and all messages in it; return how many those are."""
    count = 1
    for field, value in message.ListFields():
        kind = field.message_type
        if kind is not None and not kind.GetOptions().map_entry:
            count += sum(map(_enrich, (value,) if isinstance(value, Message) else value))
    if "added_text" in message.DESCRIPTOR.fields_by_name:
        message.added_text = "added"
        message.added_numbers.extend((1.5, float("nan")))
        message.added.text = "added"
    return count


class Translator:
    """The two directions of each connection.

    Args:
        target: Address of the server.
        client: Class of the requests.
        server: Class of the responses.

    Attributes:
        enriched: How many messages, nested ones included, have got additions.
    """

    def __init__(self, target: str, client: Any, server: Any) -> None:
        self.enriched = 0
        self._target = parse_address(target)
        self._classes = newer(client), newer(server)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"frames://127.0.0.1:{self._listener.getsockname()[1]}"
        self._sockets = [self._listener]
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def close(self) -> None:
        """End all connections, and wait for the threads."""
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for one in self._sockets:
            one.close()

    def _start(self, target: Any, *arguments: Any) -> None:
        self._threads.append(threading.Thread(target=target, args=arguments, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = connect_to(self._target, 20)
                near.settimeout(20)
                self._sockets += near, far
                requests, responses = self._classes
                for source, sink, kind in ((near, far, requests), (far, near, responses)):
                    self._start(self._pass_on, source, sink, kind, source is near)

    def _pass_on(self, source: Any, sink: Any, kind: Any, skip: bool) -> None:
        """Pass messages on until the end; the client's first one is FramesHello."""
        with suppress(OSError):
            while frame := _receive(source):
                data, skip = frame if skip else self._translated(kind, frame), False
                sink.sendall(struct.pack("<I", len(data)) + data)
            sink.shutdown(socket.SHUT_WR)

    def _translated(self, kind: Any, frame: bytes) -> bytes:
        message = kind.FromString(frame)
        for name in ("open", "describe"):
            header = getattr(message, name, None) if message.HasField(name) else None
            if header is not None and "header" in header.DESCRIPTOR.fields_by_name:
                header = header.header
            for peer in ("client", "server"):
                if header is not None and peer in header.DESCRIPTOR.fields_by_name:
                    info = getattr(header, peer)
                    info.spec_version = VERSION
                    info.capabilities.append(ADDED_CAPABILITY)
                    info.extensions.append(EXTENSION)
        self.enriched += _enrich(message)
        return bytes(message.SerializeToString())


def _receive(source: socket.socket) -> bytes:
    """Return the next message that is no pulse; empty at the end of the connection."""
    size = 0
    while not size:
        head = _exactly(source, 4)
        if not head:
            return b""
        (size,) = struct.unpack("<I", head)
    return _exactly(source, size)


def _exactly(source: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := source.recv(size - len(data))):
        data += more
    return data


@contextmanager
def translated(target: str, client: Any, server: Any) -> Generator[Translator, None, None]:
    """Stand between clients and the server at an address."""
    made = Translator(target, client, server)
    try:
        yield made
    finally:
        made.close()
