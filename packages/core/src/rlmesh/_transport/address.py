"""Addresses of endpoints."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from rlmesh.errors import AddressError
from rlmesh.options import TLS

__all__ = ["Address", "host_of", "parse_address", "tls_for"]

_FORMS = "a port, host:port, [IPv6]:port, tcp://host:port, grpcs://host:port or unix:///path"
_HOST_PORT = re.compile(r"(?:\[(?P<v6>[^\s/\[\]]+)\]|(?P<host>[^\s:/\[\]]*)):(?P<port>\d{1,5})")

_OTHER_SCHEMES = {"http": "tcp", "grpc": "tcp", "https": "grpcs", "tls": "grpcs"}
"""Scheme to write in place of one that a user of other libraries may expect."""


@dataclass(frozen=True)
class Address:
    """The address of an endpoint.

    Attributes:
        scheme: "tcp", "grpcs" (TCP with TLS) or "unix".
        host: Host name or IP address; empty for "unix".
        port: TCP port, 0 for any free one; 0 for "unix".
        path: Path of the socket; empty but for "unix".
    """

    scheme: str
    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        if self.scheme == "unix":
            return f"unix://{self.path}"
        return f"{self.scheme}://{self.authority}"

    @property
    def authority(self) -> str:
        """`host:port`, with brackets around an IPv6 address."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Whether only this host can reach it: loopback or a Unix socket."""
        if self.scheme == "unix" or self.host == "localhost":
            return True
        try:
            address = ipaddress.ip_address(self.host)
        except ValueError:
            return False
        # Before Python 3.13, ::ffff:127.0.0.1 is not reported as loopback.
        return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def host_of(text: str) -> str:
    """Return a host's name or IP address, without the brackets that an address has around IPv6.

    Raises:
        AddressError: If the text is neither.
    """
    host = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if _is_ipv6(host) or (host == text and _HOST_PORT.fullmatch(f"{host}:0")):
        return host
    raise AddressError(f"{text!r} is not a host; expected a name or an IP address, without a port")


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def parse_address(text: str | int) -> Address:
    """Return the address that a text or bare port number is.

    Raises:
        AddressError: If it is none.
    """
    if isinstance(text, int) or text.isdigit():
        return _tcp("tcp", f"127.0.0.1:{text}", text)
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = ("unix", text[5:]) if text.startswith("unix:") else ("tcp", text)
    if scheme == "unix":
        if not rest:
            raise AddressError(f"{text!r} names no socket; expected unix:///path")
        return Address("unix", path=rest)
    if scheme in _OTHER_SCHEMES:
        raise AddressError(
            f"unknown scheme {scheme!r} in {text!r}; write {_OTHER_SCHEMES[scheme]}://host:port"
        )
    if scheme not in ("tcp", "grpcs"):
        raise AddressError(f"unknown scheme {scheme!r} in {text!r}; expected {_FORMS}")
    return _tcp(scheme, rest, text)


def _tcp(scheme: str, authority: str, text: object) -> Address:
    match = _HOST_PORT.fullmatch(authority)
    if match is None or (match["v6"] and not _is_ipv6(match["v6"])):
        bare = _is_ipv6(authority.strip("[]"))
        form = "an IPv6 address in brackets, and a port: [::1]:5555" if bare else _FORMS
        raise AddressError(f"{text!r} is not an address; expected {form}")
    port = int(match["port"])
    if port > 65535:
        raise AddressError(f"port {port} of {text!r} is above 65535")
    return Address(scheme, match["v6"] or match["host"] or "127.0.0.1", port)


def tls_for(address: str | int, tls: TLS | None) -> TLS | None:
    """Return the certificates for one of several addresses; None if its scheme has no TLS.

    Raises:
        AddressError: If the text is not an address.
    """
    is_named = "://" in str(address) or str(address).startswith("unix:")
    return None if is_named and parse_address(address).scheme != "grpcs" else tls
