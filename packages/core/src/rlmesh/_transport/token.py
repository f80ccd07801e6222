"""Bearer tokens: their form, and the check whether a client has sent the right one."""

from __future__ import annotations

import hmac
import re

from rlmesh._logs import facts, logger

__all__ = ["WRONG_TOKEN", "admits", "check_token", "log_wrong_token"]

_log = logger("rlmesh.server")

WRONG_TOKEN = "Y-1: this endpoint asks for a token; none or a wrong one came"
"""Message to a client that is refused; the same one in both cases (Y-1)."""

_TOKEN = re.compile(r"[\x21-\x7e]{1,4096}")


def check_token(token: str) -> str:
    """Return a token that may travel (Y-3); empty: none.

    Raises:
        ValueError: If the text is not a token; the message does not contain the text.
    """
    if token and _TOKEN.fullmatch(token) is None:
        raise ValueError(
            f"a token is up to 4096 visible ASCII characters without spaces; this one has "
            f"{len(token)} characters, or others"
        )
    return token


def admits(token: bytes, authorization: str) -> bool:
    """Return whether the value of an `authorization` header shows the token; in constant time."""
    scheme, _, value = authorization.partition(" ")
    right = hmac.compare_digest(value.encode(), token)
    return right and scheme.lower() == "bearer"


def log_wrong_token(peer: str) -> None:
    """Log that a client is refused; without what it has sent, which may be a mistyped secret.

    Args:
        peer: Network peer.
    """
    _log.warning(
        "refused a client (%s): no token, or a wrong one",
        peer,
        extra=facts("refused", peer=peer, reason="unauthenticated"),
    )
