"""Every error that RLMesh raises, in one tree.

    RLMeshError
    ├── AddressError (ValueError)                 a text is not an address
    ├── SpaceError (ValueError)                   the contract does not allow a space
    ├── InvalidValueError (ValueError)            a value does not belong to its space
    ├── CodecError (ValueError)                   bytes are not a value of the space
    │   └── NewerSpecError                        bytes have a kind that a newer spec may define
    ├── AdapterError (ValueError)                 a model does not fit an environment
    ├── JournalError (ValueError)                 a file is not the journal of this run
    ├── ClosedError (RuntimeError)                the client or server is closed
    ├── ConcurrentCallError (RuntimeError)        a second thread calls while a call is running
    ├── RunError (RuntimeError)                   a run ended early; finished episodes are kept
    ├── TransportError (ConnectionError)
    │   ├── ConnectError                          no endpoint answers at the address
    │   │   └── WrongServiceError                 the endpoint serves something else
    │   ├── ConnectionLostError                   the connection broke and could not be resumed
    │   │   └── SessionLostError                  the server no longer has the session
    │   └── RequestTimeoutError (TimeoutError)    no answer within the timeout
    └── RemoteError                               the peer answered with an error
        ├── EnvError (RuntimeError)               the environment failed
        │   ├── EnvCrashedError                   the environment's process died
        │   └── EnvTimeoutError (TimeoutError)    a call took longer than the server allows
        ├── ModelError (RuntimeError)             the model failed
        ├── ProtocolError                         a frame or its order breaks the contract
        ├── UnsupportedVersionError               the peers' spec versions are incompatible
        ├── UnsupportedError                      the peer does not support the request
        │   └── RenderModeError (TypeError)       the environment is served in another render mode
        ├── AuthenticationError (PermissionError) the token is missing or wrong
        ├── ForbiddenError (PermissionError)      the request is not allowed (remote shutdown)
        ├── BusyError                             another client holds the environment
        ├── LimitError                            a size, count or depth is over the limit
        ├── NotExposedError (AttributeError)      the environment does not expose that name
        └── ShuttingDownError                     the server is stopping

An error's message states what was expected, what was received, at which path of the space, and what
to do about it; the same facts are attributes of the error. Each error can be made from one
argument, a text or another error, as `gymnasium.vector` does with those of its worker processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rlmesh._printable import escape_control_chars
from rlmesh._problem import Problem

__all__ = [
    "AdapterError",
    "AddressError",
    "AuthenticationError",
    "BusyError",
    "ClosedError",
    "CodecError",
    "ConcurrentCallError",
    "ConnectError",
    "ConnectionLostError",
    "EnvCrashedError",
    "EnvError",
    "EnvTimeoutError",
    "ForbiddenError",
    "InvalidValueError",
    "JournalError",
    "LimitError",
    "ModelError",
    "NewerSpecError",
    "NotExposedError",
    "ProtocolError",
    "RLMeshError",
    "RemoteError",
    "RenderModeError",
    "RequestTimeoutError",
    "RunError",
    "SessionLostError",
    "ShuttingDownError",
    "SpaceError",
    "TransportError",
    "UnsupportedError",
    "UnsupportedVersionError",
    "WrongServiceError",
]


class RLMeshError(Exception):
    """Base of every error of RLMesh.

    Attributes:
        message: One sentence for the user.
    """

    def __init__(self, message: str | BaseException, **facts: Any) -> None:
        """Make an error.

        Args:
            message: The message; of an error of RLMesh the facts are taken with it.
            facts: Attributes of the error.
        """
        text: str = message.message if isinstance(message, RLMeshError) else str(message)
        super().__init__(text)
        self.message: str = text
        self.__dict__.update(facts)
        if isinstance(message, RLMeshError):
            self.__dict__.update(vars(message))

    def __str__(self) -> str:
        """Return the message with control characters escaped, which a peer may have sent."""
        return escape_control_chars(super().__str__(), "\n\t")

    def __reduce__(self) -> tuple[Any, ...]:
        # Constructors take keyword arguments, which the `__reduce__` of BaseException would lose.
        return (_rebuild, (type(self), self.args, self.__dict__))


def _rebuild(cls: type[RLMeshError], args: tuple[Any, ...], facts: dict[str, Any]) -> RLMeshError:
    # A class with two built-in bases has the memory layout of the larger base, OSError.
    layout = OSError if issubclass(cls, OSError) else Exception
    error = layout.__new__(cls, *args)
    error.args = args
    error.__dict__.update(facts)
    return error


class AddressError(RLMeshError, ValueError):
    """The text is not an address of a kind that RLMesh knows."""


class SpaceError(RLMeshError, ValueError):
    """A space breaks a rule of the contract, or is of a kind that the contract does not have.

    Attributes:
        path: Path within the space, as an expression ("observation['camera']"); empty at the root.
        rule: Id of the rule of CONTRACT.md that is broken ("S-6"); empty: that of the space's
            family.
    """

    path: str
    rule: str

    def __init__(self, message: str | BaseException, *, path: str = "", rule: str = "") -> None:
        super().__init__(f"{path}: {message}" if path else message, path=path, rule=rule)


class InvalidValueError(RLMeshError, ValueError):
    """A value does not belong to its space.

    Attributes:
        path: Path within the value, as an expression ("action['arm']").
        expected: What the space requires at that path.
        actual: What the value has there instead.
        side: "observation" if the value is, or belongs to, what an environment returns; "action" if
            it belongs to what a model returns; empty if that is not known.
    """

    path: str
    expected: str
    actual: str
    side: str

    def __init__(
        self,
        path: str | BaseException,
        expected: str | None = None,
        actual: str = "",
        *,
        side: str = "",
    ) -> None:
        """Make an error from its facts, or from `path` alone, which is then the message."""
        facts = {"path": "", "expected": "", "actual": "", "side": side}
        message = path
        if expected is not None:
            facts.update(path=str(path), expected=expected, actual=actual)
            message = f"{path}: expected {expected}, got {actual}"
        super().__init__(message, **facts)

    @classmethod
    def from_peer(cls, message: str, *, path: str, expected: str, actual: str) -> InvalidValueError:
        """Return the error that a peer reported, with the peer's own message."""
        error = cls(path, expected, actual)
        error.args = (message,)
        error.message = message
        return error


class CodecError(RLMeshError, ValueError):
    """Bytes are not a value of the space, or not a message of the contract.

    Attributes:
        path: Path within the space; empty if it is not known.
        rule: Id of the rule of CONTRACT.md that is broken ("V-4"); empty if it is none.
        expected: What the rule requires; empty if the message alone states it.
        actual: What the bytes have instead.
    """

    path: str
    rule: str
    expected: str = ""
    actual: str = ""

    def __init__(self, message: str | BaseException, *, path: str = "", rule: str = "") -> None:
        text = f"{rule}: {message}" if rule else message
        super().__init__(f"{path}: {text}" if path else text, path=path, rule=rule)

    @classmethod
    def of_rule(cls, rule: str, expected: str, actual: str, *, path: str = "") -> CodecError:
        """Return the error for a broken rule, with its id and facts in the message."""
        error = cls(f"expected {expected}, got {actual}", path=path, rule=rule)
        error.expected, error.actual = expected, actual
        return error

    def at(self, path: str) -> CodecError:
        """Return the same error, which has no path, at a path."""
        error = type(self)(self.message, path=path)
        error.rule, error.expected, error.actual = self.rule, self.expected, self.actual
        return error


class NewerSpecError(CodecError):
    """A space or an element type is of a kind that this spec version does not define."""


_MAX_LINES = 20
"""Largest number of reasons that a message lists."""


class AdapterError(RLMeshError, ValueError):
    """A model's spec does not fit an environment; all reasons are reported at once.

    Attributes:
        problems: Every reason, of which the message lists the first 20; empty if the error was made
            from a message alone.
    """

    problems: Sequence[Problem]

    def __init__(self, problems: Sequence[Problem] | str | BaseException) -> None:
        """Make an error from its reasons, or from a message."""
        if isinstance(problems, (str, BaseException)):
            super().__init__(problems, problems=())
            return
        lines = [f"\n  {problem}" for problem in problems[:_MAX_LINES]]
        if len(problems) > _MAX_LINES:
            lines.append(f"\n  and {len(problems) - _MAX_LINES} more")
        message = f"the model does not fit the environment:{''.join(lines)}"
        super().__init__(message, problems=tuple(problems))

    @property
    def forbidden(self) -> bool:
        """Whether a reason is an entry point that the user has not marked as trusted."""
        return any(problem.forbidden for problem in self.problems)


class JournalError(RLMeshError, ValueError):
    """A file is not a journal, belongs to another run, is broken, or is open elsewhere.

    Attributes:
        path: The file.
        offset: Position of the fault in the file, in bytes; everything before it is sound.
    """

    path: str
    offset: int

    def __init__(
        self, path: str | BaseException, message: str | None = None, *, offset: int = 0
    ) -> None:
        """Make an error from its facts, or from `path` alone, which is then the message."""
        if message is None:
            super().__init__(path, path="", offset=offset)
        else:
            super().__init__(f"{path}: {message}", path=str(path), offset=offset)


class ClosedError(RLMeshError, RuntimeError):
    """The client or server was used after it was closed."""


class ConcurrentCallError(RLMeshError, RuntimeError):
    """A client was called from a second thread while a call was running."""


class RunError(RLMeshError, RuntimeError):
    """A run ended before its last episode; `__cause__` is the reason.

    Attributes:
        result: The `rlmesh.results.RunResult` of the finished episodes; None if the error was made
            from a message alone.
    """

    result: Any  # `rlmesh.results` imports this module.

    def __init__(self, message: str | BaseException, *, result: Any = None) -> None:
        super().__init__(message, result=result)


class TransportError(RLMeshError, ConnectionError):
    """The connection failed.

    Attributes:
        address: The peer's address.
    """

    address: str

    def __init__(self, message: str | BaseException, *, address: str = "") -> None:
        super().__init__(message, address=address)


class ConnectError(TransportError):
    """No RLMesh endpoint answers at the address: refused, silent, or another protocol."""


class WrongServiceError(ConnectError):
    """The endpoint serves something else: a model instead of an environment, or no RLMesh."""


class ConnectionLostError(TransportError):
    """The connection broke and the session could not be resumed."""


class SessionLostError(ConnectionLostError):
    """The server no longer has the session.

    The grace period is over, the server was restarted, or another connection took the session.
    """


class RequestTimeoutError(TransportError, TimeoutError):
    """No answer arrived within the timeout. The request stays in flight."""


class RemoteError(RLMeshError):
    """The peer answered with an error.

    Attributes:
        code: Number of the `ErrorCode`.
        session_closed: Whether the session is over; if False, it goes on.
        path: Path within the space or message; empty if there is none.
        steps: Results of the steps before the one that failed (`step_many` only).
    """

    code: int
    session_closed: bool
    path: str
    steps: Sequence[Any] = ()

    def __init__(
        self,
        message: str | BaseException,
        *,
        code: int = 0,
        session_closed: bool = False,
        path: str = "",
        **facts: Any,
    ) -> None:
        super().__init__(message, code=code, session_closed=session_closed, path=path, **facts)


def _with_traceback(message: str, traceback: str) -> str:
    """Return a message, with the traceback of the peer if it sent one; see `RLMeshError`."""
    trace = f"\n\nRemote traceback:\n{traceback.rstrip()}" if traceback else ""
    return escape_control_chars(message + trace, "\n\t")


class EnvError(RemoteError, RuntimeError):
    """The environment raised an exception, or returned what its spaces do not allow.

    The session goes on: `reset` may be called.

    Attributes:
        exception_type: Name of the exception's type with its module; empty for a bad result.
        remote_traceback: Traceback on the server; empty if the server does not expose it.
    """

    exception_type: str
    remote_traceback: str

    def __init__(
        self,
        message: str | BaseException,
        *,
        exception_type: str = "",
        remote_traceback: str = "",
        code: int = 0,
        session_closed: bool = False,
        path: str = "",
    ) -> None:
        super().__init__(
            message,
            code=code,
            session_closed=session_closed,
            path=path,
            exception_type=exception_type,
            remote_traceback=remote_traceback,
        )

    def __str__(self) -> str:
        return _with_traceback(self.message, self.remote_traceback)


class EnvCrashedError(EnvError):
    """The environment's process died; `reset` starts a new one.

    Attributes:
        exit_code: Exit code of the process, or minus the number of the signal that ended it.
    """

    exit_code: int | None = None


class EnvTimeoutError(EnvError, TimeoutError):
    """A call of the environment took longer than the server allows."""


class ModelError(RemoteError, RuntimeError):
    """The model raised an exception, or returned what the action space does not allow.

    Attributes:
        exception_type: Name of the exception's type with its module.
        remote_traceback: Traceback on the server; empty if the server does not expose it.
    """

    exception_type: str = ""
    remote_traceback: str = ""

    def __str__(self) -> str:
        return _with_traceback(self.message, self.remote_traceback)


class ProtocolError(RemoteError):
    """A frame, or the order of frames, breaks the contract."""


class UnsupportedVersionError(RemoteError):
    """The peers' spec versions are incompatible.

    Attributes:
        choices: Spec versions that the peer offers.
    """

    choices: Sequence[str] = ()


class UnsupportedError(RemoteError):
    """The peer does not support the request.

    Attributes:
        serves_vector: Whether the endpoint serves a vector of environments, if a client of the
            other kind was refused for that reason; else None.
    """

    serves_vector: bool | None = None


class RenderModeError(UnsupportedError, TypeError):
    """The environment is served in another render mode than the one that a client was given.

    It is a TypeError too, because Stable-Baselines3 tries its own render mode first and makes the
    environment without one if that raises TypeError.
    """


class AuthenticationError(RemoteError, PermissionError):
    """The peer requires a token, and the request had none or a wrong one."""


class ForbiddenError(RemoteError, PermissionError):
    """The peer does not allow the request, such as a remote shutdown."""


class BusyError(RemoteError):
    """Another client holds the environment.

    Attributes:
        holder: Name of that client.
        held_seconds: Seconds for which that client has held the environment.
    """

    holder: str = ""
    held_seconds: float = 0.0


class LimitError(RemoteError):
    """A size, count or depth is over the peer's limit."""


class NotExposedError(RemoteError, AttributeError):
    """The environment does not expose that name.

    Attributes:
        choices: The names that the environment exposes.
    """

    choices: Sequence[str] = ()


class ShuttingDownError(RemoteError):
    """The server is stopping."""
