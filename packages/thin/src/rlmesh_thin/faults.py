"""Errors that become answers, and the codes and limits of the contract."""

from typing import Any

__all__ = [
    "BUSY",
    "CRASHED",
    "INTERNAL",
    "INVALID_RESULT",
    "INVALID_VALUE",
    "LIMIT_EXCEEDED",
    "MALFORMED",
    "MAX_KEY_BYTES",
    "MAX_MESSAGE_BYTES",
    "MAX_PARTS",
    "NOT_EXPOSED",
    "OUT_OF_SEQUENCE",
    "SHUTTING_DOWN",
    "UNAUTHENTICATED",
    "UNKNOWN_SESSION",
    "UNSUPPORTED",
    "UNSUPPORTED_VERSION",
    "USER_EXCEPTION",
    "WRONG_STATE",
    "Fault",
    "check_extents",
    "step_text",
]

USER_EXCEPTION = 1
MALFORMED = 2
INVALID_VALUE = 3
INVALID_RESULT = 4
WRONG_STATE = 5
OUT_OF_SEQUENCE = 6
UNSUPPORTED_VERSION = 7
UNSUPPORTED = 8
UNAUTHENTICATED = 9
BUSY = 11
UNKNOWN_SESSION = 12
LIMIT_EXCEEDED = 13
NOT_EXPOSED = 14
CRASHED = 16
SHUTTING_DOWN = 17
INTERNAL = 18

MAX_MESSAGE_BYTES = 268435456
MAX_PARTS = 1048576
MAX_KEY_BYTES = 65536
MAX_EXTENT = 2**63 - 1


class Fault(Exception):
    """A reason for an answer that is an error.

    Args:
        code: ErrorCode of the answer.
        message: One sentence for a person.
        path: The place that the error is about; empty: none.
        facts: Other fields of the message Error, by name.
    """

    def __init__(self, code: int, message: str, path: str = "", **facts: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.path = path
        self.facts = facts


def step_text(key: Any) -> str:
    """Return a key or a position as one step of a path (X-6)."""
    if isinstance(key, str):
        return "['%s']" % key.replace("\\", "\\\\").replace("'", "\\'")
    return "[%s]" % (key,)


def check_extents(shape: Any, itemsize: int, most: int, path: str) -> int:
    """Return the number of elements of a shape of at most `most` dimensions.

    Raises:
        Fault: If the extents are over a limit (M-1, M-6), whatever extents of 0 are among them.
    """
    product, elements = itemsize, 1
    for extent in shape[: most + 1]:
        product *= extent or 1
        elements *= extent
    if len(shape) > most or product > MAX_EXTENT or elements * itemsize > MAX_MESSAGE_BYTES:
        text = "%d dimensions, %s..." % (len(shape), list(shape[:4]))
        limits = "M-1: expected at most %d dimensions and %d bytes, got %s"
        raise Fault(LIMIT_EXCEEDED, limits % (most, MAX_MESSAGE_BYTES, text), path)
    return elements
