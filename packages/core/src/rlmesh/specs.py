"""Contracts: what a client knows of an environment, and what an endpoint says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from rlmesh.adapters import EnvTags, ModelSpec
from rlmesh.spaces import Space

__all__ = [
    "AutoresetMode",
    "Capability",
    "EnvContract",
    "ModelSpec",
    "PeerInfo",
    "Reconnect",
    "Registration",
    "SessionTerms",
    "TransportKind",
    "TransportOffer",
]


class AutoresetMode(Enum):
    """When a lane of a vector environment starts its next episode; values as in Gymnasium."""

    NEXT_STEP = "NextStep"
    SAME_STEP = "SameStep"
    DISABLED = "Disabled"


class Capability(Enum):
    """A feature that not every peer of the same major spec version has."""

    RESUME = "resume"
    STEP_MANY = "step_many"
    ATTRIBUTES = "attributes"
    PARTIAL_RESET = "partial_reset"
    RENDER = "render"
    QUEUE = "queue"
    FRAMES_UNIX = "frames_unix"
    FRAMES_TCP = "frames_tcp"
    BATCH = "batch"


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
    """What a registry says of an environment; nothing in it is enforced by the contract.

    Attributes:
        max_episode_steps: Steps after which an episode is truncated.
        reward_threshold: Return from which the task counts as solved.
        nondeterministic: Two runs with one seed may differ.
        kwargs: Arguments that the environment was made with.
    """

    max_episode_steps: int | None = None
    reward_threshold: float | None = None
    nondeterministic: bool = False
    kwargs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class EnvContract:
    """Everything that a client has to know of an environment before it plays.

    Attributes:
        id: Registered id ("CartPole-v1"), else the name of the environment's class.
        observation_space: Space of one observation, of one lane for a vector.
        action_space: Space of one action, of one lane for a vector.
        num_envs: Number of lanes; 1 where `vector` is False.
        vector: Values are batches of `num_envs`.
        autoreset_mode: When lanes start their next episode; None where `vector` is False.
        render_mode: Mode that the environment was made with; None: it does not render.
        render_modes: Modes it could have been made with.
        render_fps: Frames a second; None: not said.
        metadata: The environment's other metadata.
        tags: What the leaves of its spaces mean; None: not said.
        registration: What its registry says; None: it was not registered.
        exposed: Names that remote attribute calls reach.
        reward_range: Smallest and largest reward of a step; None: not said.
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
    """What a peer is.

    Attributes:
        spec_version: Spec version it was built from.
        spec_digest: SHA-256 of the spec's image, for diagnosis.
        implementation: Name and version of the implementation.
        capabilities: What it can do.
        name: A name for people.
    """

    spec_version: str
    spec_digest: str = ""
    implementation: str = ""
    capabilities: frozenset[Capability] = frozenset()
    name: str = ""


@dataclass(frozen=True)
class SessionTerms:
    """What a server promises to a session.

    Attributes:
        grace_period: Seconds that a session outlives its connection; 0: not at all.
        max_message_bytes: Largest message it accepts; 0: not said.
        idle_timeout: Seconds without a request before it ends the session; 0: for ever.
    """

    grace_period: float = 0.0
    max_message_bytes: int = 0
    idle_timeout: float = 0.0

    def without_grace(self) -> SessionTerms:
        """The terms of a session that cannot be resumed."""
        return replace(self, grace_period=0.0)


@dataclass(frozen=True)
class Reconnect:
    """A connection was lost, and the session resumed over another one; nothing else is lost.

    Attributes:
        address: The endpoint.
        session_id: Id of the session.
        attempts: How many connections were tried.
        seconds: How long it took.
    """

    address: str
    session_id: str
    attempts: int
    seconds: float
