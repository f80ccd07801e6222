"""The fault bench: connections, processes and resources that fail, and nothing that is lost."""

from tests.faults.proxy import FramesProxy, Proxy

__all__ = ["FramesProxy", "Proxy"]
