"""Arguments and options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

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
    float, typer.Option("--connect-timeout", help="seconds that connecting may take", min=0.1)
]
Seed = Annotated[int, typer.Option(help="seed of the first episode and of the actions", min=0)]
Json = Annotated[
    bool, typer.Option("--json", help="write one JSON document to stdout, and nothing else there")
]
Debug = Annotated[bool, typer.Option("--debug", help="show tracebacks")]


def tls_of(authority: str | None, certificate: str | None, key: str | None) -> TLS | None:
    """What the options of TLS say; None: nothing.

    Raises:
        ValueError: If a certificate comes without its key.
    """
    if authority is None and certificate is None and key is None:
        return None
    return TLS(certificate=certificate, key=key, authority=authority)
