"""The usual mistakes with TLS: which one has been made, in words that say what to do.

gRPC reports little of a handshake that fails, and of some failures nothing but a closed socket. So
a client that cannot connect makes a handshake of its own, with Python's `ssl`, and reports that.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
from collections.abc import Generator
from typing import Any

from rlmesh._transport.address import Address
from rlmesh._transport.certificates import load_own, load_trusted
from rlmesh.options import TLS

__all__ = ["explain", "explain_error", "explain_refusal"]

_SECONDS = 2.0
"""Seconds that each step of the handshake may take."""

_MAX_NAMES = 8
"""Number of names of a certificate that a message has at most."""

_EXPIRED, _NOT_YET_VALID, _SELF_SIGNED, _PURPOSE, _HOST, _IP = 10, 9, 18, 26, 62, 64
_UNKNOWN_AUTHORITY = (2, 19, 20, 21)
"""Codes of OpenSSL (X509_V_ERR_...): no issuer's certificate was found."""

_NO_TLS = ("WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE", "HTTP_REQUEST")
"""Reasons of OpenSSL if what has come is no record of TLS."""


def explain(where: Address, tls: TLS | None, details: str) -> str:
    """Return why an endpoint does not take a connection, and what to do; empty: TLS is no reason.

    Args:
        where: Address of the endpoint, to which a connection has failed.
        tls: Certificates that the client was given.
        details: What gRPC has reported; empty: nothing, or the connection is one of frames.
    """
    if where.is_unix:
        return ""
    # What cannot be found out within the time has another reason than TLS.
    with contextlib.suppress(OSError, ValueError):
        if not where.is_tls:
            return _explain_plain(where)
        try:
            with _handshake(where, _context(tls or TLS())) as connected:
                return _explain_closed(connected, tls or TLS()) or _explain_roots(tls, details)
        except ssl.SSLError as error:
            return explain_error(error, where, tls)
    return ""


def explain_error(error: ssl.SSLError, where: Address, tls: TLS | None) -> str:
    """Return what a failure of a handshake means, and what to do; empty if it has no known cause.

    Args:
        error: The failure.
        where: Address of the endpoint.
        tls: Certificates that the client was given.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return _explain_certificate(error, where, tls or TLS())
    reason = error.reason or ""
    if reason in _NO_TLS:
        return (
            f"the server speaks plain text, not TLS; connect to "
            f"{where.plain_scheme}://{where.authority}, or serve "
            f"with tls=TLS(certificate=..., key=...) (--tls-certificate, --tls-key)"
        )
    return _own_certificate(tls or TLS(), is_certain=True) if "ALERT" in reason else ""


def explain_refusal(error: ssl.SSLError, where: Address, tls: TLS | None) -> str:
    """Return what a failure after the handshake and before any answer means; see `explain_error`.

    A server of TLS 1.3 refuses a client's certificate after the client's handshake, and its reason
    is lost if the client sends meanwhile.
    """
    if isinstance(error, ssl.SSLEOFError):
        return _own_certificate(tls or TLS(), is_certain=False)
    return explain_error(error, where, tls)


def _explain_plain(where: Address) -> str:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with _handshake(where, context):
            pass
    except ssl.SSLError as error:
        if "ALERT" not in (error.reason or ""):
            return ""
    return (
        f"the server speaks TLS, and this address is plain text; connect to "
        f"{where.tls_scheme}://{where.authority}, with tls=TLS(authority='ca.pem') "
        f"(--tls-authority) if its authority is your own"
    )


def _explain_closed(connected: ssl.SSLSocket, tls: TLS) -> str:
    """Return why a server has ended a completed handshake, as one of TLS 1.3 may."""
    try:
        if connected.recv(1):
            return ""
    except TimeoutError:
        return ""
    except ssl.SSLError as error:
        if "ALERT" in (error.reason or ""):
            return _own_certificate(tls, is_certain=True)
        if not isinstance(error, ssl.SSLEOFError):
            return ""
    except ConnectionError:
        pass
    return _own_certificate(tls, is_certain=False)


def _explain_roots(tls: TLS | None, details: str) -> str:
    if "CERTIFICATE_VERIFY_FAILED" not in details or (tls is not None and tls.authority):
        return ""
    return (
        "this system trusts the authority of the server's certificate, but gRPC has a list of its "
        "own; pass the certificate of the authority as tls=TLS(authority='ca.pem') "
        "(--tls-authority)"
    )


def _own_certificate(tls: TLS, *, is_certain: bool) -> str:
    """Return what to do about the client's certificate.

    Args:
        tls: Certificates of the client.
        is_certain: Whether an alert of the server states it; if not, the network may have broken
            the connection just then.
    """
    ended = "" if is_certain else "the connection was ended after the handshake; probably "
    if tls.certificate is None:
        return (
            f"{ended}the server requires a certificate of the client (mutual TLS): pass "
            "tls=TLS(certificate=..., key=..., authority=...) (--tls-certificate, --tls-key) with "
            "one that its authority has signed"
        )
    return (
        f"{ended}the server refuses the client's certificate: pass one that has not expired and is "
        "signed by the authority that the server was given in tls=TLS(authority=...) "
        "(--tls-authority)"
    )


def _explain_certificate(error: ssl.SSLCertVerificationError, where: Address, tls: TLS) -> str:
    code = error.verify_code
    if code in (_HOST, _IP):
        return _explain_host(where, tls)
    if code == _EXPIRED:
        return "the certificate of the server, or of its authority, has expired; make a new one"
    if code == _NOT_YET_VALID:
        return "the server's certificate is not valid yet; check the clocks of both hosts"
    if code == _PURPOSE:
        return (
            "the server's certificate is not one for servers; make one whose extendedKeyUsage is "
            "serverAuth, or that has no such extension"
        )
    known = "that this client trusts" if tls.authority is None else "of tls=TLS(authority=...)"
    if code == _SELF_SIGNED:
        return (
            f"the server's certificate is self-signed, and not one {known}; pass that certificate "
            f"itself as tls=TLS(authority='cert.pem') (--tls-authority)"
        )
    if code in _UNKNOWN_AUTHORITY:
        return (
            f"the server's certificate is not signed by an authority {known}; pass the certificate "
            f"of the authority that has signed it as tls=TLS(authority='ca.pem') (--tls-authority)"
        )
    return f"the server's certificate is refused: {error.verify_message}"


def _explain_host(where: Address, tls: TLS) -> str:
    """Return what names a certificate has instead of the host's."""
    context = _context(tls)
    context.check_hostname = False
    certificate: Any = None
    with contextlib.suppress(OSError), _handshake(where, context) as connected:
        certificate = connected.getpeercert()
    names = [value for _, value in (certificate or {}).get("subjectAltName", ())]
    make = f"make one with subjectAltName={_entry(where.host)}"
    if not names:
        return f"the server's certificate has no names of hosts (subjectAltName, SAN); {make}"
    listed = ", ".join(names[:_MAX_NAMES])
    return (
        f"the server's certificate is for {listed} and not for {where.host}; connect to one of "
        f"these names, or {make}"
    )


def _entry(host: str) -> str:
    with contextlib.suppress(ValueError):
        return f"IP:{ipaddress.ip_address(host)}"
    return f"DNS:{host}"


def _context(tls: TLS) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["h2"])  # A server of gRPC insists on it.
    load_trusted(context, tls)
    load_own(context, tls)
    return context


@contextlib.contextmanager
def _handshake(where: Address, context: ssl.SSLContext) -> Generator[ssl.SSLSocket, None, None]:
    with (
        socket.create_connection((where.host, where.port), _SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=where.host) as connected,
    ):
        yield connected
