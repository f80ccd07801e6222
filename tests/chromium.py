"""A headless Chromium that a test drives, by the DevTools protocol over two pipes."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["Chromium", "chromium", "find_chromium"]

DEADLINE = 60.0
"""Seconds within which the browser answers."""

# Chromium reads requests from descriptor 3 and writes answers to 4.
_LAUNCH = """
import fcntl, os, sys
read, write = (fcntl.fcntl(int(fd), fcntl.F_DUPFD, 10) for fd in sys.argv[1:3])
os.dup2(read, 3); os.dup2(write, 4); os.close(read); os.close(write)
os.execv(sys.argv[3], sys.argv[3:])
"""


def find_chromium() -> str | None:
    """Return the program; None if it is not installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Chromium:
    """A page of a browser.

    Attributes:
        told: Messages of the console and the log of the page, such as errors.
        saved: Number of downloads that are complete.
    """

    def __init__(self, requests: int, answers: int) -> None:
        self.told: list[str] = []
        self.saved = 0
        self._requests, self._answers = requests, answers
        self._session: str | None = None
        self._last = 0
        self._rest = b""
        page = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=page, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        """Call a method of the protocol; return its result."""
        self._last += 1
        request = {"id": self._last, "method": method, "params": parameters}
        if self._session is not None:
            request["sessionId"] = self._session
        os.write(self._requests, json.dumps(request).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._last:
                assert "error" not in answer, answer
                return answer["result"]

    def evaluate(self, script: str) -> Any:
        """Return the value of an expression in the page."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def open(self, path: Path, width: int, *, dark: bool = False) -> None:
        """Open a file in a window of a width in pixels."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=800,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url=path.as_uri())
        self.wait_until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def wait_until(self, condition: str) -> None:
        """Wait until an expression is true in the page."""
        end = time.monotonic() + DEADLINE
        while not self.evaluate(condition):
            assert time.monotonic() < end, condition
            time.sleep(0.05)

    def _next(self) -> Any:
        while b"\0" not in self._rest:
            data = os.read(self._answers, 1 << 20)
            assert data, "the browser has ended"
            self._rest += data
        message, _, self._rest = self._rest.partition(b"\0")
        answer = json.loads(message)
        self._note(answer.get("method", ""), answer.get("params", {}))
        return answer

    def _note(self, event: str, facts: Any) -> None:
        if event in ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"):
            self.told.append(json.dumps(facts))
        elif event == "Browser.downloadProgress" and facts["state"] == "completed":
            self.saved += 1


@contextlib.contextmanager
def chromium(program: str, folder: Path) -> Iterator[Chromium]:
    """Start a browser with its profile in a folder; end it afterwards."""
    there, requests = os.pipe()
    answers, back = os.pipe()
    words = ["--headless", "--remote-debugging-pipe", f"--user-data-dir={folder}", "--disable-gpu"]
    words += ["--disable-background-networking", "--no-first-run", "--disable-dev-shm-usage"]
    if os.geteuid() == 0:
        words.append("--no-sandbox")  # Chromium refuses its sandbox to root.
    process = subprocess.Popen(
        [sys.executable, "-c", _LAUNCH, str(there), str(back), program, *words],
        pass_fds=(there, back),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(there)
    os.close(back)
    try:
        browser = Chromium(requests, answers)
        yield browser
    finally:
        process.kill()
        process.wait(DEADLINE)
        os.close(requests)
        os.close(answers)
