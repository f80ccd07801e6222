"""Actions of `step_many`: one batch on the wire, and errors with the index of the bad one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from rlmesh._codec.plan import SpaceCodec
from rlmesh._codec.split_batch import split_batch
from rlmesh.backends import Buffer
from rlmesh.errors import CodecError, InvalidValueError

__all__ = ["decode_actions", "encode_actions"]

_BAD = (CodecError, InvalidValueError)


def encode_actions(codec: SpaceCodec, actions: Sequence[Any], lanes: int | None) -> list[Buffer]:
    """Return the slabs of actions.

    Args:
        codec: Codec of one action.
        actions: The actions; for a vector, each is a batch.
        lanes: Number of lanes of the vector; None: the environment is a single one.

    Raises:
        CodecError: If an action cannot be encoded; the path is `actions[k]` (X-6).
        InvalidValueError: If an action does not belong to the space; the path is the same.
    """

    def encoded(codec: SpaceCodec, actions: Sequence[Any]) -> list[Buffer]:
        if lanes is None:
            return codec.encode_values(actions)
        return codec.encode_batches(actions, lanes)

    try:
        return encoded(codec, actions)
    except _BAD as error:
        _raise_first(codec, lambda codec, action: encoded(codec, [action]), actions)
        raise _of_all(error) from None


def decode_actions(
    codec: SpaceCodec, slabs: Sequence[Buffer], count: int, lanes: int | None
) -> list[Any]:
    """Return the actions of slabs; see `encode_actions`.

    Raises:
        CodecError: If the slabs do not encode `count` actions; the path is `actions[k]` if one of
            them is invalid, and `actions` if the slabs cannot be split into actions.
        InvalidValueError: If an action does not belong to its space; the paths are the same.
    """

    def decoded(codec: SpaceCodec, slabs: Sequence[Buffer], count: int) -> list[Any]:
        if lanes is None:
            return codec.decode_values(slabs, count)
        return codec.decode_batches(slabs, count, lanes)

    try:
        return decoded(codec, slabs, count)
    except _BAD as error:
        runs: list[list[Buffer]] = []
        with contextlib.suppress(CodecError):
            runs = split_batch(codec.space, slabs, [lanes or 1] * count)
        _raise_first(codec, lambda codec, run: decoded(codec, run, 1), runs)
        raise _of_all(error) from None


def _of_all(error: CodecError | InvalidValueError) -> CodecError:
    """Return an error of the whole batch with the facts of the error that was found."""
    whole = CodecError(str(error), path="actions")
    whole.expected, whole.actual = error.expected, error.actual
    whole.rule = error.rule if isinstance(error, CodecError) else ""
    return whole


def _raise_first(
    codec: SpaceCodec, work: Callable[[SpaceCodec, Any], object], actions: Iterable[Any]
) -> None:
    """Raise the error of the first action that is invalid by itself; return if none is."""
    unnamed = codec.without_reports("actions")
    for k, action in enumerate(actions):
        try:
            work(unnamed, action)
        except _BAD:
            work(codec.without_reports(f"actions[{k}]"), action)
            raise
