"""The commands of `rlmesh`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from rlmesh._cli.bench import bench
from rlmesh._cli.evaluate import evaluate
from rlmesh._cli.inspect_command import inspect
from rlmesh._cli.play import play
from rlmesh._cli.serve import serve
from rlmesh._cli.serve_model import serve_model
from rlmesh._version import __version__

__all__ = ["app"]

app = typer.Typer(
    name="rlmesh",
    help="A contract between a model and the environment it is evaluated in.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rlmesh {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="print the version"),
    ] = False,
) -> None:
    """A contract between a model and the environment it is evaluated in."""


_COMMANDS: dict[str, Callable[..., None]] = {
    "serve": serve,
    "inspect": inspect,
    "play": play,
    "bench": bench,
    "eval": evaluate,
    "serve-model": serve_model,
}

for _name, _command in _COMMANDS.items():
    app.command(_name)(_command)
