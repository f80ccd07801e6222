"""Addresses that a host listens on: frames://, framess:// and frames+unix://."""

import os
import socket
import ssl
import stat
from typing import Any, Tuple

from rlmesh_thin.faults import INTERNAL, Fault

__all__ = ["is_local", "listen", "tls_context"]

TCP, TLS, UNIX = "frames://", "framess://", "frames+unix://"


def _refused(address: str, reason: str) -> Fault:
    return Fault(INTERNAL, "cannot listen on %s: %s" % (address, reason))


def is_local(address: str) -> bool:
    """Return whether only clients of this host reach an address."""
    host = address.partition("://")[2].rpartition(":")[0].strip("[]")
    return address.startswith(UNIX) or host in ("localhost", "::1") or host.startswith("127.")


def listen(address: str) -> Tuple[socket.socket, str]:
    """Return a socket that listens on an address, and the address with the port that it has.

    Raises:
        Fault: If it cannot; names the address.
    """
    try:
        if address.startswith(UNIX):
            return _listen_unix(address, address[len(UNIX) :]), address
        scheme = next((s for s in (TCP, TLS) if address.startswith(s)), "")
        host, _, port = address[len(scheme) :].rpartition(":")
        if not scheme or not host or not port.isdigit():
            forms = "%sHOST:PORT, %sHOST:PORT or %s/PATH" % (TCP, TLS, UNIX)
            raise _refused(address, "expected %s" % forms)
        family, kind, _, _, where = socket.getaddrinfo(
            host.strip("[]"), int(port), type=socket.SOCK_STREAM
        )[0]
        listener = socket.socket(family, kind)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen(128)
    except (OSError, OverflowError) as error:
        raise _refused(address, str(error)) from None
    return listener, "%s%s:%d" % (scheme, host, listener.getsockname()[1])


def _listen_unix(address: str, path: str) -> socket.socket:
    if not os.path.isabs(path):
        raise _refused(address, "expected an absolute path")
    if os.path.lexists(path):
        probe = socket.socket(socket.AF_UNIX)
        try:
            if not stat.S_ISSOCK(os.lstat(path).st_mode):
                raise _refused(address, "something that is no socket is there already")
            probe.settimeout(1.0)
            probe.connect(path)
            raise _refused(address, "another server listens there")
        except ConnectionRefusedError:
            os.unlink(path)  # Of a server that is gone.
        except BlockingIOError:
            raise _refused(address, "another server listens there, with a full queue") from None
        finally:
            probe.close()
    listener = socket.socket(socket.AF_UNIX)
    umask = os.umask(0o177)
    try:
        listener.bind(path)
    finally:
        os.umask(umask)
    listener.listen(128)
    return listener


def tls_context(certificate: str, key: str, authority: str) -> Any:
    """Return the context of TLS of a server; with an authority, clients need certificates of it.

    Raises:
        Fault: If a file cannot be used; names them.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Without it, OpenSSL 3 cannot send a farewell after `shut` has ended the wait for a frame.
    context.options |= getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    if hasattr(ssl, "TLSVersion"):
        context.minimum_version = ssl.TLSVersion.TLSv1_2
    else:  # Python 3.6
        context.options |= ssl.OP_NO_TLSv1 | ssl.OP_NO_TLSv1_1
    try:
        context.load_cert_chain(certificate, key or None)
        if authority:
            context.load_verify_locations(authority)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        files = ", ".join(filter(None, (certificate, key, authority)))
        raise Fault(INTERNAL, "TLS: cannot use %s: %s" % (files, error)) from None
    return context
