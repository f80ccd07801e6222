"""Messages of a session: their fields, and answers as frames."""

import struct
from typing import Any, Dict, List, Optional, Tuple

from rlmesh_thin._version import __version__
from rlmesh_thin.dynamic import DYNAMIC, LIST, MAP
from rlmesh_thin.faults import LIMIT_EXCEEDED, MAX_MESSAGE_BYTES, Fault
from rlmesh_thin.wire import (
    BOOL,
    BYTES,
    TEXT,
    UINT,
    UINT32,
    Unreadable,
    check_message,
    field_blob,
    field_message,
    field_sint,
    field_uint,
    read_message,
    read_varint,
)

__all__ = [
    "ANSWERS",
    "HEADER",
    "HELLO",
    "OPEN",
    "PEER",
    "REQUESTS",
    "RESUME",
    "SERVICE",
    "VALUE",
    "Request",
    "error_frame",
    "frame_of",
    "peer_info",
    "read_request",
    "session_terms",
    "write_error",
]

SERVICE = "rlmesh.proto.env.v1.EnvService"
HEADER = struct.Struct("<I")
LARGE_BYTES = 65536
MAX_VIEWS = 500
MAX_TEXT_BYTES = 16384
MAX_TRACEBACK_BYTES = 262144

HELLO = {1: ("service", TEXT), 2: ("token", TEXT)}
PEER = {1: ("spec_version", TEXT), 4: ("capabilities", UINT, True), 5: ("name", TEXT)}
RESUME = {1: ("session_id", TEXT), 2: ("resume_key", BYTES), 3: ("awaited_sequence", UINT)}
OPEN = {1: ("client", PEER), 2: ("resume", RESUME), 3: ("wait_ms", UINT32)}
VALUE = {1: ("slabs", BYTES, True), 2: ("batch_size", UINT32)}
REQUESTS: Dict[str, Tuple[int, Dict[int, Any]]] = {
    "open": (3, OPEN),
    "reset": (
        4,
        {1: ("seed", UINT), 2: ("lane_seeds", {}), 3: ("options", MAP), 4: ("lane_mask", BYTES)},
    ),
    "step": (5, {1: ("action", VALUE)}),
    "step_many": (6, {1: ("actions", VALUE), 2: ("count", UINT32), 3: ("all_observations", BOOL)}),
    "render": (7, {1: ("lanes", UINT, True)}),
    "call": (8, {1: ("name", TEXT), 2: ("args", LIST), 3: ("kwargs", MAP)}),
    "get_attribute": (9, {1: ("name", TEXT)}),
    "set_attribute": (10, {1: ("name", TEXT), 2: ("value", DYNAMIC)}),
    "close": (11, {}),
    "describe": (15, {}),
}
# In SessionResponse the answers follow on `error`, which no request has.
ANSWERS = {name: number + (name != "describe") for name, (number, _) in REQUESTS.items()}
ANSWERS["error"] = 3
REQUEST: Dict[int, Any] = {1: ("sequence", UINT)}
REQUEST.update(
    {number: (name, schema, False, "kind") for name, (number, schema) in REQUESTS.items()}
)


class Request:
    """A request of a session.

    Attributes:
        sequence: Its number.
        kind: Name of the member of its oneof; empty: none that is known.
        body: The encoded member; of a step, the slabs of its action if `slabs` is set.
        slabs: Whether the request has been read as a step already.
    """

    __slots__ = ("body", "kind", "sequence", "slabs")

    def __init__(self, sequence: int, kind: str, body: Any, slabs: bool = False) -> None:
        self.sequence = sequence
        self.kind = kind
        self.body = body
        self.slabs = slabs


def read_request(frame: Any) -> Request:
    """Return the request of a frame; raise Unreadable if it is none."""
    step: Optional[Request] = _read_step(frame)
    if step is not None:
        return step
    check_message(frame, REQUEST)
    found = read_message(memoryview(frame), REQUEST)
    sequence = found.pop("sequence", 0)
    for kind, body in found.items():
        return Request(sequence, kind, body)
    return Request(sequence, "", b"")


def _read_step(frame: bytes) -> Any:
    """Return a step with its fields in the order of G-2; None for others, which is slower."""
    try:
        if frame[0] != 8:
            return None
        sequence, at = read_varint(frame, 1)
        if frame[at] == 16:
            at = read_varint(frame, at + 1)[1]
        if frame[at] != 42:
            return None
        size, at = read_varint(frame, at + 1)
        end = at + size
        if end != len(frame) or frame[at] != 10:
            return None
        size, at = read_varint(frame, at + 1)
        if at + size != end:
            return None
        slabs = []
        while at < end:
            if frame[at] != 10:
                return None
            size, at = read_varint(frame, at + 1)
            slabs.append(frame[at : at + size])
            at += size
    except (IndexError, Unreadable):
        return None
    return Request(sequence, "step", slabs, True) if at == end else None


def frame_of(sequence: int, kind: str, parts: List[Any], call_us: int = 0) -> Any:
    """Return the frame of an answer, with its length before it: bytes, or a list of its parts.

    Parts are views of what the environment has returned, which does not change before the next
    request is applied.

    Args:
        sequence: That of the request.
        kind: Name of the answer.
        parts: The encoded answer, in parts.
        call_us: Microseconds in the environment's own code.
    """
    head = field_uint(1, sequence) if sequence else b""
    if call_us:
        head += field_uint(2, call_us)
    body = field_message(ANSWERS[kind], parts)
    size = len(head) + sum(map(len, body))
    if size > MAX_MESSAGE_BYTES:
        text = "M-3: the answer has %d bytes; the limit is %d" % (size, MAX_MESSAGE_BYTES)
        return error_frame(sequence, Fault(LIMIT_EXCEEDED, text))
    body[:0] = (HEADER.pack(size), head)
    return b"".join(body) if size < LARGE_BYTES or len(body) > MAX_VIEWS else body


def error_frame(sequence: int, fault: Fault, closed: bool = False) -> Any:
    """Return the frame of an error; `closed` ends the session, or the connection (Q-9)."""
    return frame_of(sequence, "error", [write_error(fault, closed)])


def write_error(fault: Fault, closed: bool = False) -> bytes:
    """Return the encoded Error of a Fault."""
    facts = fault.facts
    texts = (
        (2, fault.message, MAX_TEXT_BYTES),
        (3, facts.get("exception_type"), MAX_TEXT_BYTES),
        (4, facts.get("traceback"), MAX_TRACEBACK_BYTES),
        (5, fault.path, MAX_TEXT_BYTES),
        (6, facts.get("expected"), MAX_TEXT_BYTES),
        (7, facts.get("actual"), MAX_TEXT_BYTES),
    )
    data = field_uint(1, fault.code)
    for number, text, most in texts:
        if text:
            cut = text.encode("utf-8", "replace")[:most].decode("utf-8", "ignore")
            data += field_blob(number, cut)
    if closed or facts.get("closed"):
        data += field_uint(8, 1)
    holder: bytes = facts.get("holder", b"")
    data += holder
    for choice in facts.get("choices", ()):
        data += field_blob(10, choice)
    if facts.get("exit_code") is not None:
        data += field_sint(11, facts["exit_code"])
    return data


def peer_info(capabilities: bytes) -> bytes:
    """Return the encoded PeerInfo of the host."""
    texts = field_blob(1, __version__) + field_blob(3, "rlmesh-thin/" + __version__)
    return texts + field_blob(4, capabilities)


def session_terms(grace_ms: int) -> bytes:
    """Return the encoded SessionTerms."""
    return (field_uint(1, grace_ms) if grace_ms else b"") + field_uint(2, MAX_MESSAGE_BYTES)
