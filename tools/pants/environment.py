"""The environment that Pants runs in: a venv, and the one-file PEX that Pants calls."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import tempfile
from pathlib import Path

from ..pythons import REPOSITORY, find_python, fresh_venv, made_once, pip_install

__all__ = ["PYTHON", "PantsError", "environment", "pants_program", "pex_tool"]

# The only Python that has wheels of Pants 2.17.1.
PYTHON = "3.9"
VENV = REPOSITORY / "build" / "pants-venv"
REQUIREMENTS = REPOSITORY / "requirements" / "pants.txt"

# Pythons that PEX 2.1.137 installs on; the resulting file is the same on each.
PEX_PYTHONS = (PYTHON, "3.11", "3.10")
PEX = REPOSITORY / "build" / "pants" / "pex"
PEX_REQUIREMENTS = REPOSITORY / "requirements" / "pex.txt"


class PantsError(Exception):
    """Pants cannot be installed here; the message names what is missing."""


def pants_program() -> Path:
    """Return the `pants` program of a pinned venv, which is made on first use.

    Raises:
        PantsError: If this machine has no Python 3.9.
    """
    python = find_python(PYTHON)
    if python is None:
        raise PantsError(f"Pants runs on Python {PYTHON}; found none on PATH nor in ~/.pyenv")
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes() + python.encode()).hexdigest()
    with made_once(VENV, wanted) as needed:
        if needed:
            _install(python, VENV, REQUIREMENTS)
    return VENV / "bin" / "pants"


def pex_tool() -> Path:
    """Return the file that `[pex-cli]` of pants.toml names, built from PyPI's wheel on first use.

    Raises:
        PantsError: If no Python here can build it, or its digest is not the one in pants.toml.
    """
    wanted = _pinned_pex()
    with made_once(PEX.parent, wanted) as needed:
        if needed:
            _build_pex(PEX.parent)
            found = hashlib.sha256(PEX.read_bytes()).hexdigest()
            if found != wanted:
                raise PantsError(f"built {PEX} with sha256 {found}, pants.toml expects {wanted}")
    return PEX


def environment(python: Path) -> dict[str, str]:
    """Return the environment variables for Pants, with pip's configured indexes."""
    # A PYTHONPATH could put our modules before those of Pants.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    found = _pip_settings(python)
    indexes = found.get("index-url", "").split()
    more = found.get("extra-index-url", "").split()
    if indexes or more:
        # With a plus, Pants adds them to its default index.
        env["PANTS_PYTHON_REPOS_INDEXES"] = ("" if indexes else "+") + json.dumps(indexes + more)
    if "cert" in found:
        env["PANTS_CA_CERTS_PATH"] = found["cert"]
    return env


def _pip_settings(python: Path) -> dict[str, str]:
    """Return pip's settings: from its files, for all commands or installs, then from variables."""
    command = [str(python), "-m", "pip", "--disable-pip-version-check", "config", "list"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    settings = re.findall(r"^(:env:|global|install)\.([\w-]+)='(.*)'$", listed, re.MULTILINE)
    order = ("global", "install", ":env:")
    return {
        key: value.replace("\\n", " ")
        for _, key, value in sorted(settings, key=lambda setting: order.index(setting[0]))
    }


def _pinned_pex() -> str:
    """Return the digest in pants.toml, which is the same for every platform."""
    text = (REPOSITORY / "pants.toml").read_text()
    (digest,) = {match[1] for match in re.finditer(r"\|([0-9a-f]{64})\|", text)}
    return digest


def _build_pex(folder: Path) -> None:
    python = next((found for found in map(find_python, PEX_PYTHONS) if found is not None), None)
    if python is None:
        raise PantsError(f"PEX is built by Python {', '.join(PEX_PYTHONS)}; found none of them")
    pin = PEX_REQUIREMENTS.read_text().split()[0]
    with tempfile.TemporaryDirectory() as temporary:
        programs = _install(python, Path(temporary) / "venv", PEX_REQUIREMENTS)
        download = ["pip", "-qq", "download", "--require-hashes", "--no-deps", "-d", folder]
        build = ["pex", "--no-pypi", "-f", folder, pin, "-c", "pex", "-o", PEX]
        shebang = ["--python-shebang", "/usr/bin/env python3"]
        for words in ([*download, "-r", PEX_REQUIREMENTS], [*build, *shebang]):
            command = [str(word) for word in (programs / "python", "-m", *words)]
            subprocess.run(command, check=True, cwd=temporary)


def _install(python: str, folder: Path, requirements: Path) -> Path:
    """Make a venv of exactly these requirements; return the folder of its programs."""
    inside = fresh_venv(python, folder)
    pip_install(inside, ["--require-hashes", "--no-deps", "-r", requirements])
    return inside.parent
