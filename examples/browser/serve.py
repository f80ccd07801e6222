"""Serves an environment to the page beside this file, and the page itself.

Install the packages that the page imports into this folder first (packages/typescript/README.md):

    npm install ./rlmesh-proto-*.tgz ./rlmesh-client-*.tgz
    pip install "rlmesh-core[gymnasium,web]"
    python serve.py CartPole-v1

Then open http://127.0.0.1:8000/ in a browser.
"""

import argparse
import functools
import http.server
import threading
from pathlib import Path

import gymnasium

from rlmesh import EnvServer, ServeOptions

PAGES = functools.partial(
    http.server.SimpleHTTPRequestHandler, directory=str(Path(__file__).parent)
)


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser()
    parser.add_argument("env", nargs="?", default="CartPole-v1")
    parser.add_argument("--page-port", type=int, default=8000)
    parser.add_argument("--websocket-port", type=int, default=5556)
    given = parser.parse_args()
    with http.server.ThreadingHTTPServer(("127.0.0.1", given.page_port), PAGES) as pages:
        page = f"http://127.0.0.1:{pages.server_port}"
        threading.Thread(target=pages.serve_forever, daemon=True).start()
        options = ServeOptions(websocket_port=given.websocket_port, websocket_origins=[page])
        env = gymnasium.make(given.env, render_mode="rgb_array")
        server = EnvServer(env, "127.0.0.1:0", options=options)
        opened = f"{page}/?address={server.websocket_address}"
        server.serve(on_ready=lambda: print(opened, flush=True))


if __name__ == "__main__":
    main()
