"""The exceptions in an environment that come from the user of the server, such as Ctrl-C."""

from __future__ import annotations

import threading

__all__ = ["is_server_interrupt"]


def is_server_interrupt(error: BaseException) -> bool:
    """Return whether it is Ctrl-C, which Python raises in the main thread, whatever that is doing.

    Whatever else comes out of an environment, SystemExit and asyncio's CancelledError too, is the
    environment's own: it would end a thread that others need.
    """
    return (
        isinstance(error, KeyboardInterrupt)
        and threading.current_thread() is threading.main_thread()
    )
