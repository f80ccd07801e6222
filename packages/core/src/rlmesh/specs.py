"""Contracts: the description of an environment for clients, and of an endpoint for its peers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from rlmesh.spaces import Space

if TYPE_CHECKING:
    from rlmesh.adapters import EnvTags, ModelSpec

__all__ = [
    "AutoresetMode",
    "Capability",
    "EnvContract",
    "ModelSpec",
    "PeerInfo",
    "Progress",
    "Reconnect",
    "Registration",
    "SessionTerms",
    "TransportKind",
    "TransportOffer",
]


def __getattr__(name: str) -> object:
    """Import `ModelSpec` when it is used: adapters are a tenth of the imports of a client."""
    if name == "ModelSpec":
        from rlmesh.adapters import ModelSpec

        return ModelSpec
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class AutoresetMode(Enum):
    """When a lane of a vector environment starts its next episode; values as in Gymnasium."""

    NEXT_STEP = "NextStep"
    SAME_STEP = "SameStep"
    DISABLED = "Disabled"


class Capability(Enum):
    """A feature that only some peers of the same major spec version have."""

    RESUME = "resume"
    STEP_MANY = "step_many"
    ATTRIBUTES = "attributes"
    PARTIAL_RESET = "partial_reset"
    RENDER = "render"
    QUEUE = "queue"
    FRAMES_UNIX = "frames_unix"
    FRAMES_TCP = "frames_tcp"
    BATCH = "batch"
    EPISODE_STEPS = "episode_steps"
    OBSERVE = "observe"
    PROGRESS = "progress"
    OBSERVATION_VIEW = "observation_view"
    ALIGNED_SLABS = "aligned_slabs"
    ACTION_PREFIX = "action_prefix"


class TransportKind(Enum):
    """A kind of transport that a session may move to after it has begun over gRPC."""

    FRAMES_UNIX = "frames_unix"
    FRAMES_TCP = "frames_tcp"


@dataclass(frozen=True)
class TransportOffer:
    """A transport that a server offers to a session.

    Attributes:
        kind: Kind of the transport.
        address: Address, in the form that the kind defines (CONTRACT.md, B-12 and B-13).
    """

    kind: TransportKind
    address: str


@dataclass(frozen=True)
class Registration:
    """An environment's entry in a registry; the contract enforces nothing of it.

    Attributes:
        max_episode_steps: Number of steps after which an episode is truncated.
        reward_threshold: Episode return from which the task counts as solved.
        nondeterministic: Whether two runs with one seed may differ.
        kwargs: Arguments that the environment was made with.
    """

    max_episode_steps: int | None = None
    reward_threshold: float | None = None
    nondeterministic: bool = False
    kwargs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class EnvContract:
    """Everything that a client has to know about an environment before it plays.

    Attributes:
        id: Registered id ("CartPole-v1"), else the name of the environment's class.
        observation_space: Space of one observation; for a vector, of one lane.
        action_space: Space of one action; for a vector, of one lane.
        num_envs: Number of lanes; 1 if `vector` is False.
        vector: Whether values are batches of `num_envs`.
        autoreset_mode: When lanes start their next episode; None if `vector` is False.
        render_mode: Mode that the environment was made with; None if it does not render.
        render_modes: Modes that the environment could have been made with.
        render_fps: Images per second; None if not specified.
        metadata: Other metadata of the environment.
        tags: Meaning of the leaves of the spaces; None if not specified.
        registration: Entry in the registry; None if the environment was not registered.
        exposed: Names that remote attribute calls may use.
        reward_range: Smallest and largest reward of a step; None if not specified.
        spec_version: Spec version of the endpoint.
    """

    id: str
    observation_space: Space[Any]
    action_space: Space[Any]
    num_envs: int = 1
    vector: bool = False
    autoreset_mode: AutoresetMode | None = None
    render_mode: str | None = None
    render_modes: tuple[str, ...] = ()
    render_fps: float | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    tags: EnvTags | None = None
    registration: Registration | None = None
    exposed: tuple[str, ...] = ()
    reward_range: tuple[float, float] | None = None
    spec_version: str = ""


@dataclass(frozen=True)
class PeerInfo:
    """The description of a peer.

    Attributes:
        spec_version: Spec version that the peer was built from.
        spec_digest: SHA-256 of the spec's image, for diagnosis.
        implementation: Name and version of the implementation.
        capabilities: Optional features of the peer.
        name: Name for display.
        software: Versions of the software that the peer runs on, by name, for diagnosis.
        extensions: Names of the extensions beyond the spec that the peer understands.
    """

    spec_version: str
    spec_digest: str = ""
    implementation: str = ""
    capabilities: frozenset[Capability] = frozenset()
    name: str = ""
    software: Mapping[str, str] = field(default_factory=dict, hash=False)
    extensions: tuple[str, ...] = ()

    def __str__(self) -> str:
        software = ", ".join(f"{name} {self.software[name]}" for name in sorted(self.software))
        return f"{self.implementation} ({software})" if software else self.implementation


@dataclass(frozen=True)
class SessionTerms:
    """The terms that a server grants to a session.

    Attributes:
        grace_period: Seconds that a session outlives its connection; 0: it does not.
        max_message_bytes: Largest message that the server accepts, in bytes; 0: not specified.
        idle_timeout: Seconds without a request after which the session ends; 0: never.
    """

    grace_period: float = 0.0
    max_message_bytes: int = 0
    idle_timeout: float = 0.0

    def without_grace(self) -> SessionTerms:
        """Return the terms of a session that cannot be resumed."""
        return replace(self, grace_period=0.0)


@dataclass(frozen=True)
class Progress:
    """How far a server has come with a call of its environment that has not returned yet.

    Attributes:
        fraction: Share that is done, from 0 to 1; None: not known.
        message: What is being done ("loading the scene"); may be empty.
    """

    fraction: float | None = None
    message: str = ""


@dataclass(frozen=True)
class Reconnect:
    """A session that lost its connection and was resumed over another, without any other loss.

    Attributes:
        address: Address of the endpoint.
        session_id: Id of the session.
        attempts: Number of connections that were tried.
        seconds: Seconds from the loss until the session was resumed.
    """

    address: str
    session_id: str
    attempts: int
    seconds: float
