"""The bundle of packages/thin: one file that needs nothing but Python 3.6 and NumPy.

The modules have twice the size that the file may have. So the protocol is packed, and the rest,
which a reader wants to see and perhaps to change, is there as text; both without types, and with
the first lines of the docstrings alone.
"""

from __future__ import annotations

import ast
import base64
import io
import re
import sys
import tokenize
import zlib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

__all__ = ["MAX_BYTES", "SOURCES", "TARGET", "bundle", "pack", "unpacked"]

ROOT = Path(__file__).resolve().parents[2]
NAME = "rlmesh_thin"
SOURCES = ROOT / "packages" / "thin" / "src" / NAME
TARGET = ROOT / "packages" / "core" / "src" / "rlmesh" / "_cli" / "thin_host.txt"

MAX_BYTES = 65_536
"""Max size of the bundle, in bytes."""

PACKED = (
    "_version",
    "address", "faults", "wire", "dtypes", "slabs", "spaces", "containers", "dynamic", "convert",
    "messages", "connection", "output", "servicer",
)  # fmt: skip
"""The modules of the protocol: bytes, messages, connections, spaces, values, and answers."""

INDENT = 2
"""Blanks a level in the bundle."""

WIDTH = 120
"""Max length of a line into which wrapped ones are joined."""

HEADER = '''\
#!/usr/bin/env python3
"""RLMesh's thin host, spec {version}: serves an environment over frames, on Python 3.6 and later.

It needs nothing but NumPy; `python host.py --help` prints the options. `make thin` makes this file
from packages/thin, which has types and all of the documentation.
"""
'''
LOADER = '''
# The protocol: messages, spaces, values, and answers to requests. It is packed, so that the file is
# short; `python host.py --print-protocol` prints it.
PROTOCOL = """
{packed}
"""
PROTOCOL = zlib.decompress(base64.b85decode(PROTOCOL.replace("\\n", ""))).decode()
if __name__ == "__main__" and sys.argv[1:] == ["--print-protocol"]:
  sys.stdout.write(PROTOCOL)
  sys.exit()
# Tracebacks show its lines.
linecache.cache["<protocol>"] = (len(PROTOCOL), None, PROTOCOL.splitlines(True), "<protocol>")
exec(compile(PROTOCOL, "<protocol>", "exec"))
'''
LOADER_IMPORTS = ("base64", "linecache", "sys", "zlib")

Cut = tuple[int, int, str]


def pack(text: str) -> str:
    """Return the lines that a text is packed into."""
    packed = base64.b85encode(zlib.compress(text.encode(), 9)).decode()
    return "\n".join(packed[at : at + WIDTH] for at in range(0, len(packed), WIDTH))


def unpacked(made: str) -> str:
    """Return a bundle with its protocol as text: releases of zlib pack it into different bytes."""
    head, _, rest = made.partition('PROTOCOL = """\n')
    packed, _, tail = rest.partition('"""\n')
    return head + zlib.decompress(base64.b85decode(packed.replace("\n", ""))).decode() + tail


def bundle(sources: Path = SOURCES) -> str:
    """Return the bundle of the modules in a folder.

    Raises:
        ValueError: If two modules have one top-level name, a module imports anything but the
            package, the standard library and NumPy, or the bundle is too large.
    """
    texts = {path.stem: path.read_text(encoding="utf-8") for path in sorted(sources.glob("*.py"))}
    del texts["__init__"]
    trees = {name: ast.parse(text) for name, text in texts.items()}
    imports = {f"import {name}" for name in LOADER_IMPORTS}
    graph = {}
    for name, tree in trees.items():
        graph[name], outside = _imports(name, tree)
        imports |= outside
    _check_names(trees)
    order = list(_ordered(graph))
    packed = [name for name in order if name in PACKED]
    if any(not graph[name] <= set(PACKED) for name in packed):
        raise ValueError("a packed module imports one that is not packed")
    protocol = "\n\n".join(_section(name, *_shortened(texts[name], trees[name])) for name in packed)
    (version,) = re.findall(r'__version__ = "(.*)"', texts["_version"])
    parts = [
        HEADER.format(version=version),
        "\n".join(sorted(imports)) + "\n",
        LOADER.format(packed=pack(protocol)),
    ]
    for name in order:
        if name not in PACKED:
            parts.append(_section(name, *_shortened(texts[name], trees[name]), short=True))
    made = "\n".join(parts)
    if len(made.encode()) > MAX_BYTES:
        raise ValueError(f"the bundle has {len(made.encode())} bytes; the limit is {MAX_BYTES}")
    return made


def _imports(name: str, tree: ast.Module) -> tuple[set[str], set[str]]:
    """Return the modules of the package that a module imports, and its other import statements."""
    own, outside = set(), set()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if module.startswith(f"{NAME}.") and not any(alias.asname for alias in node.names):
                own.add(module.removeprefix(f"{NAME}."))
            elif module != "typing":  # It has only what annotations need.
                raise ValueError(f"{name}: expected `import {module}`, without other names")
        elif isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                if top != "numpy" and top not in sys.stdlib_module_names:
                    raise ValueError(f"{name} imports {alias.name}; the simulator may not have it")
            outside.add(ast.unparse(node))
    return own, outside


def _ordered(graph: dict[str, set[str]]) -> Iterator[str]:
    """Yield modules after those that they import, in alphabetical order otherwise."""
    sorter = TopologicalSorter(graph)
    sorter.prepare()
    while sorter.is_active():
        for name in sorted(sorter.get_ready()):
            yield name
            sorter.done(name)


def _check_names(trees: dict[str, ast.Module]) -> None:
    """Raise ValueError if two modules have one top-level name."""
    owners: dict[str, str] = {}
    for module, tree in trees.items():
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                names = {node.name}
            elif isinstance(node, (ast.Assign, ast.AnnAssign)):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                leaves = [leaf for target in targets for leaf in ast.walk(target)]
                names = {leaf.id for leaf in leaves if isinstance(leaf, ast.Name)}
            else:
                continue
            for name in names - {"__all__"}:
                if owners.setdefault(name, module) != module:
                    raise ValueError(f"{name} is a name of both {owners[name]} and {module}")


def _section(name: str, text: str, tree: ast.Module, short: bool = False) -> str:
    """Return a module without its imports, under its title."""
    title = (ast.get_docstring(tree) or "").partition("\n")[0]
    data, at = text.encode(), _positions(text)
    cuts = [(*_span(node, at), "") for node in tree.body if _is_frame(node)]
    body = _cut(data, cuts).strip("\n") + "\n"
    return f"# --- {name}: {title}\n" + ("".join(_lines(body)) if short else f"\n{body}")


def _is_frame(node: ast.stmt) -> bool:
    """Return whether a statement is of the module alone: its docstring, an import or `__all__`."""
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return True
    if isinstance(node, ast.Expr) and node.lineno == 1:
        return True
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"


def _positions(text: str) -> list[int]:
    """Return the position of each line in the bytes of a text, which the columns of ast count."""
    starts = [0]
    for line in text.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    return starts


def _span(node: ast.expr | ast.stmt | ast.arg, at: list[int]) -> tuple[int, int]:
    end = at[(node.end_lineno or 1) - 1] + (node.end_col_offset or 0)
    return at[node.lineno - 1] + node.col_offset, end


def _cut(data: bytes, cuts: list[Cut]) -> str:
    for begin, end, new in sorted(cuts, reverse=True):
        data = data[:begin] + new.encode() + data[end:]
    return data.decode()


def _shortened(text: str, tree: ast.Module) -> tuple[str, ast.Module]:
    """Return a module without annotations, with docstrings of one line, and its tree."""
    at = _positions(text)
    short = _cut(text.encode(), [cut for node in ast.walk(tree) for cut in _cuts(node, at)])
    return short, ast.parse(short)


def _cuts(node: ast.AST, at: list[int]) -> Iterator[Cut]:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node):
        first = (ast.get_docstring(node) or "").partition("\n")[0]
        omitted = first.startswith("See ") and len(node.body) > 1
        yield (*_span(node.body[0], at), "" if omitted else f'"""{first}"""')
    if isinstance(node, ast.FunctionDef) and node.returns is not None:
        begin, end = _span(node.returns, at)
        yield begin - len(" -> "), end, ""
    if isinstance(node, ast.arg) and node.annotation is not None:
        begin, end = _span(node, at)
        yield begin + len(node.arg), end, ""
    if isinstance(node, ast.AnnAssign):
        yield _span(node.target, at)[1], _span(node.annotation, at)[1], ""


def _lines(text: str) -> Iterator[str]:
    """Yield the lines of a text, indented by `INDENT`, without empty ones, wrapped ones joined."""
    level, begin = 0, 0
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.INDENT:
            level += 1
        elif token.type == tokenize.DEDENT:
            level -= 1
        elif token.type == tokenize.COMMENT and not begin:
            # Of a block, the first comment comes before the token of its indentation.
            yield " " * INDENT * (token.start[1] // 4) + token.string + "\n"
        elif token.type == tokenize.NEWLINE:
            if not level and lines[begin - 1].startswith(("class ", "def ")):
                yield "\n"
            yield from _joined(lines[begin - 1 : token.end[0]], level)
            begin = 0
        elif token.type not in (tokenize.NL, tokenize.COMMENT, tokenize.ENDMARKER):
            begin = begin or token.start[0]


def _joined(lines: list[str], level: int) -> Iterator[str]:
    """Yield the lines of one statement."""
    made = " " * INDENT * level + lines[0].strip()
    for line in lines[1:]:
        part = line.strip()
        closes = part.startswith((")", "]", "}"))
        joined = (
            (made.removesuffix(",") if closes else made)
            + ("" if closes or made.endswith(("(", "[", "{")) else " ")
            + part
        )
        if len(joined) > WIDTH or "  # " in made:
            yield made + "\n"
            made = " " * INDENT * (level + 2) + part
        else:
            made = joined
    yield made + "\n"
