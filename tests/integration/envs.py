"""Environments that misbehave, without any dependency."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rlmesh

__all__ = [
    "CounterEnv",
    "GatedEnv",
    "MischiefEnv",
    "ParentEnv",
    "ScriptedEnv",
    "SlowToUnpack",
    "StubbornEnv",
    "TallyEnv",
    "ThreadedEnv",
    "client_of",
    "is_free",
    "make_slowly",
    "plays_on",
]


class CounterEnv:
    """The environment of the quickstart: counts steps modulo 5, three an episode."""

    observation_space = rlmesh.spaces.Discrete(5)
    action_space = rlmesh.spaces.Discrete(2)

    def __init__(self) -> None:
        self.step_count = 0
        self.closed = 0

    def reset(self, seed: Any = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self.step_count = 0
        return 0, {}

    def step(self, action: Any) -> Any:
        self.step_count += 1
        terminated = self.step_count >= 3
        return self.step_count % 5, 1.0, terminated, False, {"action": action}

    def close(self) -> None:
        self.closed += 1


class GatedEnv(CounterEnv):
    """Its steps wait until `go` is set.

    Attributes:
        entered: Set when a step has begun.
        go: Lets steps go on.
    """

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.go = threading.Event()

    def pass_gate(self) -> None:
        self.entered.set()
        assert self.go.wait(30)

    def step(self, action: Any) -> Any:
        self.pass_gate()
        return super().step(action)


class ScriptedEnv(CounterEnv):
    """Answers its next steps and resets with what was put into `script`; exceptions are raised."""

    def __init__(self, *script: Any) -> None:
        super().__init__()
        self.script = list(script)

    def _next(self, usual: Any) -> Any:
        if not self.script:
            return usual
        item = self.script.pop(0)
        if isinstance(item, BaseException):
            raise item
        return item

    def step(self, action: Any) -> Any:
        return self._next(super().step(action))


class MischiefEnv(CounterEnv):
    """Does what its action requests; its infos have the process and thread of the call.

    Args:
        note: File that gets a line when it is made, and one when it is closed.
        trouble: A step with an action that is an index of `TROUBLES` gets that.
    """

    TROUBLES = ("none", "segfault", "exit", "sys.exit", "sleep", "raise", "hold the GIL")
    action_space = rlmesh.spaces.Discrete(len(TROUBLES))

    def __init__(self, note: str = "") -> None:
        super().__init__()
        self.note = note
        self._write("made")

    def _write(self, word: str) -> None:
        if self.note:
            with open(self.note, "a") as file:
                file.write(f"{word} {os.getpid()} {threading.get_ident()}\n")

    def _place(self) -> dict[str, Any]:
        return {"pid": os.getpid(), "thread": threading.get_ident()}

    def reset(self, seed: Any = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset()
        return 0, self._place()

    def step(self, action: Any) -> Any:
        trouble = self.TROUBLES[action]
        if trouble == "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        elif trouble == "exit":
            os._exit(7)
        elif trouble == "sys.exit":
            sys.exit(3)
        elif trouble == "sleep":
            time.sleep(60)
        elif trouble == "raise":
            raise LookupError("no such thing")
        elif trouble == "hold the GIL":
            ctypes.PyDLL(None).sleep(60)
        return (*super().step(action)[:4], self._place())

    def close(self) -> None:
        self._write("closed")


class StubbornEnv(CounterEnv):
    """Its `close` raises, or takes a minute if `seconds` is set."""

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__()
        self.seconds = seconds

    def close(self) -> None:
        time.sleep(self.seconds)
        if not self.seconds:
            raise LookupError("it does not close")


class SeenEnv(CounterEnv):
    """Counts, and shows the count in the form of `_seen`."""

    def reset(self, seed: Any = None, options: Any = None) -> Any:
        super().reset()
        return self._seen(), {}

    def step(self, action: Any) -> Any:
        _, *rest = super().step(action)
        return (self._seen(), *rest)

    def _seen(self) -> Any:
        raise NotImplementedError


class ParentEnv(MischiefEnv):
    """Has a child process, as vectors, data loaders and simulators do; its id is in infos.

    Args:
        kind: "fork" (it holds all descriptors of its parent) or "program" (it holds none).
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        if kind == "program":
            self.child = subprocess.Popen(["sleep", "60"]).pid
        else:
            self.child = os.fork()
            if not self.child:
                time.sleep(60)
                os._exit(0)

    def _place(self) -> dict[str, Any]:
        return {**super()._place(), "child": self.child}


class ThreadedEnv(CounterEnv):
    """Leaves a thread behind that writes to `note` after some seconds; its `close` returns."""

    def __init__(self, note: str, seconds: float) -> None:
        super().__init__()
        self.note = note
        self.seconds = seconds

    def _write(self) -> None:
        time.sleep(self.seconds)
        Path(self.note).write_text("the thread has ended")

    def close(self) -> None:
        threading.Thread(target=self._write).start()


def make_slowly(path: str) -> CounterEnv:
    """Return an environment, after a minute if there is a file at `path`."""
    if os.path.exists(path):
        time.sleep(60)
    return MischiefEnv()


class SlowToUnpack:
    """A factory that takes seconds to arrive in a process, as one does that imports much."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        time.sleep(self.seconds)

    def __call__(self) -> CounterEnv:
        return CounterEnv()


def plays_on(remote: rlmesh.RemoteEnv) -> None:
    """Play a step on a served `CounterEnv`, and close the client."""
    assert remote.reset(seed=1) == (0, {})
    assert remote.step(1) == (1, 1.0, False, False, {"action": 1})


class TallyEnv(GatedEnv):
    """Answers each step with how many there have been; may be held up."""

    observation_space = rlmesh.spaces.Discrete(10**9)  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0
        self.resets = 0
        self.go.set()

    def reset(self, seed: Any = None, options: Any = None) -> Any:
        self.resets += 1
        return 0, {}

    def step(self, action: Any) -> Any:
        self.pass_gate()
        self.steps += 1
        return self.steps, 0.5, False, False, {"action": action}


@contextmanager
def client_of(env: Any, **options: Any) -> Generator[rlmesh.RemoteEnv, None, None]:
    """Yield a client of a server of the environment."""
    with rlmesh.EnvServer(env, options=rlmesh.ServeOptions(**options)) as server:
        remote = rlmesh.RemoteEnv(server.address)
        try:
            yield remote
        finally:
            remote.close()


def is_free(address: str) -> bool:
    """Return whether a server admits a client at once."""
    try:
        rlmesh.RemoteEnv(address).close()
    except rlmesh.errors.BusyError:
        return False
    return True
