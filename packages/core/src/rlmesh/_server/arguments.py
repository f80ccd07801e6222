"""`resolve_server_arguments`: the address and options that a server's arguments name."""

from __future__ import annotations

from rlmesh._transport import address as addresses
from rlmesh._transport.address import Address, host_of, parse_address, secured
from rlmesh.errors import AddressError
from rlmesh.options import TLS, ServeOptions

__all__ = ["resolve_server_arguments"]


def resolve_server_arguments(
    address: str | int | None,
    host: str | None,
    port: int | None,
    path: str | None,
    tls: TLS | None,
    options: ServeOptions | None,
) -> tuple[Address, ServeOptions, bool]:
    """Resolve a server's arguments.

    Returns:
        Address, options, and whether clients see the tracebacks of exceptions.

    Raises:
        AddressError: If they name no address, or plain text beside certificates.
        ValueError: If an environment variable has a value that its option cannot have, or an
            option needs gRPC and the address is one of frames alone.
    """
    options = options or ServeOptions.from_environment()
    where = secured(_address_of(address, host, port, path), tls, named="://" in str(address))
    if where.is_frames:
        _check_frames_alone(where, options)
    expose_tracebacks = options.expose_tracebacks
    return where, options, where.is_local if expose_tracebacks is None else expose_tracebacks


def _check_frames_alone(where: Address, options: ServeOptions) -> None:
    """Raise ValueError if an option needs gRPC."""
    if options.frames_port is not None:
        raise ValueError(
            f"frames_port={options.frames_port} is a port beside that of gRPC, and {where} is one "
            f"of frames already; leave it out"
        )
    if options.remote_shutdown:
        raise ValueError(f"remote_shutdown needs gRPC, and {where} has frames alone")


def _address_of(
    address: str | int | None, host: str | None, port: int | None, path: str | None
) -> Address:
    """Return the address that a server's arguments name; raises AddressError."""
    if address is not None:
        if (host, port, path) != (None, None, None):
            raise AddressError("give either an address, or host, port or path")
        return parse_address(address)
    if path is not None:
        if host is not None or port is not None:
            raise AddressError("give either path, or host and port")
        return Address("unix", path=path)
    return Address(addresses.UNNAMED, host_of(host) if host else "127.0.0.1", port or 0)
