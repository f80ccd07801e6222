"""Options of servers, as one typed object."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Union

__all__ = ["TLS", "ServeOptions"]

Pem = Union[str, Path, bytes, None]
"""The path of a PEM file, or its bytes."""

_LONGEST = 1e9
"""Seconds of the longest time: no lock of Python waits for much more (threading.TIMEOUT_MAX)."""


@dataclass(frozen=True)
class TLS:
    """The certificates of one end of a connection, for addresses `grpcs://host:port`.

    A server needs `certificate` and `key`; with `authority` it admits only clients that show a
    certificate of that authority (mutual TLS). A client needs nothing where the server's
    certificate is of an authority that gRPC knows by default; else `authority`; and `certificate`
    and `key` where the server asks for them. The server's certificate is checked against the host's
    name in the address, always.

    Attributes:
        certificate: Its own certificate, with those that lead to the authority.
        key: Private key of `certificate`.
        authority: Certificates of the authorities whose word counts for the other end.
    """

    certificate: Pem = None
    key: Pem = None
    authority: Pem = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("a certificate needs its key, and a key its certificate")

    def __repr__(self) -> str:
        """Without the bytes of a key."""
        given = [name for name, value in vars(self).items() if value is not None]
        return f"TLS({', '.join(f'{name}=...' for name in given)})"


@dataclass(frozen=True)
class ServeOptions:
    """How an endpoint serves.

    Attributes:
        validation: What to do with an observation outside its space (bounds of a Box, NaN, length
            and characters of a Text): "off", "warn" (a Python warning and
            `info["rlmesh.validation"]`, once a path) or "strict" (an `EnvError`).
        expose_tracebacks: Whether clients see tracebacks of the environment's exceptions. None:
            only on loopback and Unix sockets.
        remote_shutdown: Whether clients may stop the server.
        drain_timeout: Seconds that open sessions have when the server stops.
        grace_period: Seconds that a session whose connection broke keeps its environment, and may
            be resumed by its client; 0: not at all.
        idle_timeout: Seconds without a request after which a session is ended; 0: for ever.
        call_timeout: Seconds that one call of an environment may take, in a worker process: it is
            ended then, the call is an `EnvTimeoutError`, and the next reset starts another one. The
            call of the factory is one too, so give it time enough to make an environment: where it
            takes longer, a session that would open gets the error, one that resets ends with it,
            and its place is free again. 0: any time; a factory that hangs keeps a place then
            until its client gives up (`connect_timeout`), and in a thread for ever.
        frames: Whether clients of the same host and user may go on over frames on a Unix socket,
            which is several times as fast as gRPC (Linux, and not with a `grace_period` of 0).
        frames_port: TCP port for clients of other hosts that ask for frames (`transport="frames"`),
            with the server's own certificates and token; 0: any free one; None: there is none. It
            needs a `grace_period` above 0.
        close_timeout: Seconds that the `close` of an environment may take when its session ends or
            the server stops, after which its process is ended, or its thread left behind. A worker
            process has them for its own end too, with that of its threads that are no daemons; what
            it has started ends with it.
        max_batch_size: Of a model: how many observations, of any sessions, are gathered into one
            call at most; 1: none are. Only models with a batch form are called with several.
        max_batch_delay_ms: Of a model: how many milliseconds it waits for further observations at
            most, when it is free and has one; none where every session has asked already. 0: there
            is no waiting, and those are gathered that have come meanwhile.

    Raises:
        ValueError: If a time is negative or above a billion seconds, `validation` none of the
            three, or `max_batch_size` no whole number above 0.
    """

    validation: Literal["off", "warn", "strict"] = "warn"
    expose_tracebacks: bool | None = None
    remote_shutdown: bool = False
    drain_timeout: float = 0.2
    grace_period: float = 30.0
    idle_timeout: float = 0.0
    call_timeout: float = 0.0
    close_timeout: float = 10.0
    frames: bool = True
    frames_port: int | None = None
    max_batch_size: int = 32
    max_batch_delay_ms: float = 2.0

    def __post_init__(self) -> None:
        if self.validation not in ("off", "warn", "strict"):
            raise ValueError(f"validation={self.validation!r} is not 'off', 'warn' or 'strict'")
        for name, value in vars(self).items():
            if name.endswith(("_timeout", "_period")) and not 0 <= value <= _LONGEST:
                raise ValueError(f"{name}={value!r}; expected seconds, 0 or more, up to 1e9")
        if self.frames_port is not None and not 0 <= self.frames_port <= 65_535:
            raise ValueError(f"frames_port={self.frames_port!r}; expected 0 to 65535, or None")
        if self.frames_port is not None and not self.grace_period:
            raise ValueError("frames_port needs a grace_period above 0: sessions move by resuming")
        if not 0 <= self.max_batch_delay_ms <= 1000 * _LONGEST:
            words = f"max_batch_delay_ms={self.max_batch_delay_ms!r}"
            raise ValueError(f"{words}; expected milliseconds, 0 or more, up to 1e12")
        if type(self.max_batch_size) is not int or self.max_batch_size < 1:
            words = f"max_batch_size={self.max_batch_size!r}"
            raise ValueError(f"{words}; expected a whole number, 1 or more")

    @classmethod
    def from_environment(cls, **given: Any) -> ServeOptions:
        """The options that the variables `RLMESH_...` of the process say.

        Each is named after the option (`RLMESH_GRACE_PERIOD=5`, `RLMESH_VALIDATION=strict`);
        true and false are "1" and "0", or "true" and "false".

        Args:
            **given: Options that count more than the variables.

        Raises:
            ValueError: If a variable says what the option cannot be; names it.
        """
        for name in cls.__dataclass_fields__:
            variable = f"RLMESH_{name.upper()}"
            text = os.environ.get(variable, "")
            if text and name not in given:
                try:
                    given[name] = _READERS.get(name, float)(text)
                except ValueError as error:
                    raise ValueError(f"{variable}={text!r}: {error}") from None
        return cls(**given)


def _flag(text: str) -> bool:
    try:
        return {"1": True, "true": True, "0": False, "false": False}[text.lower()]
    except KeyError:
        raise ValueError(f"{text!r} is neither true nor false") from None


_READERS: dict[str, Callable[[str], Any]] = {
    "validation": str,
    "expose_tracebacks": _flag,
    "remote_shutdown": _flag,
    "frames": _flag,
    "frames_port": int,
    "max_batch_size": int,
}
