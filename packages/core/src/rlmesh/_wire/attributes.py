"""Requests and replies about exposed attributes <-> their messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rlmesh_proto.env.v1 import env_pb2

from rlmesh._messages import env as m
from rlmesh._wire.dynamic import DynamicEncoder, dynamic_from_wire, map_from_wire
from rlmesh.backends import ArrayBackend
from rlmesh.errors import CodecError

__all__ = [
    "attribute_reply_readers",
    "attribute_request_readers",
    "write_attribute_reply",
    "write_attribute_request",
]

MAX_NAME_BYTES = 2**16
"""Longest name."""


def write_attribute_request(
    body: m.Call | m.GetAttribute | m.SetAttribute,
    out: env_pb2.SessionRequest,
    encoder: DynamicEncoder,
) -> None:
    """Write a request.

    Raises:
        InvalidValueError: If no wire type holds an argument.
    """
    if isinstance(body, m.Call):
        out.call.name = body.name
        for i, argument in enumerate(body.args):
            encoder.value(argument, out.call.args.elements.add(), f"args[{i}]")
        if body.kwargs:
            encoder.map(body.kwargs, out.call.kwargs, "kwargs")
    elif isinstance(body, m.GetAttribute):
        out.get_attribute.name = body.name
    else:
        out.set_attribute.name = body.name
        encoder.value(body.value, out.set_attribute.value, "value")


def attribute_request_readers(backend: ArrayBackend) -> dict[str, Callable[[Any], m.RequestBody]]:
    """Return the reader of each kind of request; it raises CodecError if a rule is broken."""

    def call(message: env_pb2.CallRequest) -> m.Call:
        elements = enumerate(message.args.elements)
        args = [dynamic_from_wire(x, backend, f"args[{i}]") for i, x in elements]
        kwargs = map_from_wire(message.kwargs, backend, "kwargs")
        entries = len(message.kwargs.entries)
        if len(kwargs) != entries or not all(isinstance(key, str) for key in kwargs):
            raise CodecError("a keyword repeats, or is not a string", path="kwargs", rule="N-11")
        return m.Call(_name(message), tuple(args), kwargs)

    def set_attribute(message: env_pb2.SetAttributeRequest) -> m.SetAttribute:
        if not message.HasField("value"):
            raise CodecError("there is no value to set", path="value", rule="G-8")
        return m.SetAttribute(_name(message), dynamic_from_wire(message.value, backend, "value"))

    return {
        "call": call,
        "get_attribute": lambda message: m.GetAttribute(_name(message)),
        "set_attribute": set_attribute,
    }


def _name(message: Any) -> str:
    name: str = message.name
    if not name or len(name.encode()) > MAX_NAME_BYTES:
        raise CodecError("a name is empty or too long", path="name", rule="N-11")
    return name


def write_attribute_reply(
    reply: m.Called | m.Attribute | m.AttributeSet,
    out: env_pb2.SessionResponse,
    encoder: DynamicEncoder,
) -> None:
    """Write a reply.

    Raises:
        InvalidValueError: If no wire type holds the result.
    """
    if isinstance(reply, m.Called):
        encoder.value(reply.result, out.call.result, "result")
    elif isinstance(reply, m.Attribute):
        if reply.callable:
            out.get_attribute.callable = True
        else:
            encoder.value(reply.value, out.get_attribute.value, "value")
    else:
        out.set_attribute.SetInParent()


def attribute_reply_readers(backend: ArrayBackend) -> dict[str, Callable[[Any], m.Reply]]:
    """Return the reader of each kind of reply; it raises CodecError if a rule is broken."""

    def get_attribute(message: env_pb2.GetAttributeResponse) -> m.Attribute:
        if message.callable:
            return m.Attribute(callable=True)
        return m.Attribute(dynamic_from_wire(message.value, backend, "value"))

    return {
        "call": lambda message: m.Called(dynamic_from_wire(message.result, backend, "result")),
        "get_attribute": get_attribute,
        "set_attribute": lambda _: m.AttributeSet(),
    }
