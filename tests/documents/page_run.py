"""Runs the blocks of a page in order, as its reader does."""

from __future__ import annotations

import re
import shlex
import socket
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from rlmesh._server.base import BaseServer
from tests.documents.blocks import Block
from tests.integration.cli_processes import COMMAND
from tests.processes import ROOT, finished, running

__all__ = ["PageRun", "on_free_ports"]

PORTS = re.compile(r"\b(?:5555|5556|6666|9464)\b")
"""The ports of the pages; the machine may have other uses for them."""

FILE = re.compile(r"[\w./-]+\.(?:csv|html|journal|json|jsonl|toml)")
SERVERS = ("serve", "serve-model")


class PageRun:
    """One reading of a page: the names and servers of its blocks, and a folder for its files.

    `with` stops the servers. A server that a block of Python would serve until it is stopped is
    started instead, so that the next blocks can play it.
    """

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._names: dict[str, Any] = {"__name__": "page"}
        self._ports: dict[str, int] = {}
        self._stack = ExitStack()
        self._modules = set(sys.modules)
        patch.chdir(folder)
        patch.syspath_prepend(str(folder))

    def __enter__(self) -> PageRun:
        return self

    def __exit__(self, *_: object) -> None:
        for value in list(self._names.values()):
            if isinstance(value, BaseServer):
                value.shutdown()
        self._stack.close()
        for name in set(sys.modules) - self._modules:
            if getattr(sys.modules[name], "__file__", None) == str(self._folder / f"{name}.py"):
                del sys.modules[name]

    def run(self, block: Block) -> None:
        """Run a block, or write it to its file."""
        text = on_free_ports(block.text, self._ports)
        if block.title:
            (self._folder / block.title).write_text(text)
        elif block.language == "bash":
            for line in re.sub(r"\\\n", "", text).splitlines():
                self._command(shlex.split(line, comments=True))
        else:
            assert block.language == "python", f"{block.page}: {block.language} needs a test"
            text = text.replace(".serve()", ".start()")
            where = f"{block.page}, line {block.line}"
            exec(compile("\n" * (block.line - 1) + text, where, "exec"), self._names)  # noqa: S102

    def _command(self, words: list[str]) -> None:
        match words:
            case []:
                pass
            case ["pip", "install", *packages]:
                check_packages(packages)
            case ["make", target]:
                assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
            case ["rlmesh", name, *_] if name in SERVERS:
                path = str(self._folder)
                server = self._stack.enter_context(running([*COMMAND, *words[1:]], PYTHONPATH=path))
                server.wait_for(r"serving .* on ")
            case ["rlmesh", *arguments]:
                self._finished(arguments)
            case _:
                raise AssertionError(f"no test runs the command {words}")

    def _finished(self, arguments: list[str]) -> None:
        output = ""
        if ">" in arguments:
            *arguments, _, output = arguments
        placed = [str(self._folder / x) if FILE.fullmatch(x) else x for x in arguments]
        done = finished([*COMMAND, *placed], PYTHONPATH=str(self._folder))
        assert done.returncode == 0, (arguments, done.stderr)
        if output:
            (self._folder / output).write_text(done.stdout)


def check_packages(words: list[str]) -> None:
    """Fail if a package of ours, or an extra of it, does not exist."""
    projects = (ROOT / "packages").glob("*/pyproject.toml")
    texts = {re.findall(r'^name = "(.*)"', x.read_text(), re.M)[0]: x.read_text() for x in projects}
    for word in words:
        name, _, extras = word.rstrip("]").partition("[")
        if name.startswith("rlmesh"):
            table = texts[name].partition("[project.optional-dependencies]")[2].partition("\n[")[0]
            known = set(re.findall(r"^(\w+) = ", table, re.MULTILINE))
            assert set(filter(None, extras.split(","))) <= known, word


def on_free_ports(text: str, ports: dict[str, int]) -> str:
    """Return a text with free ports in place of those of the pages, the same ones in each text."""

    def port(match: re.Match[str]) -> str:
        if match[0] not in ports:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                ports[match[0]] = free.getsockname()[1]
        return str(ports[match[0]])

    return PORTS.sub(port, text)
