"""The commands of `rlmesh`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from rlmesh._cli.adapt import adapt
from rlmesh._cli.bench import bench
from rlmesh._cli.check import check
from rlmesh._cli.console import refuse
from rlmesh._cli.evaluate import evaluate
from rlmesh._cli.inspect_command import inspect
from rlmesh._cli.merge import merge
from rlmesh._cli.play import play
from rlmesh._cli.report import compare, report
from rlmesh._cli.rerun import rerun
from rlmesh._cli.serve import serve
from rlmesh._cli.serve_model import serve_model
from rlmesh._cli.thin import thin
from rlmesh._cli.top import top
from rlmesh._version import __version__

__all__ = ["app"]


class _Commands(TyperGroup):
    """A group of commands with a JSON document even for a bad command line, if it has `--json`."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Parse the options before a command's name."""
        with _documented():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """Parse the command's own options, and run it."""
        with _documented():
            return super().invoke(ctx)


@contextmanager
def _documented() -> Generator[None, None, None]:
    try:
        yield
    except Exception as error:
        # Depending on the release, these errors are typer's own or click's; both have this method.
        message = getattr(error, "format_message", None)
        if message is not None and "--json" in sys.argv:
            refuse(message())
        raise


app = typer.Typer(
    cls=_Commands,
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
    "adapt": adapt,
    "play": play,
    "bench": bench,
    "eval": evaluate,
    "serve-model": serve_model,
    "report": report,
    "compare": compare,
    "thin": thin,
    "merge": merge,
    "rerun": rerun,
    "check": check,
    "top": top,
}

for _name, _command in _COMMANDS.items():
    app.command(_name)(_command)
