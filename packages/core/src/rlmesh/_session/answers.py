"""The frame of an answer, whatever becomes of it."""

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
    frames: ServerWireCodec,
    sequence: int,
    reply: m.Reply,
    call_us: int,
    allocate: FrameAllocator = join_parts,
) -> Frame:
    """The frame of a reply, or of a failure where the reply cannot be written.

    The request has been applied by then; its client must learn that its answer cannot be told.
    """
    try:
        return frames.write_reply(sequence, reply, call_us, allocate)
    except LimitError as error:
        return frames.write_reply(sequence, too_large(error.message))
    except Exception as error:
        _log.exception("the answer to request %d cannot be written", sequence)
        failure = m.Failure(
            m.ErrorCode.INVALID_RESULT, f"the answer cannot be sent: {text_of(error)}"
        )
        return frames.write_reply(sequence, failure)


def too_large(words: str) -> m.Failure:
    """Instead of an answer that no message can carry (M-3)."""
    return m.Failure(m.ErrorCode.LIMIT_EXCEEDED, f"the answer is too large: {words}")
