"""Environments in processes of their own, each on the main thread of the same script."""

import signal
import socket
import subprocess
import sys
from typing import Any, List, Tuple

from rlmesh_thin.connection import Connection, Lost
from rlmesh_thin.faults import CRASHED, Fault
from rlmesh_thin.messages import HEADER, Request, error_frame, frame_of, read_request
from rlmesh_thin.servicer import Servicer

__all__ = ["WorkerServicer", "serve_parent"]

END_SECONDS = 5.0


class WorkerServicer:
    """Plays requests in a worker process, and starts another one at a reset after a crash (N-14).

    Args:
        arguments: Command line of the host, without its interpreter.
    """

    def __init__(self, arguments: List[str]) -> None:
        self._arguments = arguments
        self._process: Any = None
        self._start()

    def _start(self) -> None:
        here, there = socket.socketpair()
        command = [sys.executable] + self._arguments + ["--worker-fd", str(there.fileno())]
        self._process = subprocess.Popen(command, pass_fds=[there.fileno()])
        there.close()
        self._connection = Connection(here, 0.0)

    def hello(self) -> bytes:
        """Return what a new process sends first: whether it renders, and its contract.

        Raises:
            Lost, OSError: If it does not come up.
        """
        return self._connection.receive()

    def answer(self, request: Request, frame: bytes) -> Tuple[Any, bool]:
        """See `Servicer`."""
        try:
            if self._process is None:
                if request.kind == "close":
                    return frame_of(request.sequence, "close", []), True
                if request.kind != "reset":
                    raise Lost
                self._start()
                self.hello()
            self._connection.send(HEADER.pack(len(frame)) + frame)
            answer = self._connection.receive()
            return HEADER.pack(len(answer) - 1) + answer[1:], answer[0] == 1
        except (Lost, OSError):
            code = self.end()
        last = request.kind == "close"
        text = "the environment's process has ended; reset makes a new one"
        return error_frame(request.sequence, Fault(CRASHED, text, exit_code=code), last), last

    def end(self) -> Any:
        """End the process, if there is one, and return its exit code."""
        process, self._process = self._process, None
        if process is None:
            return None
        self._connection.close()
        try:
            return process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


def serve_parent(number: int, servicer: Servicer, hello: bytes) -> None:
    """Play the requests of the parent process, until it ends the connection.

    Args:
        number: Descriptor of the connection.
        servicer: Answers the requests.
        hello: What is sent first.
    """
    for stop in (signal.SIGINT, signal.SIGTERM):  # The parent ends this process.
        signal.signal(stop, signal.SIG_IGN)
    connection = Connection(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=number), 0.0)
    connection.send(HEADER.pack(len(hello)) + hello)
    try:
        while True:
            frame = connection.receive()
            answer, last = servicer.answer(read_request(frame))
            data = answer if isinstance(answer, bytes) else b"".join(answer)
            connection.send(HEADER.pack(len(data) - HEADER.size + 1) + bytes([last]) + data[4:])
    except (Lost, OSError):
        pass
