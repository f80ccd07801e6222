"""Options of servers, as one typed object."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Union

from rlmesh._variables import warn_of_unknown_variables

__all__ = ["TLS", "ServeOptions"]

Pem = Union[str, Path, bytes, None]
"""The type of a PEM: the path of a file, or its bytes."""

_ORIGIN = re.compile(r"null|[a-z][a-z0-9+.-]*://[^\s/?#@A-Z]+")
"""An origin as a browser sends it: scheme, host, and the port if it is not the scheme's own."""

_LONGEST = 1e9
"""Largest time in seconds: Python's locks cannot wait much longer (threading.TIMEOUT_MAX)."""


@dataclass(frozen=True)
class TLS:
    """The certificates of one end of a connection, for addresses `grpcs://host:port`.

    A server needs `certificate` and `key`; with `authority` it admits only clients that present a
    certificate of that authority (mutual TLS). A client needs nothing if the server's certificate
    is signed by an authority that gRPC trusts by default, and `authority` otherwise; it needs
    `certificate` and `key` if the server requires them. The server's certificate is always checked
    against the host name in the address.

    Attributes:
        certificate: This end's certificate, with the chain that leads to the authority.
        key: Private key of `certificate`.
        authority: Certificates of the authorities that the other end's certificate may be from.
    """

    certificate: Pem = None
    key: Pem = None
    authority: Pem = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("a certificate needs its key, and a key its certificate")

    def __repr__(self) -> str:
        """Return the names of the fields that are set, without the bytes of a key."""
        given = [name for name, value in vars(self).items() if value is not None]
        return f"TLS({', '.join(f'{name}=...' for name in given)})"


@dataclass(frozen=True)
class ServeOptions:
    """How an endpoint serves.

    Attributes:
        validation: Handling of an observation outside its space (bounds of a Box, NaN, length and
            characters of a Text): "off", "warn" (a Python warning and `info["rlmesh.validation"]`,
            once for each path) or "strict" (an `EnvError`).
        expose_tracebacks: Whether clients see tracebacks of the environment's exceptions. None:
            only on loopback and Unix sockets.
        remote_shutdown: Whether clients may stop the server.
        drain_timeout: Seconds that open sessions have to end when the server stops.
        grace_period: Seconds for which a session whose connection broke keeps its environment, so
            that its client can resume it; 0: not at all.
        idle_timeout: Seconds without a request after which a session ends; 0: never.
        call_timeout: Seconds that one call of an environment in a worker process may take. A
            process that exceeds them is ended; the call raises `EnvTimeoutError`, and the next
            reset starts another process. The limit covers the call of the factory too, so allow
            enough time to make an environment: if the factory exceeds it, a session that is opening
            gets the error, a session that is resetting ends with it, and its slot is free again.
            0: no limit; a factory that hangs then holds its slot until its client times out
            (`connect_timeout`), or for ever in a thread.
        frames: Whether clients of the same host and user may switch to frames on a Unix socket,
            which is several times as fast as gRPC (Linux only; needs a `grace_period` above 0).
        frames_port: TCP port for clients of other hosts that request frames
            (`transport="frames"`), with the server's own certificates and token; 0: any free port;
            None: no port. It needs a `grace_period` above 0.
        websocket_port: TCP port on which browsers open sessions over a WebSocket, beside the
            server's address and with its certificates and token; 0: any free port; None: no port.
            Its address is `EnvServer.websocket_address`. It needs the extra `[web]`.
        websocket_origins: Origins of the pages that may do so ("https://lab.example", "null" for
            files), as browsers send them; pages of all others are refused. Clients outside of
            browsers send none, and are admitted.
        sim_time: Attribute of the environment that is the time of its simulation in seconds, as a
            path with dots, such as "unwrapped.data.time" for Gymnasium's MuJoCo environments.
            Clients read it as their `sim_time`. Empty: the server does not send it.
        close_timeout: Seconds that the `close` of an environment may take when its session ends or
            the server stops, and that a call which is running when the server stops may take.
            After that its process is ended, or its thread is left behind with an error in the log.
            A worker process gets the same time for its own exit, which waits for its threads that
            are not daemons; the processes that it started end with it.
        max_batch_size: Largest number of observations, from any sessions, in one call of a model;
            1: no batches. Only models with a batch form are called with several observations.
        max_batch_delay_ms: Longest time in milliseconds that a free model with one observation
            waits for more; it does not wait if every session has already sent a request. 0: no
            waiting; a batch has the observations that arrived during the call before.

    Raises:
        ValueError: If a time is negative or above a billion seconds, `validation` is not one of the
            three, an origin is none, or `max_batch_size` is not a whole number above 0.
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
    websocket_port: int | None = None
    websocket_origins: Sequence[str] = ()
    sim_time: str = ""
    max_batch_size: int = 32
    max_batch_delay_ms: float = 2.0

    def __post_init__(self) -> None:
        if self.validation not in ("off", "warn", "strict"):
            raise ValueError(f"validation={self.validation!r} is not 'off', 'warn' or 'strict'")
        for name, value in vars(self).items():
            if name.endswith(("_timeout", "_period")) and not 0 <= value <= _LONGEST:
                raise ValueError(f"{name}={value!r}; expected seconds, 0 or more, up to 1e9")
        if not isinstance(self.sim_time, str):
            raise ValueError(f"sim_time={self.sim_time!r}; expected the path of an attribute")
        for name in ("frames_port", "websocket_port"):
            port = getattr(self, name)
            if port is not None and not 0 <= port <= 65_535:
                raise ValueError(f"{name}={port!r}; expected 0 to 65535, or None")
        _check_origins(self.websocket_origins)
        if self.frames_port is not None and not self.grace_period:
            raise ValueError("frames_port needs a grace_period above 0: sessions move by resuming")
        if not 0 <= self.max_batch_delay_ms <= 1000 * _LONGEST:
            raise ValueError(
                f"max_batch_delay_ms={self.max_batch_delay_ms!r}; "
                f"expected milliseconds, 0 or more, up to 1e12"
            )
        if type(self.max_batch_size) is not int or self.max_batch_size < 1:
            raise ValueError(
                f"max_batch_size={self.max_batch_size!r}; expected a whole number, 1 or more"
            )

    @classmethod
    def from_environment(cls, **given: Any) -> ServeOptions:
        """Return the options that the process's variables `RLMESH_...` set.

        Each is named after the option (`RLMESH_GRACE_PERIOD=5`, `RLMESH_VALIDATION=strict`);
        true and false are "1" and "0", or "true" and "false".

        Args:
            **given: Options that take precedence over the variables.

        Raises:
            ValueError: If a variable has a value that the option does not allow; the message names
                the variable.
        """
        warn_of_unknown_variables(cls.__dataclass_fields__, stacklevel=2)
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


def _check_origins(origins: Sequence[str]) -> None:
    """Raise ValueError unless each is an origin as browsers send it."""
    if isinstance(origins, str):
        raise ValueError(f"websocket_origins={origins!r}; expected a list of origins")
    for origin in origins:
        if not (isinstance(origin, str) and _ORIGIN.fullmatch(origin)):
            raise ValueError(
                f"websocket_origins has {origin!r}; expected scheme://host or scheme://host:port "
                f"in lower case, without a path, or 'null'"
            )


def _origins(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))


_READERS: dict[str, Callable[[str], Any]] = {
    "validation": str,
    "expose_tracebacks": _flag,
    "remote_shutdown": _flag,
    "frames": _flag,
    "frames_port": int,
    "websocket_port": int,
    "websocket_origins": _origins,
    "sim_time": str,
    "max_batch_size": int,
}
