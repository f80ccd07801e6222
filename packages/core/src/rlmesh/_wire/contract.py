"""EnvContract, PeerInfo, SessionTerms and TransportOffer <-> their messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rlmesh_proto.env.v1 import contract_pb2
from rlmesh_proto.session.v1 import handshake_pb2

from rlmesh._logs import warn
from rlmesh._wire.dynamic import DynamicEncoder, map_from_wire
from rlmesh._wire.enums import EnumMap
from rlmesh._wire.spaces import space_from_wire, space_to_wire
from rlmesh.backends import NATIVE, ArrayBackend
from rlmesh.errors import CodecError
from rlmesh.spaces import Space
from rlmesh.specs import (
    AutoresetMode,
    Capability,
    EnvContract,
    PeerInfo,
    Registration,
    SessionTerms,
    TransportKind,
    TransportOffer,
)

if TYPE_CHECKING:
    from rlmesh.adapters import EnvTags

__all__ = [
    "contract_from_wire",
    "contract_to_wire",
    "offers_from_wire",
    "offers_to_wire",
    "peer_from_wire",
    "peer_to_wire",
    "route_key",
    "terms_from_wire",
    "terms_to_wire",
]

MAX_LANES = 65_536
"""Most lanes of a vector."""

_AUTORESET = EnumMap(AutoresetMode, contract_pb2.AutoresetMode, "AUTORESET_MODE", "T-3")
_CAPABILITIES = EnumMap(Capability, handshake_pb2.Capability, "CAPABILITY")
_TRANSPORT_KINDS = EnumMap(TransportKind, handshake_pb2.TransportKind, "TRANSPORT_KIND")


def contract_to_wire(
    contract: EnvContract, out: contract_pb2.EnvContract, encoder: DynamicEncoder
) -> None:
    """Write a contract into `out`."""
    out.id = contract.id
    out.spec_version = contract.spec_version
    space_to_wire(contract.observation_space, out.observation_space)
    space_to_wire(contract.action_space, out.action_space)
    out.num_envs = contract.num_envs
    out.vector = contract.vector
    if contract.autoreset_mode is not None:
        out.autoreset_mode = _AUTORESET.to_wire(contract.autoreset_mode)
    out.render.mode = contract.render_mode or ""
    out.render.modes.extend(contract.render_modes)
    if contract.render_fps is not None:
        out.render.fps = contract.render_fps
    encoder.map(contract.metadata, out.metadata, "metadata")
    if contract.tags is not None:
        from rlmesh._wire.tags import tags_to_wire

        tags_to_wire(contract.tags, out.tags)
    if contract.registration is not None:
        _write_registration(contract.registration, out.registration, encoder)
    out.exposed.extend(contract.exposed)
    if contract.reward_range is not None:
        out.reward_range.low, out.reward_range.high = contract.reward_range


def _write_registration(
    registration: Registration, out: contract_pb2.Registration, encoder: DynamicEncoder
) -> None:
    out.SetInParent()
    if registration.max_episode_steps is not None:
        out.max_episode_steps = registration.max_episode_steps
    if registration.reward_threshold is not None:
        out.reward_threshold = registration.reward_threshold
    out.nondeterministic = registration.nondeterministic
    encoder.map(registration.kwargs, out.kwargs, "kwargs")


def contract_from_wire(message: contract_pb2.EnvContract, backend: ArrayBackend) -> EnvContract:
    """Return the contract of a message.

    Raises:
        CodecError: If it breaks a rule of the contract.
        NewerSpecError: If its autoreset mode, or a part of a space, is one of a newer spec.
    """
    if message.num_envs < 1 or (message.num_envs > 1 and not message.vector):
        words = f"num_envs is {message.num_envs} with vector={message.vector}"
        raise CodecError(words, path="num_envs", rule="L-1")
    if message.num_envs > MAX_LANES:
        words = f"a vector has {message.num_envs} lanes; the limit is {MAX_LANES}"
        raise CodecError(words, path="num_envs", rule="M-1")
    for space in ("observation_space", "action_space"):
        if not message.HasField(space):
            words = "a contract has two spaces, and this one is missing"
            raise CodecError(words, path=space, rule="T-3")
    if not message.id:
        raise CodecError("a contract has an id, and this one has none", path="id", rule="T-3")
    if len(set(message.exposed)) < len(message.exposed):
        words = "the exposed names are distinct; one stands twice"
        raise CodecError(words, path="exposed", rule="T-3")
    observation = space_from_wire(message.observation_space, "observation_space")
    action = space_from_wire(message.action_space, "action_space")
    mode = _AUTORESET.read(message.autoreset_mode, AutoresetMode.NEXT_STEP, "autoreset_mode")
    return EnvContract(
        id=message.id,
        observation_space=observation,
        action_space=action,
        num_envs=message.num_envs,
        vector=message.vector,
        autoreset_mode=mode if message.vector else None,
        render_mode=message.render.mode or None,
        render_modes=tuple(message.render.modes),
        render_fps=message.render.fps if message.render.HasField("fps") else None,
        metadata=map_from_wire(message.metadata, backend, "metadata"),
        tags=_sound_tags(message, observation, action),
        registration=_read_registration(message.registration, backend)
        if message.HasField("registration")
        else None,
        exposed=tuple(message.exposed),
        reward_range=_sound_reward_range(message),
        spec_version=message.spec_version,
    )


def _sound_tags(
    message: contract_pb2.EnvContract, observation: Space[Any], action: Space[Any]
) -> EnvTags | None:
    """Return the tags, or None and a warning if they do not fit the spaces (T-1)."""
    if not message.HasField("tags"):
        return None
    # Adapters are imported only where there are tags.
    from rlmesh._wire.tags import tags_from_wire
    from rlmesh.adapters._slots import placing_problems

    problem: object
    try:
        tags = tags_from_wire(message.tags)
    except CodecError as error:
        problem = error
    else:
        problems = placing_problems(tags, observation, action)
        if not problems:
            return tags
        problem = problems[0]
    warn(f"the tags of {message.id} are ignored: {problem}", RuntimeWarning, stacklevel=2)
    return None


def _sound_reward_range(message: contract_pb2.EnvContract) -> tuple[float, float] | None:
    """Return the range of rewards, or None and a warning if it is not a range (T-1)."""
    if not message.HasField("reward_range"):
        return None
    low, high = message.reward_range.low, message.reward_range.high
    if low <= high:
        return low, high
    words = f"the reward_range of {message.id} is ignored: low {low} is not <= high {high}"
    warn(words, RuntimeWarning, stacklevel=2)
    return None


def _read_registration(message: contract_pb2.Registration, backend: ArrayBackend) -> Registration:
    steps, threshold = message.max_episode_steps, message.reward_threshold
    return Registration(
        max_episode_steps=steps if message.HasField("max_episode_steps") else None,
        reward_threshold=threshold if message.HasField("reward_threshold") else None,
        nondeterministic=message.nondeterministic,
        kwargs=map_from_wire(message.kwargs, backend, "kwargs"),
    )


def route_key(contract: EnvContract) -> bytes:
    """Return a key that is equal for contracts with equal spaces and tags."""
    spaces = EnvContract("", contract.observation_space, contract.action_space, tags=contract.tags)
    message = contract_pb2.EnvContract()
    contract_to_wire(spaces, message, DynamicEncoder(NATIVE))
    return message.SerializeToString(deterministic=True)


def peer_to_wire(peer: PeerInfo, out: handshake_pb2.PeerInfo) -> None:
    """Write the facts of a peer into `out`."""
    out.spec_version = peer.spec_version
    out.spec_digest = peer.spec_digest
    out.implementation = peer.implementation
    out.name = peer.name
    for name, version in peer.software.items():
        out.software[name] = version
    out.extensions.extend(peer.extensions)
    out.capabilities.extend(sorted(_CAPABILITIES.to_wire(c) for c in peer.capabilities))


def peer_from_wire(message: handshake_pb2.PeerInfo) -> PeerInfo:
    """Return the facts of a peer, without capabilities of a newer spec."""
    known = [_CAPABILITIES.known(number) for number in message.capabilities]
    return PeerInfo(
        spec_version=message.spec_version,
        spec_digest=message.spec_digest,
        implementation=message.implementation,
        capabilities=frozenset(c for c in known if c is not None),
        name=message.name,
        software=dict(message.software),
        extensions=tuple(message.extensions),
    )


def terms_to_wire(terms: SessionTerms, out: handshake_pb2.SessionTerms) -> None:
    """Write terms into `out`; seconds become milliseconds."""
    out.SetInParent()
    out.grace_period_ms = round(terms.grace_period * 1000)
    out.idle_timeout_ms = round(terms.idle_timeout * 1000)
    out.max_message_bytes = terms.max_message_bytes


def terms_from_wire(message: handshake_pb2.SessionTerms) -> SessionTerms:
    """Return the terms of a message."""
    return SessionTerms(
        grace_period=message.grace_period_ms / 1000,
        max_message_bytes=message.max_message_bytes,
        idle_timeout=message.idle_timeout_ms / 1000,
    )


def offers_to_wire(offers: Sequence[TransportOffer], out: Any) -> None:
    """Append offers of transports to a repeated field."""
    for offer in offers:
        out.add(kind=_TRANSPORT_KINDS.to_wire(offer.kind), address=offer.address)


def offers_from_wire(
    messages: Iterable[handshake_pb2.TransportOffer],
) -> tuple[TransportOffer, ...]:
    """Return the offers of the kinds that this version knows, in order."""
    offers = ((_TRANSPORT_KINDS.known(message.kind), message.address) for message in messages)
    return tuple(TransportOffer(kind, address) for kind, address in offers if kind is not None)
