"""Serve a registered Gymnasium environment: `python -m rlmesh._cli.serve_env`.

It uses argparse and nothing else, because containers start it.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlmesh import ServeOptions

__all__ = ["main", "write_ready_fd"]


def write_ready_fd(fd: int, address: str) -> None:
    """Tell on a file descriptor that an endpoint is ready: one line, its address; then close it.

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
        Exit status: 0 after a clean stop, 2 where the environment or address is wrong.
    """
    options = _parser().parse_args(arguments)
    from rlmesh import EnvServer
    from rlmesh.errors import RLMeshError

    try:
        env = _make(options.env, json.loads(options.kwargs), options.render_mode)
        server = EnvServer(
            env,
            options.address,
            token=os.environ.get("RLMESH_TOKEN", ""),
            options=_serve_options(options.validation),
            expose=options.expose,
        )
    except (RLMeshError, ImportError, TypeError, ValueError) as error:
        print(f"serve_env: {error}", file=sys.stderr)
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
        help="registered Gymnasium id (CartPole-v1), or module:callable that makes an environment",
    )
    parser.add_argument(
        "--address", default="127.0.0.1:0", help="where to listen (default: %(default)s)"
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
    return parser


def _serve_options(validation: str | None) -> ServeOptions:
    """The options of the `RLMESH_...` variables, and of the command line."""
    from rlmesh import ServeOptions

    given = {} if validation is None else {"validation": validation}
    return ServeOptions.from_environment(**given)


def _make(name: str, kwargs: dict[str, Any], render_mode: str | None) -> Any:
    if render_mode is not None:
        kwargs = {**kwargs, "render_mode": render_mode}
    module, separator, attribute = name.partition(":")
    if separator and "/" not in module and not attribute.rpartition("-v")[2].isdigit():
        sys.path.insert(0, os.getcwd())
        return getattr(importlib.import_module(module), attribute)(**kwargs)
    try:
        from rlmesh_numpy import make_env
    except ImportError as error:
        if error.name != "rlmesh_numpy":
            raise
        raise ImportError(
            f'making {name} needs Gymnasium: pip install "rlmesh-core[gymnasium]"'
        ) from error
    return make_env(name, **kwargs)


if __name__ == "__main__":
    sys.exit(main())
