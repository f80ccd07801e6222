"""Runs the cells of notebooks, in a real kernel each, and prints what the kernels send as JSON.

Its argument is a file of JSON: the code of the cells of each notebook, by the notebook's name.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from queue import Empty
from typing import Any

from jupyter_client.manager import start_new_kernel  # pants: no-infer-dep


def messages_of(client: Any, code: str) -> list[dict[str, Any]]:
    """Run a cell, and return the messages that it made, without those on its state."""
    request = client.execute(code)
    found = []
    while True:
        try:
            message = client.get_iopub_msg(timeout=120)
        except Empty:
            raise TimeoutError(code) from None
        if message["parent_header"].get("msg_id") != request:
            continue
        kind, content = message["msg_type"], message["content"]
        if kind == "status" and content["execution_state"] == "idle":
            return found
        if kind not in ("status", "execute_input"):
            found.append({"kind": kind, **content})


def main() -> None:
    """Print the messages of each cell of each notebook."""
    found: dict[str, list[list[dict[str, Any]]]] = {}
    for name, cells in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")).items():
        manager, client = start_new_kernel(kernel_name="python3")
        try:
            found[name] = [messages_of(client, code) for code in cells]
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
    print("RESULT" + json.dumps(found, default=str), flush=True)


if __name__ == "__main__":
    main()
