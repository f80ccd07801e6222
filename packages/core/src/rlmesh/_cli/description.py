"""What an endpoint tells of itself, asked without a session."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

from rlmesh.options import TLS
from rlmesh.specs import EnvContract, PeerInfo, SessionTerms

__all__ = ["Description", "describe"]


@dataclass(frozen=True)
class Description:
    """An endpoint.

    Attributes:
        address: Its address, scheme included.
        server: What serves it.
        contract: Its environment.
        terms: What it promises to a session.
    """

    address: str
    server: PeerInfo
    contract: EnvContract
    terms: SessionTerms


def describe(address: str, token: str, tls: TLS | None, timeout: float) -> Description:
    """Ask an endpoint what it is; no session is opened, so its client is not disturbed.

    Raises:
        AddressError: If the address is none.
        ConnectError: If nobody answers there.
        RemoteError: If the server refuses.
    """
    from rlmesh._session.versions import this_peer
    from rlmesh._transport.address import parse_address
    from rlmesh._transport.grpc_client import GrpcConnection
    from rlmesh._transport.grpc_tls import secured
    from rlmesh._wire.frames import ENV_SERVICE, EnvFrames
    from rlmesh.backends import NATIVE
    from rlmesh.errors import ConnectError, ConnectionLostError, RequestTimeoutError

    where = secured(parse_address(address), tls, named="://" in address)
    frames = EnvFrames(NATIVE)
    client = this_peer(f"{socket.gethostname()}:{os.getpid()}", frozenset())
    connection = GrpcConnection(where, ENV_SERVICE, token, tls)
    try:
        answer = connection.call("Describe", frames.write_describe_request(client), timeout)
    except RequestTimeoutError:
        words = f"{where} does not answer within {timeout:g} s"
        raise ConnectError(words, address=str(where)) from None
    except ConnectionLostError as error:
        raise ConnectError(error.message, address=str(where)) from error
    finally:
        connection.close()
    server, contract, terms = frames.read_description(answer)
    return Description(str(where), server, contract, terms)
