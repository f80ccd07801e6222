"""Frames of answers, including those that cannot be sent as they are."""

from __future__ import annotations

from rlmesh._buffers import Frame, FrameAllocator, join_parts
from rlmesh._logs import logger
from rlmesh._messages import env as m
from rlmesh._session.wire_codec import ServerWireCodec
from rlmesh._wire.failures import text_of
from rlmesh.errors import LimitError

__all__ = ["too_large", "write_answer"]

_log = logger("rlmesh.server")


def write_answer(
    codec: ServerWireCodec,
    sequence: int,
    reply: m.Reply,
    call_us: int,
    allocate: FrameAllocator = join_parts,
    *,
    aligned: int = 0,
) -> Frame:
    """Return the frame of a reply, or of a failure if the reply cannot be written.

    The request has been applied by then, so that the client must learn why it gets no result.
    """
    try:
        return codec.write_reply(sequence, reply, call_us, allocate, aligned=aligned)
    except LimitError as error:
        return codec.write_reply(sequence, too_large(error.message))
    except Exception as error:
        _log.exception("the answer to request %d cannot be written", sequence)
        failure = m.Failure(
            m.ErrorCode.INVALID_RESULT, f"the answer cannot be sent: {text_of(error)}"
        )
        return codec.write_reply(sequence, failure)


def too_large(reason: str) -> m.Failure:
    """Return the failure that replaces an answer that no message can carry (M-3)."""
    return m.Failure(m.ErrorCode.LIMIT_EXCEEDED, f"M-3: the answer is too large: {reason}")
