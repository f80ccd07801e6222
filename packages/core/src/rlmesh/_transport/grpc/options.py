"""Channel and server options of gRPC, and why each is set."""

from __future__ import annotations

from rlmesh._transport.address import Address
from rlmesh._transport.limits import MAX_MESSAGE_BYTES

__all__ = ["client_options", "server_options", "target_of"]

_KEEPALIVE_MS = 10_000

MAX_CONNECTION_STREAMS = 128
"""How many calls one connection may have at once; those of a client beyond that wait there."""

_HANDSHAKE_MS = 10_000


def _shared(max_message_bytes: int) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_send_message_length", max_message_bytes),
        # A peer that has vanished without a word is noticed after two of these.
        ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", _KEEPALIVE_MS),
        # If another ping is under way, that one counts; by default its timeout is a minute.
        ("grpc.http2.ping_timeout_ms", _KEEPALIVE_MS),
        # Algorithms by their bits: none but identity. No peer needs compression (B-2), and a
        # message of kilobytes would become one of the largest size.
        ("grpc.compression_enabled_algorithms_bitset", 1),
        # A long step sends nothing for minutes; pings must go on meanwhile.
        ("grpc.http2.max_pings_without_data", 0),
    ]


def client_options(
    address: Address, max_message_bytes: int = MAX_MESSAGE_BYTES
) -> list[tuple[str, int]]:
    """Return the options of a channel to `address`."""
    options = _shared(max_message_bytes)
    # Channels with equal options share a connection: one client's cut would be another's.
    options.append(("grpc.use_local_subchannel_pool", 1))
    if address.is_local:
        # An http_proxy variable of the machine must not catch loopback.
        options.append(("grpc.enable_http_proxy", 0))
    return options


def server_options(max_message_bytes: int = MAX_MESSAGE_BYTES) -> list[tuple[str, int]]:
    """Return the options of a server."""
    return [
        *_shared(max_message_bytes),
        # Two servers on one port would share its connections at random; the second must fail.
        ("grpc.so_reuseport", 0),
        # Clients ping every 10 s; the default policy would answer that with GOAWAY.
        ("grpc.http2.min_ping_interval_without_data_ms", _KEEPALIVE_MS // 2),
        ("grpc.http2.max_ping_strikes", 0),
        ("grpc.max_concurrent_streams", MAX_CONNECTION_STREAMS),
        # By default a client has two minutes for its TLS handshake.
        ("grpc.server_handshake_timeout_ms", _HANDSHAKE_MS),
    ]


def target_of(address: Address) -> str:
    """Return the address in gRPC's form."""
    return f"unix:{address.path}" if address.scheme == "unix" else address.authority
