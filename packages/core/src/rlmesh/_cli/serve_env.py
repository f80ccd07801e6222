"""Serve a registered Gymnasium environment: `python -m rlmesh._cli.serve_env`.

It uses argparse and no other library for the command line, because containers start it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rlmesh._cli.logs import LEVEL_HELP, begin_log, note
from rlmesh._cli.sources import make_env, read_object
from rlmesh._log_output import LOG_FORMAT_VARIABLE, LOG_VARIABLE

if TYPE_CHECKING:
    from rlmesh import ServeOptions

__all__ = ["main", "serve_options", "write_ready_fd"]


def write_ready_fd(fd: int, address: str) -> None:
    """Write an endpoint's address to a descriptor as one line, as a sign of readiness; close it.

    Args:
        fd: The descriptor, open for writing.
        address: The resolved address, scheme included.

    Raises:
        OSError: If the descriptor cannot be written.
    """
    with os.fdopen(fd, "w", encoding="utf-8") as stream:
        stream.write(f"{address}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM.

    Args:
        arguments: The command line; None: that of the process.

    Returns:
        Exit status: 0 after a clean stop, 2 if the environment or address is wrong.
    """
    options = _parser().parse_args(arguments)
    from rlmesh import EnvServer
    from rlmesh.errors import RLMeshError

    try:
        begin_log(options.log_level, options.log_format, "warning")
        env = make_env(options.env, read_object(options.kwargs, "--kwargs"), options.render_mode)
        server = EnvServer(
            env,
            options.address,
            token=os.environ.get("RLMESH_TOKEN", ""),
            options=serve_options(options.validation),
            expose=options.expose,
        )
    except (RLMeshError, ImportError, TypeError, ValueError) as error:
        note(f"serve_env: {error}")
        return 2
    ready_fd: int | None = options.ready_fd
    print(f"serving {server.env_contract.id} on {server.address}", flush=True)
    server.serve(
        on_ready=None if ready_fd is None else lambda: write_ready_fd(ready_fd, server.address)
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m rlmesh._cli.serve_env", description="Serve an environment."
    )
    parser.add_argument(
        "--env",
        required=True,
        metavar="ID",
        help="registered Gymnasium id (CartPole-v1), module:id (ale_py:ALE/Pong-v5), or "
        "module:callable that makes an environment",
    )
    parser.add_argument(
        "--address", default="127.0.0.1:0", help="address to listen on (default: %(default)s)"
    )
    parser.add_argument(
        "--ready-fd",
        type=int,
        metavar="N",
        help="write the resolved address to this file descriptor once clients can connect",
    )
    parser.add_argument("--render-mode", help="render mode to make the environment with")
    parser.add_argument(
        "--kwargs", default="{}", metavar="JSON", help="arguments to make the environment with"
    )
    parser.add_argument(
        "--validation",
        choices=("off", "warn", "strict"),
        help="what to do with observations outside their space (default: RLMESH_VALIDATION, warn)",
    )
    parser.add_argument(
        "--expose",
        action="append",
        default=[],
        metavar="NAME",
        help="a method or attribute that clients may reach; may be given again",
    )
    _add_log_options(parser)
    return parser


def _add_log_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--log-level",
        default=os.environ.get(LOG_VARIABLE),
        help=f"log to stderr from this level on: {LEVEL_HELP} (default: {LOG_VARIABLE}, warning)",
    )
    parser.add_argument(
        "--log-format",
        default=os.environ.get(LOG_FORMAT_VARIABLE),
        help=f"text or json, one object a line (default: {LOG_FORMAT_VARIABLE}, text)",
    )


def serve_options(validation: str | None) -> ServeOptions:
    """Return the options of the `RLMESH_...` variables, and of the command line."""
    from rlmesh import ServeOptions

    given = {} if validation is None else {"validation": validation}
    return ServeOptions.from_environment(**given)


if __name__ == "__main__":
    sys.exit(main())
