"""`.venv/bin/python -m tools.site.picture`: play a run, and write its summary as docs/run.svg."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI

import rlmesh

from ..pythons import REPOSITORY

__all__ = ["drawn", "main"]

PICTURE = Path("docs/run.svg")
TITLE = "rlmesh eval policy:balance --suite suite.toml"
WIDTH = 100
"""Width of the terminal that is drawn, in characters."""

# Without the fonts of the format, which would be loaded from another host.
FORMAT = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


def main(root: Path = REPOSITORY) -> int:
    """Play the run and write the picture."""
    (root / PICTURE).write_text(drawn(_played()), encoding="utf-8")
    print(PICTURE)
    return 0


def drawn(result: rlmesh.RunResult) -> str:
    """Return a result as a terminal shows it, as SVG that loads nothing."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(result)
    svg = console.export_svg(title=TITLE, theme=DIMMED_MONOKAI, code_format=FORMAT)
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    return re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE)


def balance(observation: Any) -> int:
    """Push the cart to the side that the pole falls to."""
    return int(observation[2] + observation[3] > 0)


def _played() -> rlmesh.RunResult:
    """Return a run of two tasks: starts near the middle of the rail, and far from it."""
    with rlmesh.EnvServer(factory=lambda: gym.make("CartPole-v1"), max_sessions=4) as server:
        tasks = {
            name: rlmesh.Task(
                [server.address] * 2,
                [rlmesh.Episode(seed, options={"low": -far, "high": far}) for seed in range(6)],
            )
            for name, far in (("near", 0.05), ("far", 0.19))
        }
        return rlmesh.evaluate(balance, tasks, success=balanced)


def balanced(infos: Sequence[Mapping[Any, Any]]) -> bool:
    """Return whether an episode had every step that it may have."""
    return len(infos) == 500


if __name__ == "__main__":
    sys.exit(main())
