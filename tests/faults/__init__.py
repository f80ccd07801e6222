"""The fault bench: connections, processes and resources that fail, and nothing that is lost."""

from tests.faults.proxy import Proxy, between, cutting

__all__ = ["Proxy", "between", "cutting"]
