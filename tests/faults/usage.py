"""`Usage`: the resources that a process holds, as reported by Linux."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["Usage"]


class Usage:
    """What a process holds: threads, descriptors, and MB of memory."""

    def __init__(self, pid: int) -> None:
        status = Path(f"/proc/{pid}/status").read_text()
        fields = dict(line.split(":", 1) for line in status.splitlines())
        self.threads = int(fields["Threads"])
        self.memory = int(fields["VmRSS"].split()[0]) / 1024
        self.descriptors = len(os.listdir(f"/proc/{pid}/fd"))

    def __str__(self) -> str:
        return f"{self.threads} threads, {self.descriptors} descriptors, {self.memory:.0f} MB"
