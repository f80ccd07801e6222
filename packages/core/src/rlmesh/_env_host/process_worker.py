"""`ProcessWorker`: an environment in a process of its own, which may crash without the server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rlmesh._env_host.base import EnvHostConfig
from rlmesh._env_host.env_thread import Stream
from rlmesh._env_host.process import ClientGone, ProcessEnded, WorkerProcess
from rlmesh._env_host.worker_main import MADE
from rlmesh._logs import Lines, logger
from rlmesh._messages import env as m
from rlmesh._session.server_session import RequestRefused
from rlmesh._wire.env_codec import EnvWireCodec
from rlmesh._wire.failures import text_of
from rlmesh.backends import ArrayBackend, Buffer
from rlmesh.errors import ClosedError
from rlmesh.specs import EnvContract

__all__ = ["ProcessWorker"]

_log = logger("rlmesh.server")

_START_SECONDS = 60.0
"""Seconds that a process may take to import, if calls are limited, before it calls the factory."""

_NEXT = "reset() starts a new one"


class ProcessWorker:
    """Runs an environment in a process, which applies requests to it; see `Worker`.

    If the process dies, or a call takes too long and the process is ended for that, the next reset
    starts another one (CONTRACT.md, N-13 and N-14).

    Args:
        factory: Makes the environment, in the process.
        config: Settings of the environment's host.
        backend: Backend of the arrays in infos that pass through this process.
        call_timeout: Seconds that a call of the environment, or of the factory, may take; None: any
            time.
        close_timeout: Seconds that its `close` may take.
    """

    is_current = False
    is_free = True

    def __init__(
        self,
        factory: Callable[[], Any],
        config: EnvHostConfig,
        backend: ArrayBackend,
        call_timeout: float | None,
        close_timeout: float,
    ) -> None:
        self.contract: EnvContract | None = None
        self.backend = backend
        self.ended = False
        self._factory = factory
        self._config = config
        self._frames = EnvWireCodec(backend)
        self._call_timeout = call_timeout
        self._close_timeout = close_timeout
        self._process: WorkerProcess | None = None
        self._lock = threading.Lock()
        self._fault: m.Failure | None = None
        self._view: bytes | None = None

    def make(self, alive: Callable[[], bool] = lambda: True) -> EnvContract:
        """See `Worker`: its process is ended if no client waits for it."""
        with self._lock:
            if self.ended:
                raise ClosedError("the server is shutting down")
            if self.contract is None:
                self.contract = self._start(alive)
            return self.contract

    def offer(self, stream: Stream) -> bool:
        """See `Worker`: the environment's thread is not in this process."""
        return False

    def answer(self, request: m.Request, frame: Buffer) -> m.Reply | bytes:
        """See `Servicer`."""
        with self._lock:
            if self.ended:
                raise ClosedError("the server is shutting down")
            body = request.body
            if self._process is None:
                if not isinstance(body, m.Reset):
                    return self._dead()
                try:
                    self._start()
                except RequestRefused as error:
                    return error.failure.ended()
                first = m.Request(request.sequence, replace(body, lane_mask=b""))
                if self._view is not None:  # The new process sends what the old one sent.
                    self._ask(self._view, request)
                frame = bytes(self._frames.write_request(first))
            reply = self._ask(frame, request)
            if isinstance(body, m.SetView) and _is_view_set(reply, self._frames):
                self._view = bytes(frame)
            return reply

    def run_stream(self, stream: Stream, *, takes_over: Callable[[], bool]) -> bool:
        """See `Servicer`: the connection's thread waits for the process."""
        return False

    def end(self) -> m.Reply:
        """See `Servicer`."""
        with self._lock:
            process, self._process = self._process, None
            if process is None:
                return m.Closed()
            try:
                frame = process.close(self._close_timeout)
            except ProcessEnded as ended:
                return _crashed("close", ended).ended()
            except TimeoutError:
                return _late("close", self._close_timeout).ended()
            failure = None if frame is None else self._frames.read_reply(frame)[1]
            return failure if isinstance(failure, m.Failure) else m.Closed()

    def release(self) -> None:
        """See `Servicer`: a call that runs may end within the time that closing has."""
        if self._lock.acquire(timeout=self._close_timeout):
            self._lock.release()
        elif (process := self._process) is not None:
            process.interrupt()
        reply = self.end()
        self.ended = True
        if isinstance(reply, m.Failure):
            _log.error(
                "closing an environment failed: %s\n%s", reply.message, Lines(reply.traceback)
            )

    def stop(self) -> None:
        """See `Worker`: a call that runs may end."""

    def _start(self, alive: Callable[[], bool] = lambda: True) -> EnvContract:
        """Start a process and have it make the environment.

        Raises:
            RequestRefused: If it cannot, or if no client waits for it any longer.
        """
        process = self._process = WorkerProcess(self._factory, self._config)
        begun = time.monotonic()
        limit = self._call_timeout
        try:
            received = process.hear(None if limit is None else max(limit, _START_SECONDS), alive)
            begun = time.monotonic()
            received = received or process.hear(limit, alive)
        except ProcessEnded as ended:
            self._forget(process)
            raise RequestRefused(_crashed("factory", ended)) from None
        except TimeoutError:
            self._forget(process)
            late = _late("factory", time.monotonic() - begun, "raise call_timeout if it needs that")
            raise RequestRefused(late) from None
        except ClientGone:
            self._forget(process)
            seconds = time.monotonic() - begun
            message = (
                f"factory() had not returned after {seconds:.1f} s, when the client left; its "
                f"process was ended"
            )
            gone = m.Failure(m.ErrorCode.TIMEOUT, message)
            raise RequestRefused(gone) from None
        except BaseException:
            self._forget(process)
            raise
        if not received.startswith(MADE):
            self._forget(process)
            failure = self._frames.read_reply(received[1:])[1]
            assert isinstance(failure, m.Failure)
            raise RequestRefused(failure)
        self._fault = None
        _log.info("environment process %d started", process.pid)
        return self._frames.read_description(received[1:])[1]

    def _forget(self, process: WorkerProcess) -> None:
        process.kill()
        self._process = None

    def _ask(self, frame: Buffer, request: m.Request) -> m.Reply | bytes:
        process = self._process
        assert process is not None
        call = type(request.body).__name__.lower()
        begun = time.monotonic()

        def report(frame: bytes) -> None:
            progress = self._frames.read_reply(frame)[1]
            if request.report is not None and isinstance(progress, m.Progress):
                request.report(progress)

        try:
            return process.ask(frame, self._call_timeout, report)
        except ProcessEnded as ended:
            fault = _crashed(call, ended, _NEXT)
        except TimeoutError:
            fault = _late(call, time.monotonic() - begun, _NEXT)
        except Exception as error:
            # What is left of its answer would be read as the next one.
            _log.exception("the answer of environment process %d cannot be read", process.pid)
            fault = _unread(call, error)
        self._forget(process)
        self._fault = fault
        return fault

    def _dead(self) -> m.Failure:
        """Return the answer to every request but a reset once the process is gone."""
        cause = self._fault
        words = "its environment is gone" if cause is None else cause.message
        code = None if cause is None else cause.exit_code
        return m.Failure(m.ErrorCode.CRASHED, f"not applied: {words}", exit_code=code)


def _is_view_set(reply: m.Reply | bytes, frames: EnvWireCodec) -> bool:
    """Return whether a process has set a view."""
    return isinstance(reply, bytes) and isinstance(frames.read_reply(reply)[1], m.ViewSet)


def _crashed(call: str, ended: ProcessEnded, hint: str = "") -> m.Failure:
    message = f"the environment died during {call}(): {ended}"
    return _advised(m.Failure(m.ErrorCode.CRASHED, message, exit_code=ended.exit_code), hint)


def _unread(call: str, error: Exception) -> m.Failure:
    message = f"the answer to {call}() could not be read, and its process was ended"
    return _advised(m.Failure(m.ErrorCode.CRASHED, f"{message}: {text_of(error)}"), _NEXT)


def _late(call: str, seconds: float, hint: str = "") -> m.Failure:
    message = f"{call}() had not returned after {seconds:.1f} s and its process was ended"
    return _advised(m.Failure(m.ErrorCode.TIMEOUT, message), hint)


def _advised(fault: m.Failure, hint: str) -> m.Failure:
    """Return a fault with advice."""
    return replace(fault, message=f"{fault.message}; {hint}") if hint else fault
