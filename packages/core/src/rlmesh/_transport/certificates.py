"""The certificates of a `TLS`: read from files or memory, and loaded into Python's `ssl`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

from rlmesh.errors import AddressError
from rlmesh.options import TLS, Pem

if TYPE_CHECKING:
    import ssl

__all__ = ["load_own", "load_trusted", "pem", "with_certificate"]


def pem(source: Pem) -> bytes | None:
    """Return the bytes of a PEM; raises OSError if its file cannot be read."""
    return source if source is None or isinstance(source, bytes) else Path(source).read_bytes()


def with_certificate(tls: TLS | None, scheme: str) -> TLS:
    """Return the `TLS` of a server.

    Args:
        tls: The certificates; None: none are given.
        scheme: Scheme of the server's address, for the message.

    Raises:
        AddressError: If there is no certificate with its key.
    """
    if tls is None or tls.certificate is None or tls.key is None:
        raise AddressError(
            f"a {scheme}:// server needs tls=TLS(certificate=..., key=...) (--tls-certificate, "
            f"--tls-key)"
        )
    return tls


def load_own(context: ssl.SSLContext, tls: TLS) -> None:
    """Load this end's certificate and key; the ssl module reads only files."""
    certificate, key = tls.certificate, tls.key
    if certificate is None or key is None:
        return
    if not isinstance(certificate, bytes) and not isinstance(key, bytes):
        context.load_cert_chain(certificate, key)
        return
    with _as_file((pem(certificate) or b"") + b"\n" + (pem(key) or b"")) as path:
        context.load_cert_chain(path)


def load_trusted(context: ssl.SSLContext, tls: TLS) -> None:
    """Load the authorities that a client trusts, with the rules of gRPC, which has no others.

    A trusted certificate need not be the root of a chain, and extensions that RFC 5280 requires may
    be missing. From Python 3.13 on, `ssl.create_default_context` refuses the second, and before
    that `ssl` refuses the first.
    """
    import ssl

    authority = pem(tls.authority)
    if authority is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(cadata=authority.decode())
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT


@contextlib.contextmanager
def _as_file(data: bytes) -> Generator[str, None, None]:
    """Yield the path of a file that only this process reads: in memory, if the system can."""
    if hasattr(os, "memfd_create"):
        with open(os.memfd_create("rlmesh-tls"), "wb") as memory:
            memory.write(data)
            memory.flush()
            yield f"/proc/self/fd/{memory.fileno()}"
        return
    import tempfile  # Few systems need it, and it would be a part of every client's imports.

    descriptor, path = tempfile.mkstemp()
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        yield path
    finally:
        os.unlink(path)
