"""The protocol of every side's program: JSON lines on stdin, JSON lines on stdout.

The program imports its libraries once and forks a fresh process for each request, a server or a
client, because importing them in thousands of processes would take too long. Requests and answers:

    {"id", "do": "serve", "case", "option"}                         {"id", "pid"}, {"id", "address"}
    {"id", "do": "measure", "case", "option", "addresses", "pids", "seconds"}
                                                                    {"id", "pid"}, {"id", "timing"}
    either                                                          {"id", "error"}
"""

from __future__ import annotations

import ctypes
import dataclasses
import gc
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable
from importlib import metadata
from typing import Any

import numpy

from benchmarks.peers.cases import CASES, Case
from benchmarks.peers.measure import Client, time_clients
from benchmarks.peers.sides import environments

__all__ = ["run"]

Ready = Callable[[str], None]
Serve = Callable[[Case, str, Ready], None]
Connect = Callable[[Case, str, str], Client]

_PR_SET_PDEATHSIG = 1


def run(
    connect: Connect,
    serve: Serve | None = None,
    *,
    versions: Iterable[str] = (),
    forks: bool = True,
    checks: bool = True,
) -> None:
    """Answer requests until stdin ends.

    Args:
        connect: Returns a client of a case, for the option of the side and an address.
        serve: Serves a case until a signal, and calls back with its address; None if the client
            starts its own servers.
        versions: Distributions with versions to report.
        forks: Whether each request gets a process of its own.
        checks: Whether the client returns observations that can be compared with the environment's.
    """
    replies = os.dup(1)
    os.dup2(2, 1)  # Output of libraries must not be read as an answer.

    def say(**answer: Any) -> None:
        os.write(replies, (json.dumps(answer) + "\n").encode())

    say(id=0, versions={name: metadata.version(name) for name in versions})
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # The kernel reaps the processes.
    for line in sys.stdin:
        request = json.loads(line)
        if not forks:
            _reply(request, connect, serve, checks, say)
        elif not os.fork():
            _become_a_process()
            _reply(request, connect, serve, checks, say)
            sys.stderr.flush()
            os._exit(0)


def _become_a_process() -> None:
    """Detach a forked process from the program's stdin and signals; end when the program ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)


def _reply(request: dict[str, Any], *how: Any) -> None:
    """Send the id of the answering process, and the answer or the error."""
    say = how[-1]
    say(id=request["id"], pid=os.getpid())
    try:
        _answer(request, *how)
    except BaseException as error:
        traceback.print_exc()
        say(id=request["id"], error=f"{type(error).__name__}: {error}"[:500])


def _answer(
    request: dict[str, Any],
    connect: Connect,
    serve: Serve | None,
    checks: bool,
    say: Callable[..., None],
) -> None:
    case, option = CASES[request["case"]], request["option"]
    if request["do"] == "serve":
        assert serve is not None
        serve(case, option, lambda address: say(id=request["id"], address=address))
        return
    clients = [connect(case, option, address) for address in request["addresses"]]
    try:
        for client in clients[1:] if checks else clients:
            client.reset(0)
        if checks:
            _check(clients[0], case)
        pids = request["pids"] or [pid for x in clients for pid in getattr(x, "pids", ())]
        timing = time_clients(clients, environments.actions(case), request["seconds"], pids)
        say(id=request["id"], timing=dataclasses.asdict(timing))
    finally:
        for client in clients:
            client.close()


def _check(client: Client, case: Case) -> None:
    """Raise unless the client sees the environment's observations, array by array."""
    env = environments.make(case)
    plain = getattr(client, "plain", lambda observation: observation)

    def compare(seen: Any, wanted: Any) -> None:
        came, expected = environments.leaves(plain(seen)), environments.leaves(wanted)
        if not _equal(came, expected):
            raise ValueError(
                f"the observation is not the environment's: expected {_described(expected)}, "
                f"came {_described(came)}"
            )

    compare(client.reset(0), env.reset(seed=0)[0])
    for action in environments.actions(case):
        compare(client.step(action)[0], env.step(action)[0])
    env.close()


def _equal(came: list[Any], expected: list[Any]) -> bool:
    return len(came) == len(expected) and all(
        isinstance(a, numpy.ndarray) and a.dtype == b.dtype and numpy.array_equal(a, b)
        for a, b in zip(came, expected)
    )


def _described(arrays: list[Any]) -> str:
    return ", ".join(
        f"{x.dtype}{list(x.shape)}" if isinstance(x, numpy.ndarray) else type(x).__name__
        for x in arrays
    )
