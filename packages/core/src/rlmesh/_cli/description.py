"""Descriptions of endpoints, requested without a session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rlmesh.options import TLS
from rlmesh.specs import EnvContract, ModelSpec, PeerInfo, SessionTerms

__all__ = ["Description", "ModelDescription", "describe", "describe_any"]


@dataclass(frozen=True)
class Description:
    """An endpoint that serves an environment.

    Attributes:
        address: Address, with its scheme.
        server: Description of the server.
        contract: Contract of the environment.
        terms: Terms that the server grants to a session.
    """

    address: str
    server: PeerInfo
    contract: EnvContract
    terms: SessionTerms


@dataclass(frozen=True)
class ModelDescription:
    """An endpoint that serves a model.

    Attributes:
        address: Address, with its scheme.
        server: Description of the server.
        model: Spec of the model.
        terms: Terms that the server grants to a session.
    """

    address: str
    server: PeerInfo
    model: ModelSpec
    terms: SessionTerms


def describe(address: str, token: str, tls: TLS | None, timeout: float) -> Description:
    """Return an endpoint's environment, without a session, so that no client is disturbed.

    Raises:
        AddressError: If `address` is not an address.
        ConnectError: If no endpoint answers there, or it serves no environment.
        RemoteError: If the server refuses.
    """
    from rlmesh._wire.env_codec import EnvWireCodec
    from rlmesh._wire.services import ENV_SERVICE
    from rlmesh.backends import NATIVE

    codec = EnvWireCodec(NATIVE)
    where, answer = _ask(address, token, tls, timeout, ENV_SERVICE, codec)
    return Description(where, *codec.read_description(answer))


def describe_any(
    address: str, token: str, tls: TLS | None, timeout: float
) -> Description | ModelDescription:
    """Return what an endpoint serves, an environment or a model; see `describe`."""
    from rlmesh._wire.model_codec import ModelWireCodec
    from rlmesh._wire.services import MODEL_SERVICE
    from rlmesh.backends import NATIVE
    from rlmesh.errors import WrongServiceError

    try:
        return describe(address, token, tls, timeout)
    except WrongServiceError as error:
        codec = ModelWireCodec(NATIVE)
        try:
            where, answer = _ask(address, token, tls, timeout, MODEL_SERVICE, codec)
        except WrongServiceError:
            raise error from None
        return ModelDescription(where, *codec.read_description(answer))


def _ask(
    address: str, token: str, tls: TLS | None, timeout: float, service: str, codec: Any
) -> tuple[str, bytes]:
    """Return the resolved address, and its answer to `Describe`."""
    from rlmesh._client.connect import client_name, destination
    from rlmesh._client.transport_choice import TransportChoice
    from rlmesh._session.versions import this_peer
    from rlmesh._transport.target import Target

    where = destination(address, token, tls, stacklevel=2)
    client = this_peer(client_name(), frozenset())
    connection = TransportChoice("auto", Target(where, service, token, tls, timeout)).connect()
    try:
        request = codec.write_describe_request(client)
        return str(where), connection.describe(request, timeout)
    finally:
        connection.close()
