"""`SingleInstance`: the one environment that a server was given, for one session after another."""

from __future__ import annotations

from rlmesh._hosting.player import HostedEnv
from rlmesh._hosting.thread import EnvThread, Stream
from rlmesh._wire import messages as m

__all__ = ["SingleInstance"]


class SingleInstance:
    """Plays requests on an environment that belongs to a thread.

    Args:
        hosted: The environment.
        thread: Its thread.
    """

    capacity = 1

    def __init__(self, hosted: HostedEnv, thread: EnvThread) -> None:
        self._hosted = hosted
        self._thread = thread
        self._held = False

    def take(self) -> SingleInstance:
        """See `Instances`: itself, which is given to one session at a time."""
        self._held = True
        return self

    def play(self, body: m.RequestBody) -> m.Reply:
        """See `Instance`."""
        return self._thread.call(self._hosted.play, body)

    def release(self) -> None:
        """See `Instance`."""
        self._held = False

    def offer(self, stream: Stream) -> bool:
        """Lend the thread to a stream, unless another one's session needs it; see `StreamHost`."""
        return not self._held and self._thread.offer(stream)
