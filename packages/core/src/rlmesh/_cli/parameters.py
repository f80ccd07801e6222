"""Arguments and options that several commands have."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Annotated

import typer

from rlmesh._cli.sources import UsageProblem
from rlmesh._transport.address import parse_address
from rlmesh.errors import AddressError
from rlmesh.options import TLS

__all__ = [
    "Address",
    "Authority",
    "Certificate",
    "Debug",
    "Json",
    "Key",
    "Seed",
    "Timeout",
    "Token",
    "read_address",
    "tls_of",
]

Address = Annotated[
    str,
    typer.Argument(
        metavar="ADDRESS",
        help="where it is served: host:port, tcp://..., grpcs://..., unix:///path, or a port",
        show_default=False,
    ),
]
Token = Annotated[
    str,
    typer.Option(
        envvar="RLMESH_TOKEN",
        help="bearer token (the variable keeps it out of lists of processes)",
        show_default=False,
    ),
]
Authority = Annotated[
    str | None,
    typer.Option(
        "--tls-authority", metavar="PEM", help="authority that the other end's certificate is of"
    ),
]
Certificate = Annotated[
    str | None,
    typer.Option("--tls-certificate", metavar="PEM", help="this end's own certificate"),
]
Key = Annotated[
    str | None,
    typer.Option("--tls-key", metavar="PEM", help="private key of --tls-certificate"),
]
Timeout = Annotated[
    float,
    typer.Option("--connect-timeout", help="seconds that connecting may take", min=0.1, max=86_400),
]
Seed = Annotated[
    int,
    typer.Option(help="seed of the first episode and of the actions", min=0, max=2**64 - 1),
]
Json = Annotated[
    bool, typer.Option("--json", help="write one JSON document to stdout, and nothing else there")
]
Debug = Annotated[bool, typer.Option("--debug", help="show tracebacks")]


def tls_of(authority: str | None, certificate: str | None, key: str | None) -> TLS | None:
    """What the options of TLS say; None: nothing.

    Raises:
        UsageProblem: If a certificate comes without its key, or a file cannot be read.
    """
    given = {"authority": authority, "certificate": certificate, "key": key}
    for name, path in given.items():
        try:
            Path(path or os.devnull).read_bytes()
        except OSError as error:
            raise UsageProblem(f"--tls-{name}: {path}: {error.strerror}") from None
    if (certificate is None) != (key is None):
        raise UsageProblem("--tls-certificate and --tls-key are given together, or neither is")
    if not any(given.values()):
        return None
    _read_certificates(**given)
    return TLS(**given)


def _read_certificates(authority: str | None, certificate: str | None, key: str | None) -> None:
    """Read them as TLS does: gRPC says of one that it cannot read that the address is in use."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # Whether a key is long enough is not asked here.
    words = f"--tls-authority: {authority}"
    try:
        if authority is not None:
            context.load_verify_locations(authority)
        words = "--tls-certificate and --tls-key"
        if certificate is not None:
            context.load_cert_chain(certificate, key, password="")  # Else it asks the terminal.
    except (ssl.SSLError, ValueError) as error:
        reason = (getattr(error, "reason", None) or "").replace("_", " ").lower()
        raise UsageProblem(f"{words}: {reason or 'not PEM, or damaged'}") from None


def read_address(text: str) -> str:
    """An address, as it is written.

    Raises:
        UsageProblem: If it is none.
    """
    try:
        parse_address(text)
    except AddressError as error:
        raise UsageProblem(error.message) from None
    return text
