"""Measures what several clients play at once, in a thread each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["seconds_together"]


def seconds_together(play: Callable[[Any], object], clients: Sequence[Any]) -> float:
    """Return the seconds in which all clients have played, each in a thread of its own."""
    threads = [threading.Thread(target=play, args=(client,)) for client in clients]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - begun
