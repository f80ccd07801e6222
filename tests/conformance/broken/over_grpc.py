"""Servers that break rules of the gRPC binding: §3."""

from __future__ import annotations

from typing import Any

import grpc

from tests.conformance.broken.grpc_front import SERVING, RightGrpc, RightGrpcToken
from tests.conformance.broken.registry import broken

CODE = grpc.StatusCode


def grpc_broken(rule: str, words: str, base: Any = RightGrpc, **changes: Any) -> None:
    broken(rule, words, base=base, **changes)


grpc_broken(
    "B-1",
    "answers an unknown method with INTERNAL",
    unknown_method=lambda self, m: CODE.INTERNAL if "NoSuch" in m else CODE.UNIMPLEMENTED,
)
grpc_broken(
    "B-11",
    "answers an unknown service with NOT_FOUND",
    unknown_method=lambda self, m: CODE.UNIMPLEMENTED if "NoSuch" in m else CODE.NOT_FOUND,
)
grpc_broken(
    "B-6",
    "has no health",
    check_health=lambda self, name: CODE.UNIMPLEMENTED,
    first="health-is-serving",
)
grpc_broken(
    "B-6",
    "serves the health of any name",
    check_health=lambda self, name: SERVING,
    first="health-of-another-name-is-unknown",
)
grpc_broken("B-7", "wants a token for its health", base=RightGrpcToken, open_methods=())
grpc_broken("Q-9", "waits for more of an empty stream", empty=lambda self, call: call.answers.get())
grpc_broken("R-8", "ends a replaced stream with OK", cut_status=CODE.OK)
grpc_broken("B-10", "ends a closed stream with CANCELLED", end_status=CODE.CANCELLED)
grpc_broken("K-8", "lets anybody shut it down", shutdown_status=b"")
grpc_broken(
    "B-4",
    "compares the scheme with case",
    base=RightGrpcToken,
    schemed=lambda self, scheme: scheme == "Bearer",
)


class OpenDescribe(RightGrpcToken):
    def permits(self, method: str, metadata: dict[str, str]) -> bool:
        return method.endswith("Describe") or super().permits(method, metadata)


class OpenSession(RightGrpcToken):
    def permits(self, method: str, metadata: dict[str, str]) -> bool:
        return method.endswith("Session") or super().permits(method, metadata)


grpc_broken("Y-1", "describes itself without a token", base=OpenDescribe)
grpc_broken(
    "Y-1", "opens sessions without a token", base=OpenSession, first="token-is-needed-for-a-session"
)
