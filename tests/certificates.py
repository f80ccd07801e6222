"""Certificates for tests of TLS; a test that asks for one is skipped if trustme is missing."""

from __future__ import annotations

from typing import Any

import pytest

from rlmesh import TLS

__all__ = ["issued", "new_authority"]


def new_authority() -> Any:
    """Return a new certificate authority."""
    trustme: Any = pytest.importorskip("trustme")
    return trustme.CA()


def issued(authority: Any, *names: str) -> TLS:
    """Return the certificate of a server on this host, or of another host or client."""
    leaf = authority.issue_cert(*(names or ("localhost", "127.0.0.1")))
    chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
    return TLS(certificate=chain, key=leaf.private_key_pem.bytes())
