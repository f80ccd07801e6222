"""Arguments and options that several commands share."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Annotated

import typer

from rlmesh._cli.logs import LEVEL_HELP
from rlmesh._cli.sources import UsageProblem
from rlmesh._log_output import LOG_FORMAT_VARIABLE, LOG_VARIABLE
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
    "LogFormat",
    "LogLevel",
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
        help="address of the endpoint: host:port, tcp://..., grpcs://..., unix:///path, "
        "frames://..., framess://..., frames+unix:///path, or a port",
        show_default=False,
    ),
]
Token = Annotated[
    str,
    typer.Option(
        envvar="RLMESH_TOKEN",
        help="bearer token (the variable keeps it out of process lists)",
        show_default=False,
    ),
]
Authority = Annotated[
    str | None,
    typer.Option("--tls-authority", metavar="PEM", help="authority of the other end's certificate"),
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
LogLevel = Annotated[
    str | None,
    typer.Option(
        envvar=LOG_VARIABLE,
        help=f"log to stderr from this level on: {LEVEL_HELP}",
        show_default="info for a server, otherwise warning",
    ),
]
LogFormat = Annotated[
    str | None,
    typer.Option(
        envvar=LOG_FORMAT_VARIABLE, help="text or json, one object a line", show_default="text"
    ),
]


def tls_of(authority: str | None, certificate: str | None, key: str | None) -> TLS | None:
    """Return the certificates that the options of TLS name, or None without options.

    Raises:
        UsageProblem: If a certificate or its key is missing, or a file cannot be read.
    """
    given = {"authority": authority, "certificate": certificate, "key": key}
    for name, path in given.items():
        try:
            Path(path or os.devnull).read_bytes()
        except OSError as error:
            raise UsageProblem(f"--tls-{name}: {path}: {error.strerror}") from None
    if (certificate is None) != (key is None):
        raise UsageProblem("--tls-certificate and --tls-key need each other")
    if not any(given.values()):
        return None
    _read_certificates(**given)
    return TLS(**given)


def _read_certificates(authority: str | None, certificate: str | None, key: str | None) -> None:
    """Read the files as TLS does, because gRPC reports a bad file as an address in use."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # The length of the key is not checked here.
    options = f"--tls-authority: {authority}"
    try:
        if authority is not None:
            context.load_verify_locations(authority)
        options = "--tls-certificate and --tls-key"
        if certificate is not None:
            # Without a password, OpenSSL would ask for one on the terminal.
            context.load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, ValueError) as error:
        reason = (getattr(error, "reason", None) or "").replace("_", " ").lower()
        raise UsageProblem(f"{options}: {reason or 'not PEM, or damaged'}") from None


def read_address(text: str) -> str:
    """Return an address as it is written.

    Raises:
        UsageProblem: If the text is not an address.
    """
    try:
        parse_address(text)
    except AddressError as error:
        raise UsageProblem(error.message) from None
    return text
