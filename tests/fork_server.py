"""Python processes, forked from one in which the slow imports are done.

Hundreds of tests start a module such as `rlmesh._cli`, a script or a few lines of code; imports
take most of the time of such a process. `start` has a server fork it instead: the new process has
its own arguments, variables, descriptors and signals, runs its program as `__main__` and ends as
Python does.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import types
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

__all__ = ["ForkedProcess", "can_fork", "start"]

ROOT = Path(__file__).resolve().parents[1]

SUPPORTED = sys.platform == "linux"

PRELOADED = (
    "gymnasium",
    "pydantic.type_adapter",
    "rich.traceback",
    "rlmesh._cli.app",
    "rlmesh._cli.main",
    "rlmesh._cli.serve_env",
    "rlmesh._models.evaluate",
    "rlmesh._models.remote_model",
    "rlmesh._server.env_server",
    "rlmesh._server.model_server",
    "rlmesh._transport.grpc.client",
    "rlmesh._transport.grpc.server",
    "rlmesh._transport.socket.client",
    "rlmesh._transport.socket.server",
    "rlmesh.numpy",
    "rlmesh_numpy.gym",
    "typer.rich_utils",
)
"""Modules that the server imports. None of them starts a thread."""

READ_AT_IMPORT = ("PYTHON", "RLMESH_")
"""Prefixes of variables that have had their effect when a module is imported."""

MAX_REQUEST = 200_000
"""Largest size of a request, in bytes."""

MAX_DESCRIPTORS = 32

_ABOVE = 512
"""A descriptor that no test asks for."""

_server: tuple[subprocess.Popen[bytes], socket.socket, dict[str, str]] | None = None


class ForkedProcess:
    """A process of the server, with those methods of `subprocess.Popen` that the tests use.

    Args:
        args: The arguments of Python that it replaces.
        reports: Pipe from which first the id of the process comes, then its status.
    """

    def __init__(self, args: Sequence[str], reports: int) -> None:
        self.args = list(args)
        self.returncode: int | None = None
        self._reports = os.fdopen(reports, "rb", buffering=0)
        self.pid = self._read()

    def poll(self) -> int | None:
        """Return the exit status; None if the process is running."""
        with suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status once the process has ended."""
        if self.returncode is None:
            waiting = select.poll()
            waiting.register(self._reports, select.POLLIN)
            if not waiting.poll(None if timeout is None else timeout * 1000):
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
            self.returncode = os.waitstatus_to_exitcode(self._read())
            self._reports.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End the process by SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _read(self) -> int:
        data = self._reports.read(4)
        if len(data) != 4:
            raise RuntimeError("the fork server has ended")
        (number,) = struct.unpack("i", data)
        return int(number)


def can_fork(arguments: Sequence[str], variables: Mapping[str, str]) -> bool:
    """Return whether a process of Python can be forked in place of being started."""
    if not SUPPORTED or not (arguments[0] in ("-c", "-m") or arguments[0].endswith(".py")):
        return False
    return _read_at_import(variables) == _read_at_import(_started()[2])


def start(
    arguments: Sequence[str],
    variables: Mapping[str, str],
    output: tuple[IO[bytes], IO[bytes]],
    pass_fds: Sequence[int] = (),
) -> ForkedProcess:
    """Start a process.

    Args:
        arguments: The arguments of Python, such as `["-m", "rlmesh._cli", "--help"]`; of its
            options only -c and -m.
        variables: All variables of the process.
        output: Its stdout and stderr; its stdin is the null device.
        pass_fds: More descriptors, which have the same numbers in the process.
    """
    reader, writer = os.pipe()
    theirs = [*(file.fileno() for file in output), *pass_fds]
    request = {"arguments": arguments, "variables": dict(variables), "pass_fds": list(pass_fds)}
    try:
        socket.send_fds(_started()[1], [json.dumps(request).encode()], [writer, *theirs])
    finally:
        os.close(writer)
    return ForkedProcess([sys.executable, *arguments], reader)


def _read_at_import(variables: Mapping[str, str]) -> dict[str, str]:
    found = {name: x for name, x in variables.items() if name.startswith(READ_AT_IMPORT)}
    found.pop("PYTHONPATH", None)  # The process adds what is new in it.
    return found


def _started() -> tuple[subprocess.Popen[bytes], socket.socket, dict[str, str]]:
    """Return the server of this process, its socket and its variables."""
    global _server
    if _server is None:
        ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
        variables = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"}
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.fork_server", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                cwd=ROOT,
                env=variables,
            )
        _server = process, ours, variables
        atexit.register(_stop)
    return _server


def _stop() -> None:
    if _server is not None:
        process, ours, _ = _server
        ours.close()
        process.wait()


def _serve(descriptor: int) -> None:
    """Fork a process for each request, until the tests have ended; return in each of them too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in PRELOADED:
        with suppress(ImportError):  # Some are of extras.
            importlib.import_module(name)
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=descriptor) as requests:
        while True:
            data, received, _, _ = socket.recv_fds(requests, MAX_REQUEST, MAX_DESCRIPTORS)
            if not data:
                break
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            if not os.fork():
                requests.close()
                return _supervise(json.loads(data), received)
            for number in received:
                os.close(number)
    with suppress(ChildProcessError):
        while True:
            os.wait()


def _supervise(request: Mapping[str, object], received: Sequence[int]) -> None:
    """Fork the process, which runs the program, and report its id and its status.

    The server itself does not wait for the process, because the tests would then learn of its end
    only with the server's next request.
    """
    reports, *others = received
    pid = os.fork()
    if not pid:
        os.close(reports)
        return _run(request, others)
    for number in (1, 2, *others):  # A reader of them waits for the end of the process alone.
        os.close(number)
    # The tests may have gone.
    with suppress(BrokenPipeError):
        os.write(reports, struct.pack("i", pid))
        os.write(reports, struct.pack("i", os.waitpid(pid, 0)[1]))
    os._exit(0)


def _run(request: Mapping[str, object], received: Sequence[int]) -> None:
    """Become the process of a request, and run its program."""
    import fcntl  # Windows has none.

    arguments, variables, pass_fds = (request[x] for x in ("arguments", "variables", "pass_fds"))
    assert isinstance(arguments, list) and isinstance(variables, dict)
    assert isinstance(pass_fds, list)
    above = [fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, _ABOVE) for number in received]
    for number in received:
        os.close(number)
    for number, target in zip(above, (1, 2, *pass_fds)):
        os.dup2(number, target)
        os.close(number)
    os.environ.clear()
    os.environ.update(variables)
    is_script = arguments[0] not in ("-c", "-m")
    if is_script:
        sys.path[0] = os.path.dirname(os.path.abspath(arguments[0]))
    sys.path[1:1] = [
        folder
        for folder in variables.get("PYTHONPATH", "").split(os.pathsep)
        if folder and folder not in sys.path
    ]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if arguments[0] == "-c":
        _, program, *rest = arguments
        sys.argv[:] = ["-c", *rest]
        sys.modules["__main__"] = main = types.ModuleType("__main__")
        exec(compile(program, "<string>", "exec"), main.__dict__)  # noqa: S102
    elif is_script:
        sys.argv[:] = arguments
        runpy.run_path(arguments[0], run_name="__main__")
    else:
        _, program, *rest = arguments
        sys.argv[:] = [program, *rest]
        sys.modules.pop(program, None)  # Python warns of a module that is imported and then run.
        runpy.run_module(program, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
