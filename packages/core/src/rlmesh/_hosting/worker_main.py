"""A worker process: makes one environment and answers frames about it, until its server is gone.

`python -m rlmesh._hosting.worker_main FRAMES LIFELINE`, two descriptors, started by
`rlmesh._hosting.process`. What comes over FRAMES: the recipe; then frames of requests; last an
empty message. What goes: an empty message when the factory is about to be called; a description or
the frame of a failure, after one byte that says which; a frame for each request; last an empty
message, or the frame of what closing the environment raised.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import threading
import time
from multiprocessing.connection import Connection

from rlmesh._hosting.frameworks import backend_of
from rlmesh._hosting.interrupts import stops_the_server
from rlmesh._hosting.player import HostedEnv
from rlmesh._hosting.recipe import Recipe
from rlmesh._session.answers import write_answer
from rlmesh._session.versions import this_peer
from rlmesh._wire import messages as m
from rlmesh._wire.failures import failure_of_exception
from rlmesh._wire.frames import EnvFrames
from rlmesh.backends import NATIVE
from rlmesh.specs import SessionTerms

__all__ = ["FAILED", "MADE", "main"]

MADE, FAILED = b"\1", b"\0"


def main(arguments: list[str]) -> int:
    """Serve frames until the server says that it is enough, or is gone."""
    frames, lifeline = map(int, arguments)
    _end_with(lifeline)
    connection = Connection(frames)
    try:
        recipe = Recipe.unpacked(connection.recv_bytes())
        hosted = _make(recipe, connection)
        if hosted is not None:
            _answer(*hosted, connection)
    except (EOFError, OSError):  # The server is gone; the environment's own end is its business.
        return 1
    return 0


def _end_with(lifeline: int) -> None:
    """Let the kernel end this process and its group when the server's end of `lifeline` closes.

    No thread has to wait for that, so an environment that holds the GIL for ever ends too.
    """
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())  # Minus: a group.
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)


def _make(recipe: Recipe, connection: Connection) -> tuple[HostedEnv, EnvFrames] | None:
    """Make the environment and say what it is, or why it cannot be made."""
    try:
        if recipe.house.framework is not None:  # Its import is none of the factory's time.
            backend_of(recipe.house.framework, recipe.house.device)
        connection.send_bytes(b"")
        adopted = recipe.house.adopt(recipe.factory())
        hosted = recipe.house.host(adopted)
        frames = EnvFrames(adopted.observation_backend)
        contract = adopted.contract
        description = frames.write_description(this_peer("", frozenset()), contract, SessionTerms())
    except BaseException as error:
        if stops_the_server(error):
            raise
        tell = recipe.house.expose_tracebacks
        failure = failure_of_exception(error, "factory", tell_traceback=tell)
        connection.send_bytes(FAILED + bytes(EnvFrames(NATIVE).write_reply(0, failure.ended())))
        return None
    connection.send_bytes(MADE + description)
    return hosted, frames


def _answer(hosted: HostedEnv, frames: EnvFrames, connection: Connection) -> None:
    while frame := connection.recv_bytes():
        request = frames.read_request(frame)
        start = time.perf_counter_ns()
        reply = hosted.play(request.body)
        call_us = (time.perf_counter_ns() - start) // 1000
        connection.send_bytes(bytes(write_answer(frames, request.sequence, reply, call_us)))
    reply = hosted.end()
    connection.send_bytes(
        b"" if isinstance(reply, m.Closed) else bytes(frames.write_reply(0, reply))
    )


if __name__ == "__main__":
    threading.current_thread().name = "rlmesh-worker"
    sys.exit(main(sys.argv[1:]))
