"""Addresses of endpoints."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, replace

from rlmesh.errors import AddressError
from rlmesh.options import TLS

__all__ = ["UNNAMED", "Address", "host_of", "parse_address", "secured", "tls_for"]

_FORMS = (
    "a port, host:port, [IPv6]:port, tcp://host:port, grpcs://host:port, unix:///path, "
    "frames://host:port, framess://host:port or frames+unix:///path"
)
_HOST_PORT = re.compile(r"(?:\[(?P<v6>[^\s/\[\]]+)\]|(?P<host>[^\s:/\[\]]*)):(?P<port>\d{1,5})")

_OTHER_SCHEMES = {"http": "tcp", "grpc": "tcp", "https": "grpcs", "tls": "grpcs"}
"""Scheme to write in place of one that a user of other libraries may expect."""


UNNAMED = "tcp"
"""Scheme of an address that has none; the tests run with "frames" too."""


@dataclass(frozen=True)
class Address:
    """The address of an endpoint.

    Attributes:
        scheme: "tcp", "grpcs" (TCP with TLS) or "unix" for gRPC; "frames", "framess" (with TLS) or
            "frames+unix" for frames alone.
        host: Host name or IP address; empty for a Unix socket.
        port: TCP port, 0 for any free one; 0 for a Unix socket.
        path: Path of the Unix socket; empty for TCP.
    """

    scheme: str
    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        return f"{self.scheme}://{self.path if self.is_unix else self.authority}"

    @property
    def is_unix(self) -> bool:
        """Whether it is a Unix socket."""
        return self.scheme in ("unix", "frames+unix")

    @property
    def is_tls(self) -> bool:
        """Whether connections are encrypted with TLS."""
        return self.scheme in ("grpcs", "framess")

    @property
    def is_frames(self) -> bool:
        """Whether sessions begin over frames, without gRPC (CONTRACT.md, B-15)."""
        return self.scheme in ("frames", "framess", "frames+unix")

    @property
    def authority(self) -> str:
        """`host:port`, with brackets around an IPv6 address."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def plain_scheme(self) -> str:
        """Scheme of the same protocol over TCP without TLS."""
        return "frames" if self.is_frames else "tcp"

    @property
    def tls_scheme(self) -> str:
        """Scheme of the same protocol over TCP with TLS."""
        return "framess" if self.is_frames else "grpcs"

    @property
    def is_local(self) -> bool:
        """Whether only this host can reach it: loopback or a Unix socket."""
        if self.is_unix or self.host == "localhost":
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
        return _tcp(UNNAMED, f"127.0.0.1:{text}", text)
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = ("unix", text[5:]) if text.startswith("unix:") else (UNNAMED, text)
    if scheme in ("unix", "frames+unix"):
        if not rest:
            raise AddressError(f"{text!r} names no socket; expected {scheme}:///path")
        return Address(scheme, path=rest)
    if scheme in _OTHER_SCHEMES:
        raise AddressError(
            f"unknown scheme {scheme!r} in {text!r}; write {_OTHER_SCHEMES[scheme]}://host:port"
        )
    if scheme not in ("tcp", "grpcs", "frames", "framess"):
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
    return None if is_named and not parse_address(address).is_tls else tls


def secured(address: Address, tls: TLS | None, *, named: bool) -> Address:
    """Return the address, with the scheme of TLS if certificates are given.

    Args:
        address: The address.
        tls: The certificates; None: none are given.
        named: Whether the scheme was named by the caller, so that it is not replaced.

    Raises:
        AddressError: If plain text was named and certificates are given: it never goes on in plain
            text in silence.
    """
    if tls is None or address.is_tls:
        return address
    if named or address.is_unix:
        raise AddressError(
            f"{address} is plain text, and tls= is given (--tls-...); write "
            f"{address.tls_scheme}://host:port"
        )
    return replace(address, scheme=address.tls_scheme)
