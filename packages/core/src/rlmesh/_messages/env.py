"""Requests and replies of an environment's session, as dataclasses and named tuples.

The messages of a step are named tuples, because a frozen dataclass takes several times as long to
make.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Union

from rlmesh.backends import Buffer
from rlmesh.specs import EnvContract, PeerInfo, Progress, SessionTerms, TransportOffer

if TYPE_CHECKING:
    from rlmesh.adapters._view import ObservationView

__all__ = [
    "ABSENT",
    "Attribute",
    "AttributeSet",
    "Call",
    "Called",
    "Close",
    "Closed",
    "Describe",
    "Encoded",
    "ErrorCode",
    "Failure",
    "GetAttribute",
    "Info",
    "LaneOutcomes",
    "Malformed",
    "ModelReply",
    "ModelRequest",
    "Open",
    "Opened",
    "Progress",
    "Render",
    "Rendered",
    "Reply",
    "Request",
    "RequestBody",
    "Reset",
    "ResetDone",
    "Resume",
    "SetAttribute",
    "SetView",
    "Step",
    "StepDone",
    "StepMany",
    "StepManyDone",
    "Unsupported",
    "ViewSet",
    "WrittenInfo",
]


Info = Mapping[Any, Any]
"""An environment's info, with keys of the kinds that the wire has."""


class WrittenInfo(dict[Any, Any]):
    """An info that was serialised at once, because its parts may change; it looks empty.

    Args:
        data: The info as a serialised `DynamicMap`.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.data = data


NO_INFO: Info = MappingProxyType({})
"""An empty info."""


class ErrorCode(IntEnum):
    """Numbers of the schema's `ErrorCode`."""

    USER_EXCEPTION = 1
    MALFORMED = 2
    INVALID_VALUE = 3
    INVALID_RESULT = 4
    WRONG_STATE = 5
    OUT_OF_SEQUENCE = 6
    UNSUPPORTED_VERSION = 7
    UNSUPPORTED = 8
    UNAUTHENTICATED = 9
    PERMISSION_DENIED = 10
    BUSY = 11
    UNKNOWN_SESSION = 12
    LIMIT_EXCEEDED = 13
    NOT_EXPOSED = 14
    TIMEOUT = 15
    CRASHED = 16
    SHUTTING_DOWN = 17
    INTERNAL = 18


OF_USER_CODE = frozenset(
    (ErrorCode.USER_EXCEPTION, ErrorCode.INVALID_RESULT, ErrorCode.TIMEOUT, ErrorCode.CRASHED)
)
"""Codes of the failures for which the environment or model was called."""


class Encoded(NamedTuple):
    """A spec-directed value as slabs.

    Attributes:
        slabs: The slabs.
        batch_size: Number of values of a batch; None: one value.
    """

    slabs: Sequence[Buffer]
    batch_size: int | None = None


ABSENT = Encoded(())
"""An observation that was not requested; recognised by its identity."""


@dataclass(frozen=True)
class Resume:
    """The session that a connection continues, and the number of the answer that is missing."""

    session_id: str
    key: bytes
    awaited: int


class ModelRequest:
    """Base of the requests that only models get; see `rlmesh._messages.model`."""


class ModelReply:
    """Base of the replies that only models send."""


@dataclass(frozen=True)
class Malformed:
    """A request that breaks a rule of its message.

    Attributes:
        kind: Kind of the request ("reset").
        reason: What was expected, and what was received.
        path: Path of the fault; empty for the request itself.
    """

    kind: str
    reason: str
    path: str = ""


@dataclass(frozen=True)
class Open:
    """Opens or resumes a session.

    Attributes:
        client: Facts of the client.
        resume: The session to go on with; None: a new one.
        wait: Seconds to wait in the queue if another client holds the environment.
        contract: For a new session on a model: contract of the environment that will be played.
        fault: Why the contract cannot be read; other reasons of refusal come first (H-3).
        traceparent: Trace context of the client's call (H-13), for the log; empty: none.
    """

    client: PeerInfo
    resume: Resume | None = None
    wait: float = 0.0
    contract: EnvContract | None = None
    fault: Failure | None = None
    traceparent: str = ""


@dataclass(frozen=True)
class Reset:
    """Starts an episode. `lane_seeds` (a seed or None a lane) and `lane_mask` are a vector's.

    `episode_id` is the client's name for the episode, for the log (N-15); empty: none.
    """

    seed: int | None = None
    lane_seeds: tuple[int | None, ...] | None = None
    options: Mapping[Any, Any] | None = None
    lane_mask: bytes = b""
    episode_id: str = ""


class Step(NamedTuple):
    """Applies one action."""

    action: Encoded


@dataclass(frozen=True)
class StepMany:
    """Applies `count` actions, a batch, one after another, until an episode ends or one fails."""

    actions: Encoded
    count: int
    all_observations: bool = False


@dataclass(frozen=True)
class Render:
    """Draws the environment; for a vector, `lanes` (empty: all)."""

    lanes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Call:
    """Calls an exposed method."""

    name: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class GetAttribute:
    """Reads an exposed attribute."""

    name: str


@dataclass(frozen=True)
class SetAttribute:
    """Writes an exposed attribute."""

    name: str
    value: Any


@dataclass(frozen=True)
class SetView:
    """Sets which parts of observations are sent; None: whole observations."""

    view: ObservationView | None


@dataclass(frozen=True)
class Close:
    """Ends the session."""


@dataclass(frozen=True)
class Describe:
    """Requests a description of what is served, on a connection over frames without a session."""


@dataclass(frozen=True)
class Unsupported:
    """A request that this version does not know or does not support."""

    kind: str


RequestBody = Union[
    Open,
    Describe,
    Reset,
    Step,
    StepMany,
    Render,
    Call,
    GetAttribute,
    SetAttribute,
    SetView,
    ModelRequest,
    Close,
    Unsupported,
    Malformed,
]


class Request(NamedTuple):
    """One request.

    Attributes:
        sequence: Number of the request in the session.
        body: The request itself.
        report: Function that sends the client a report of the call's progress (N-17); None: the
            client does not want any.
    """

    sequence: int
    body: RequestBody
    report: Callable[[Progress], object] | None = None


@dataclass(frozen=True)
class Failure:
    """The reason why a request has no result: the message `Error` of the schema."""

    code: int
    message: str
    exception_type: str = ""
    traceback: str = ""
    path: str = ""
    expected: str = ""
    actual: str = ""
    session_closed: bool = False
    holder: str = ""
    held_seconds: float = 0.0
    choices: tuple[str, ...] = ()
    exit_code: int | None = None

    def ended(self) -> Failure:
        """Return the same failure, after which the session is over."""
        return replace(self, session_closed=True)


@dataclass(frozen=True)
class Opened:
    """The session is open; `served` is the environment's contract or the model's spec."""

    server: PeerInfo
    session_id: str
    served: Any
    terms: SessionTerms
    resume_key: bytes = b""
    received: int = 0
    offers: tuple[TransportOffer, ...] = ()


class ResetDone(NamedTuple):
    """An episode has started; `sim_time` is that of the simulation in seconds, if it is known."""

    observation: Encoded
    info: Info = NO_INFO
    sim_time: float | None = None


class LaneOutcomes(NamedTuple):
    """Rewards (float64) and flags (one byte) of a vector's lanes, as slabs."""

    rewards: Buffer
    terminated: Buffer
    truncated: Buffer


class StepDone(NamedTuple):
    """The result of a step; `lanes`, `final_mask` and `final` are those of a vector.

    `sim_time` is the time of the simulation at the observation in seconds, if it is known.
    """

    observation: Encoded
    reward: float = 0.0
    terminated: bool = False
    truncated: bool = False
    info: Info = NO_INFO
    lanes: LaneOutcomes | None = None
    final_mask: bytes = b""
    final: Encoded | None = None
    sim_time: float | None = None


@dataclass(frozen=True)
class StepManyDone:
    """The results of the steps that were applied, and the failure of the next one, if any."""

    steps: tuple[StepDone, ...]
    failure: Failure | None = None


@dataclass(frozen=True)
class Rendered:
    """The result of `render`."""

    frame: Any


@dataclass(frozen=True)
class Called:
    """The result of a method."""

    result: Any


@dataclass(frozen=True)
class Attribute:
    """The value of an attribute, or only the fact that it is a method."""

    value: Any = None
    callable: bool = False


@dataclass(frozen=True)
class AttributeSet:
    """The attribute has its new value."""


@dataclass(frozen=True)
class ViewSet:
    """The view is set."""


@dataclass(frozen=True)
class Closed:
    """The session has ended."""


Reply = Union[
    Failure,
    Progress,
    Opened,
    ResetDone,
    StepDone,
    StepManyDone,
    Rendered,
    Called,
    Attribute,
    AttributeSet,
    ViewSet,
    ModelReply,
    Closed,
]
