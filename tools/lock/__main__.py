"""`python3 -m tools.lock`: compile requirements/*.in to *.txt, with hashes, for every platform."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from ..pythons import REPOSITORY, SUPPORTED, fresh_venv, pip_install

__all__ = ["main"]

UV = "uv==0.13.8"
VENV = REPOSITORY / "build" / "lock-venv"

# In this order: a file with base.txt as its constraints follows it; pants.in uses pex.txt.
FILES = (
    "codegen",
    "base",
    "dev",
    "sb3",
    "trackers",
    "notebook",
    "docs",
    "fuzz",
    "floor-oldest",
    "floor-protobuf5",
    "floor-protobuf6",
    "floor-newest",
    "pex",
    "pants",
    "peers-dm-env-rpc",
    "peers-grpcio",
    "peers-gymnasium",
    "peers-openenv",
    "peers-plot",
    "peers-ray",
    "peers-rlmesh-0.1.0",
    "peers-this-project",
    "peers-websockets",
)

# Files that are compiled for a Python other than the oldest supported one.
PYTHONS = {"pants": "3.9"}

# No address, path or date is written, so that every machine produces the same file.
OPTIONS = (
    "--universal",
    "--generate-hashes",
    "--no-header",
    "--no-annotate",
    "--no-strip-extras",
    "--no-emit-index-url",
    "--no-emit-find-links",
    "--no-config",
    "--quiet",
)


def main(arguments: list[str] | None = None) -> int:
    """Compile the named files, or all."""
    parser = argparse.ArgumentParser(prog="python3 -m tools.lock", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(FILES))
    parser.add_argument("--upgrade", action="store_true", help="the newest of everything")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(FILES))
    if unknown:
        parser.error(f"no such file: {', '.join(unknown)}; expected {', '.join(FILES)}")
    uv = _uv()
    for name in options.names or FILES:
        _compile(uv, name, upgrade=options.upgrade)
        print(f"requirements/{name}.txt")
    return 0


def _uv() -> Path:
    uv = VENV / "bin" / "uv"
    wanted = UV.replace("==", " ")
    if uv.is_file():
        found = subprocess.run([uv, "--version"], capture_output=True, text=True, check=False)
        if found.stdout.startswith(wanted):
            return uv
    pip_install(fresh_venv(sys.executable, VENV), [UV])
    return uv


def _compile(uv: Path, name: str, *, upgrade: bool) -> None:
    python = PYTHONS.get(name, SUPPORTED[0])
    command = [str(uv), "pip", "compile", *OPTIONS, "--python-version", python]
    if upgrade:
        command.append("--upgrade")
    if name == "sb3":
        command.append("--no-deps")
    command += [f"requirements/{name}.in", "--output-file", f"requirements/{name}.txt"]
    subprocess.run(command, check=True, cwd=REPOSITORY)


if __name__ == "__main__":
    sys.exit(main())
