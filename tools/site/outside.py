"""Finds what the pages of a built site load from other hosts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

__all__ = ["outside_loads"]

_HOST = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
"""The beginning of an address with a host."""

_STYLE = re.compile(r"""(?:url\(|@import)\s*["']?([^"')\s]+)""")
"""What a stylesheet loads."""

_MERMAID = "https://unpkg.com/mermaid"

# Attributes by which an element loads something by itself; `a` and `form` wait for the reader.
_LOADING = {"src", "srcset", "data", "poster", "background"}


def outside_loads(site: Path) -> list[tuple[str, str]]:
    """Return each page or stylesheet of a site that loads from another host, with the address."""
    found: list[tuple[str, str]] = []
    for path in sorted(site.rglob("*")):
        if path.suffix in (".html", ".svg"):
            loads = _page_loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".css":
            loads = iter(_STYLE.findall(path.read_text(encoding="utf-8")))
        else:
            continue
        name = path.relative_to(site).as_posix()
        found.extend((name, address) for address in loads if _HOST.match(address))
    return found


def _page_loads(text: str) -> Iterator[str]:
    page = _Page()
    page.feed(text)
    page.close()
    yield from page.loads
    yield from _STYLE.findall("\n".join(page.styles))


class _Page(HTMLParser):
    """The addresses that one page loads, and its styles."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.styles: list[str] = []
        self._is_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._is_style = tag == "style"
        for name, value in attrs:
            if value is None:
                continue
            if name == "class" and "mermaid" in value.split():
                self.loads.append(_MERMAID)  # By the theme's script, if there is such a diagram.
            elif name == "style":
                self.styles.append(value)
            elif name in _LOADING:
                self.loads.extend(part.split()[0] for part in value.split(",") if part.strip())
            elif name.endswith("href") and tag in ("link", "image", "use", "feimage"):
                self.loads.append(value)

    def handle_data(self, data: str) -> None:
        if self._is_style:
            self.styles.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._is_style = False
