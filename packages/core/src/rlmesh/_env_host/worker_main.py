"""A worker process: makes one environment and answers frames about it, until its server is gone.

`python -m rlmesh._env_host.worker_main FRAMES LIFELINE`, two descriptors, started by
`rlmesh._env_host.process`. It receives over FRAMES: the pickled factory, then the frames of
requests, and finally an empty message. It sends: an empty message when the factory is about to be
called; a description or the frame of a failure, after one byte for the kind; a frame for each
request, before it an empty message and a frame for each report of its progress; and finally an
empty message, or the frame of what closing the environment raised.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Generator
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection

from rlmesh._env_host.env_servicer import EnvServicer
from rlmesh._env_host.interrupts import is_server_interrupt
from rlmesh._env_host.pickled_factory import PickledFactory
from rlmesh._messages import env as m
from rlmesh._session.answers import write_answer
from rlmesh._session.versions import this_peer
from rlmesh._wire.env_codec import EnvWireCodec
from rlmesh._wire.failures import failure_of_exception
from rlmesh._wire.field_writer import aligned_from
from rlmesh.backends import NATIVE, backend_of
from rlmesh.specs import SessionTerms

__all__ = ["FAILED", "MADE", "main"]

MADE, FAILED = b"\1", b"\0"


def main(arguments: list[str]) -> int:
    """Serve frames until the server ends the connection, or is gone."""
    frames, lifeline = map(int, arguments)
    _end_with(lifeline)
    connection = Connection(frames)
    with _while_served(connection):
        packed = connection.recv_bytes()
    recipe = PickledFactory.unpacked(packed)
    with _while_served(connection):
        servicer = _make(recipe, connection)
        if servicer is not None:
            _answer(*servicer, connection)
    return 0


def _end_with(lifeline: int) -> None:
    """Let the kernel end this process and its group when the server's end of `lifeline` closes.

    No thread has to wait for that, so an environment that holds the GIL for ever ends too. The
    kernel does not report an end that was closed before; `_end_if_broken` finds it.
    """
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())  # Minus: a group.
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    _end_if_broken(lifeline)


@contextlib.contextmanager
def _while_served(connection: Connection) -> Generator[None, None, None]:
    """End this process and its group if the server has closed FRAMES.

    The kernel may close FRAMES before LIFELINE. A process that ended by itself in between would
    not receive the kernel's signal to its group, and its children would go on running.
    """
    try:
        yield
    except (EOFError, OSError):
        _end_if_broken(connection.fileno())
        raise


def _end_if_broken(descriptor: int) -> None:
    """End this process and its group if the other end of a connection is closed."""
    watch = select.poll()
    watch.register(descriptor, 0)  # POLLHUP is reported without a request.
    if any(events & select.POLLHUP for _, events in watch.poll(0)):
        os.killpg(os.getpgrp(), signal.SIGKILL)


def _make(
    recipe: PickledFactory, connection: Connection
) -> tuple[EnvServicer, EnvWireCodec] | None:
    """Make the environment and send its description, or the failure."""
    try:
        if recipe.config.framework is not None:  # Its import is none of the factory's time.
            backend_of(recipe.config.framework, recipe.config.device)
        connection.send_bytes(b"")
        described = recipe.config.describe_env(recipe.factory())
        servicer = recipe.config.make_servicer(described)
        frames = EnvWireCodec(described.observation_backend)
        contract = described.contract
        description = frames.write_description(this_peer("", frozenset()), contract, SessionTerms())
    except BaseException as error:
        if is_server_interrupt(error):
            raise
        expose_tracebacks = recipe.config.expose_tracebacks
        failure = failure_of_exception(error, "factory", expose_traceback=expose_tracebacks)
        failure = replace(failure, message=failure.message + recipe.registered.advice(error))
        connection.send_bytes(FAILED + bytes(EnvWireCodec(NATIVE).write_reply(0, failure.ended())))
        return None
    connection.send_bytes(MADE + description)
    return servicer, frames


def _answer(servicer: EnvServicer, frames: EnvWireCodec, connection: Connection) -> None:
    while frame := connection.recv_bytes():
        request = frames.read_request(frame)
        report = None
        if type(request.body) is not m.Step:  # A step is too short for reports.
            report = partial(_report, frames, request.sequence, connection)
        start = time.perf_counter_ns()
        reply = servicer.play(request.body, report)
        call_us = (time.perf_counter_ns() - start) // 1000
        # The server passes the frame on as it is, perhaps in memory that its client reads in place.
        aligned = aligned_from(shared=True, asked=True)
        answer = write_answer(frames, request.sequence, reply, call_us, aligned=aligned)
        connection.send_bytes(bytes(answer))
    reply = servicer.end()
    connection.send_bytes(
        b"" if isinstance(reply, m.Closed) else bytes(frames.write_reply(0, reply))
    )


def _report(
    frames: EnvWireCodec, sequence: int, connection: Connection, progress: m.Progress
) -> None:
    """Send a report of progress, after an empty message, which no answer is."""
    connection.send_bytes(b"")
    connection.send_bytes(bytes(frames.write_reply(sequence, progress)))


if __name__ == "__main__":
    threading.current_thread().name = "rlmesh-worker"
    sys.exit(main(sys.argv[1:]))
