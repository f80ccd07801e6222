"""Forks of a process that has used gRPC; on Linux, Python before 3.14 forks its worker processes.

gRPC cannot be used in such a child: a call may hang for ever, also if every channel of the parent
was closed before (measured with grpcio 1.85: 6 of 24 children, and every one beside an open channel
or a server). gRPC's own fork support is no way out; see `rlmesh._transport`.
"""

from __future__ import annotations

import os

__all__ = ["use"]

_used = False
"""Whether this process has made a channel or a server."""

_broken = False
"""Whether a process that this one was forked from had."""


def use() -> None:
    """Record that this process makes a channel or a server.

    Raises:
        RuntimeError: If gRPC cannot be used, because this process was forked from one that did.
    """
    global _used
    _used = True
    if _broken:
        raise RuntimeError(
            "this process was forked from one that has used gRPC, and would hang; start it with "
            "'spawn': multiprocessing.get_context('spawn'), AsyncVectorEnv(context='spawn'), "
            "SubprocVecEnv(start_method='spawn'), DataLoader(multiprocessing_context='spawn')"
        )


def _forked() -> None:
    global _broken, _used
    _broken, _used = _broken or _used, False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
