"""Runs notebooks in a real kernel each, and prints what their cells print and raise as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from queue import Empty
from typing import Any

from jupyter_client.manager import start_new_kernel  # pants: no-infer-dep


def printed_by(client: Any, code: str) -> str:
    """Run a cell; return what it prints, and the exception that it raises."""
    request = client.execute(code)
    text = ""
    while True:
        try:
            message = client.get_iopub_msg(timeout=120)
        except Empty:
            raise TimeoutError(code) from None
        if message["parent_header"].get("msg_id") != request:
            continue
        kind, content = message["msg_type"], message["content"]
        if kind == "status" and content["execution_state"] == "idle":
            return text
        if kind == "stream" and content["name"] == "stdout":
            text += content["text"]
        elif kind == "error":
            text += f"{content['ename']}: {content['evalue']}"


def main() -> None:
    """Print the texts of the code cells of each notebook."""
    found: dict[str, list[str]] = {}
    for name in sys.argv[1:]:
        cells = json.loads(Path(name).read_text(encoding="utf-8"))["cells"]
        code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        manager, client = start_new_kernel(kernel_name="python3")
        try:
            found[Path(name).name] = [printed_by(client, source) for source in code]
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
    print("RESULT" + json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
