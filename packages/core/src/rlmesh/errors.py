"""Every error that RLMesh raises, in one tree.

    RLMeshError
    ├── AddressError (ValueError)                 the text is not an address
    ├── SpaceError (ValueError)                   a space that the contract does not allow
    ├── InvalidValueError (ValueError)            a value is not one of its space
    ├── CodecError (ValueError)                   bytes are not a value of the space
    │   └── NewerSpecError                        they are of a kind that a newer spec may have
    ├── AdapterError (ValueError)                 a model does not fit an environment
    ├── JournalError (ValueError)                 a file is not the journal of this run
    ├── ClosedError (RuntimeError)                the client or server is closed
    ├── ConcurrentCallError (RuntimeError)        a second caller while a call is running
    ├── RunError (RuntimeError)                   a run ended early; finished episodes are kept
    ├── TransportError (ConnectionError)
    │   ├── ConnectError                          nobody answers at the address
    │   │   └── WrongServiceError                 what answers serves something else
    │   ├── ConnectionLostError                   the connection broke and could not be resumed
    │   │   └── SessionLostError                  the server has the session no more
    │   └── RequestTimeoutError (TimeoutError)    no answer within the timeout
    └── RemoteError                               the peer answered with an error
        ├── EnvError (RuntimeError)               the environment failed
        │   ├── EnvCrashedError                   its process died
        │   └── EnvTimeoutError (TimeoutError)    its call took longer than the server allows
        ├── ModelError (RuntimeError)             the model failed
        ├── ProtocolError                         a frame or its order breaks the contract
        ├── UnsupportedVersionError               the peers' spec versions do not talk
        ├── UnsupportedError                      the peer does not support what was asked
        ├── AuthenticationError (PermissionError) no or a wrong token
        ├── ForbiddenError (PermissionError)      not allowed, such as a remote shutdown
        ├── BusyError                             another client holds the environment
        ├── LimitError                            a size, count or depth is over the limit
        ├── NotExposedError (AttributeError)      the environment does not expose that name
        └── ShuttingDownError                     the server is stopping

Errors say what was expected, what came, at which path of the space, and what to do; the facts are
attributes too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rlmesh._printable import shown

if TYPE_CHECKING:
    from rlmesh.adapters import Problem
    from rlmesh.results import RunResult

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
        message: One sentence for a person.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        """The message, without control characters that a peer may have put into it."""
        return shown(super().__str__(), "\n\t")

    def __reduce__(self) -> tuple[Any, ...]:
        # Constructors take keyword arguments, which the default of BaseException would lose.
        return (_rebuild, (type(self), self.args, self.__dict__))


def _rebuild(cls: type[RLMeshError], args: tuple[Any, ...], facts: dict[str, Any]) -> RLMeshError:
    # A class with two built-in bases has the memory layout of the larger one, OSError.
    layout = OSError if issubclass(cls, OSError) else Exception
    error = layout.__new__(cls, *args)
    error.args = args
    error.__dict__.update(facts)
    return error


class AddressError(RLMeshError, ValueError):
    """The text is not an address of a kind that RLMesh knows."""


class SpaceError(RLMeshError, ValueError):
    """A space breaks a rule of the contract, or is of a kind that it does not have.

    Attributes:
        path: Where in the space, as an expression ("observation['camera']"); empty at its root.
    """

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path


class InvalidValueError(RLMeshError, ValueError):
    """A value is not one of the space that it was given for.

    Attributes:
        path: Where in the value, as an expression ("action['arm']").
        expected: What the space asks for there.
        actual: What came instead.
    """

    def __init__(self, path: str, expected: str, actual: str) -> None:
        super().__init__(f"{path}: expected {expected}, got {actual}")
        self.path = path
        self.expected = expected
        self.actual = actual

    @classmethod
    def from_peer(cls, message: str, *, path: str, expected: str, actual: str) -> InvalidValueError:
        """The error as a peer has reported it, in the peer's words."""
        error = cls(path, expected, actual)
        error.args = (message,)
        error.message = message
        return error


class CodecError(RLMeshError, ValueError):
    """Bytes are not a value of the space, or not a message of the contract.

    Attributes:
        path: Where in the space; empty where that is not known.
    """

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path


class NewerSpecError(CodecError):
    """A space or an element type is of a kind that this spec version does not know."""


_MOST_LINES = 20
"""Most reasons that a message tells."""


class AdapterError(RLMeshError, ValueError):
    """A model's spec does not fit an environment; the reasons are told all at once.

    Attributes:
        problems: Every reason, at least one; the message has the first 20.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        lines = [f"\n  {problem}" for problem in problems[:_MOST_LINES]]
        if len(problems) > _MOST_LINES:
            lines.append(f"\n  and {len(problems) - _MOST_LINES} more")
        super().__init__(f"the model does not fit the environment:{''.join(lines)}")
        self.problems = tuple(problems)

    @property
    def forbidden(self) -> bool:
        """Whether a reason is an entry point that the user has not said to trust."""
        return any(problem.forbidden for problem in self.problems)


class JournalError(RLMeshError, ValueError):
    """A file is not a journal, not that of this run, broken, or open elsewhere.

    Attributes:
        path: The file.
        offset: Where in it, in bytes; what stands before it is sound.
    """

    def __init__(self, path: str, message: str, *, offset: int = 0) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.offset = offset


class ClosedError(RLMeshError, RuntimeError):
    """The client or server was used after it was closed."""


class ConcurrentCallError(RLMeshError, RuntimeError):
    """A client was called from a second thread while a call was running."""


class RunError(RLMeshError, RuntimeError):
    """A run ended before its last episode; `__cause__` says why.

    Attributes:
        result: The episodes that were finished.
    """

    def __init__(self, message: str, *, result: RunResult) -> None:
        super().__init__(message)
        self.result = result


class TransportError(RLMeshError, ConnectionError):
    """The connection failed.

    Attributes:
        address: The peer's address.
    """

    def __init__(self, message: str, *, address: str = "") -> None:
        super().__init__(message)
        self.address = address


class ConnectError(TransportError):
    """Nobody answers at the address: refused, silent, or not an RLMesh endpoint."""


class WrongServiceError(ConnectError):
    """What answers serves something else: a model where an environment is wanted, or no RLMesh."""


class ConnectionLostError(TransportError):
    """The connection broke and the session could not be resumed."""


class SessionLostError(ConnectionLostError):
    """The server has the session no more.

    Its grace period is over, the server was started anew, or another connection has taken it.
    """


class RequestTimeoutError(TransportError, TimeoutError):
    """No answer came within the timeout. The request stays in flight."""


class RemoteError(RLMeshError):
    """The peer answered with an error.

    Attributes:
        code: Number of the `ErrorCode`.
        session_closed: Whether the session is over. False: it goes on.
        path: Where in the space or message; empty where that does not apply.
        steps: Of `step_many`, the results of the steps before the one that failed.
    """

    steps: Sequence[Any] = ()

    def __init__(
        self, message: str, *, code: int = 0, session_closed: bool = False, path: str = ""
    ) -> None:
        super().__init__(message)
        self.code = code
        self.session_closed = session_closed
        self.path = path


def _told(message: str, traceback: str) -> str:
    """A message, with the traceback of the peer where it has told one; see `RLMeshError`."""
    trace = f"\n\nRemote traceback:\n{traceback.rstrip()}" if traceback else ""
    return shown(message + trace, "\n\t")


class EnvError(RemoteError, RuntimeError):
    """The environment raised an exception, or returned what its spaces do not allow.

    The session goes on: `reset` may be called.

    Attributes:
        exception_type: Name of the exception's type with its module; empty for a bad result.
        remote_traceback: Its traceback on the server; empty where the server does not tell.
    """

    def __init__(
        self,
        message: str,
        *,
        exception_type: str = "",
        remote_traceback: str = "",
        code: int = 0,
        session_closed: bool = False,
        path: str = "",
    ) -> None:
        super().__init__(message, code=code, session_closed=session_closed, path=path)
        self.exception_type = exception_type
        self.remote_traceback = remote_traceback

    def __str__(self) -> str:
        return _told(self.message, self.remote_traceback)


class EnvCrashedError(EnvError):
    """The environment's process died; `reset` starts a new one.

    Attributes:
        exit_code: Its exit code, or minus the number of the signal that ended it.
    """

    exit_code: int | None = None


class EnvTimeoutError(EnvError, TimeoutError):
    """The environment's call took longer than the server allows."""


class ModelError(RemoteError, RuntimeError):
    """The model raised an exception, or returned what the action space does not allow.

    Attributes:
        exception_type: Name of the exception's type with its module.
        remote_traceback: Its traceback on the server; empty where the server does not tell.
    """

    exception_type: str = ""
    remote_traceback: str = ""

    def __str__(self) -> str:
        return _told(self.message, self.remote_traceback)


class ProtocolError(RemoteError):
    """A frame, or the order of frames, breaks the contract."""


class UnsupportedVersionError(RemoteError):
    """The peers' spec versions do not talk to each other.

    Attributes:
        choices: Spec versions that the peer offers.
    """

    choices: Sequence[str] = ()


class UnsupportedError(RemoteError):
    """The peer does not support what was asked of it."""


class AuthenticationError(RemoteError, PermissionError):
    """The peer asks for a token, and none or a wrong one was given."""


class ForbiddenError(RemoteError, PermissionError):
    """The peer does not allow the request, such as a remote shutdown."""


class BusyError(RemoteError):
    """Another client holds the environment.

    Attributes:
        holder: Name of that client.
        held_seconds: How long it has held the environment.
    """

    holder: str = ""
    held_seconds: float = 0.0


class LimitError(RemoteError):
    """A size, count or depth is over the peer's limit."""


class NotExposedError(RemoteError, AttributeError):
    """The environment does not expose that name.

    Attributes:
        choices: The names that it exposes.
    """

    choices: Sequence[str] = ()


class ShuttingDownError(RemoteError):
    """The server is stopping."""
