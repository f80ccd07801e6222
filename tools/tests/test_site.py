"""The documentation site: generated pages, what pages load, and the site as a whole."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.size import only_long
from tools.pythons import REPOSITORY
from tools.site.__main__ import SITE, main
from tools.site.contract import contract_page, link_rules, rule_ids
from tools.site.hooks import DOCUMENTS, PICTURES, generated
from tools.site.notebooks import notebook_page
from tools.site.outside import outside_loads

CONTRACT = (REPOSITORY / "spec/CONTRACT.md").read_text(encoding="utf-8")


def test_each_rule_and_section_of_the_contract_has_one_anchor() -> None:
    page = contract_page(CONTRACT)
    anchors = re.findall(r'<a id="([A-Z]-\d+)"', page)
    assert len(anchors) > 200 and sorted(anchors) == sorted(rule_ids(CONTRACT))
    links = set(re.findall(r"\]\(#([\w-]+)\)", page))
    sections = re.findall(r"^## \d+\. .* \{ #(section-\d+) \}$", page, re.MULTILINE)
    assert links and links <= {*anchors, *sections}


def test_the_words_of_the_contract_are_unchanged() -> None:
    page = re.sub(r'<a id="[^"]*" href="[^"]*">(.*?)</a>', r"\1", contract_page(CONTRACT))
    page = re.sub(r"\[([A-Z]-\d+|§\d+)\]\(#[\w-]+\)", r"\1", page)
    page = re.sub(r" \{ #section-\d+ \}$", "", page, flags=re.MULTILINE)
    assert page.split() == CONTRACT.split()


def test_mentions_are_links_but_not_in_code() -> None:
    text = "See H-1, UTF-8, SHA-256 and §4.\n`H-1` stays.\n\n    H-1 stays\n\n```\nH-1\n```\n(H-1)"
    assert link_rules(text, {"H-1"}, "contract.md") == (
        "See [H-1](contract.md#H-1), UTF-8, SHA-256 and [§4](contract.md#section-4).\n"
        "`H-1` stays.\n\n    H-1 stays\n\n```\nH-1\n```\n([H-1](contract.md#H-1))"
    )
    with pytest.raises(ValueError, match="H-2 is mentioned"):
        link_rules("See H-2.", {"H-1"})


def test_a_notebook_is_its_texts_code_and_outputs() -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# A\n", "text"]},
        {
            "cell_type": "code",
            "source": "1 + 1",
            "outputs": [{"data": {"text/plain": ["2"]}}, {"text": "printed\n"}, {"data": {}}],
        },
    ]
    assert notebook_page(json.dumps({"cells": cells})) == (
        "# A\ntext\n\n```python\n1 + 1\n```\n\n```text\n2\n```\n\n```text\nprinted\n```\n"
    )


def test_generated_pages_are_in_the_navigation() -> None:
    listed = re.findall(r": ([\w/-]+\.md)$", (REPOSITORY / "mkdocs.yml").read_text(), re.MULTILINE)
    pages = dict(generated(listed))
    assert set(pages) <= set(listed) and set(DOCUMENTS) < set(pages)
    assert pages["api/torch.md"] == "# rlmesh.torch\n\n::: rlmesh_torch\n"
    assert pages["api/rlmesh.md"] == "# rlmesh\n\n::: rlmesh\n"
    own = {page.name for page in (REPOSITORY / "docs").glob("*.md")}
    assert set(listed) == own | set(pages) and not own & set(pages)
    assert all((REPOSITORY / source).is_file() for source in PICTURES.values())


@pytest.mark.parametrize(
    ("name", "text", "loads"),
    [
        ("a.html", '<script src="https://a.example/b.js"></script>', ["https://a.example/b.js"]),
        ("a.html", '<link rel="stylesheet" href="//a.example/b.css">', ["//a.example/b.css"]),
        ("a.html", '<img srcset="b.png 1x, http://a.example/c 2x">', ["http://a.example/c"]),
        ("a.html", "<style>@import 'http://a.example/c';</style>", ["http://a.example/c"]),
        ("a.html", '<p style="background: url(http://a.example/c)">', ["http://a.example/c"]),
        ("a.css", "p { background: url( 'https://a.example/c' ) }", ["https://a.example/c"]),
        ("a.svg", '<svg><image href="https://a.example/c"/></svg>', ["https://a.example/c"]),
        ("a.html", '<pre class="a mermaid">graph LR</pre>', ["https://unpkg.com/mermaid"]),
        ("a.html", '<a href="https://a.example">b</a><img src="b.png"><script>1</script>', []),
        ("a.css", "p { background: url(data:image/svg+xml;utf8,abc) }", []),
    ],
)
def test_a_page_that_loads_from_another_host_is_found(
    name: str, text: str, loads: list[str], tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    assert outside_loads(tmp_path) == [(name, address) for address in loads]


class _Ids(HTMLParser):
    """The ids of the elements of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name == "id" and value]


@pytest.mark.slow
@only_long
@pytest.mark.timeout(900)
def test_the_site_is_built_without_a_warning() -> None:
    shutil.rmtree(SITE, ignore_errors=True)
    assert main([]) == 0
    contract = (SITE / "contract.html").read_text(encoding="utf-8")
    items = re.findall(r'<li>\s*(?:<p>)?<a id="([A-Z]-\d+)"', contract)
    assert sorted(items) == sorted(rule_ids(CONTRACT))
    for page, name in (("rlmesh", "rlmesh.EnvServer"), ("numpy", "rlmesh_numpy.RemoteEnv")):
        assert name in _Ids((SITE / f"api/{page}.html").read_text(encoding="utf-8")).found
