"""Renders spec/CONTRACT.md as a page, with an anchor for each rule and links to the rules."""

from __future__ import annotations

import itertools
import re

from ..roles.__main__ import rules_of

__all__ = ["contract_page", "link_rules", "rule_ids"]

_RULE = re.compile(r"^- \*\*([A-Z]-\d+)\*\*", re.MULTILINE)
# The identifier at the beginning of a rule, in bold type, is no mention; neither is part of a word.
_MENTION = re.compile(r"(?<![\w`*#-])([A-Z]-\d+)(?![\w`*-])")
_SECTION = re.compile(r"§(\d+)(?=\D)")
_HEADING = re.compile(r"^## (\d+)\. (.*)$", re.MULTILINE)
_CODE = re.compile(r"^```.*?^```|^    .*?$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
# Python-Markdown begins a table or a list only after an empty line.
_TABLE_START = re.compile(r"(?<=[^\n|])\n(?=\|)")
_RULE_START = re.compile(r"(?<=[^\n])\n(?=- <a id=)")


def rule_ids(contract: str) -> set[str]:
    """Return the ids of the rules of a contract, such as "H-9"."""
    return {f"{rule.letter}-{rule.number}" for rule in rules_of(contract)}


def contract_page(contract: str) -> str:
    """Return the page of the contract.

    Args:
        contract: Content of CONTRACT.md.

    Returns:
        Markdown in which rule H-9 has the anchor `H-9` and section 4 the anchor `section-4`, and
        each mention of a rule or section links to it.

    Raises:
        ValueError: If a rule is mentioned that does not exist.
    """
    linked = link_rules(contract, rule_ids(contract))
    anchored = _RULE.sub(r'- <a id="\1" href="#\1">**\1**</a>', linked)
    apart = _RULE_START.sub("\n\n", _TABLE_START.sub("\n\n", anchored))
    return _HEADING.sub(r"## \1. \2 { #section-\1 }", apart)


def link_rules(text: str, known: set[str], page: str = "") -> str:
    """Return a text in which each mention of a rule outside code links to the rule's anchor.

    Args:
        text: The text, in Markdown.
        known: Ids of the rules.
        page: Page of the anchors; empty: the same one.

    Raises:
        ValueError: If a rule is mentioned that is not known.
    """

    def link(match: re.Match[str]) -> str:
        if match[1] not in known:
            raise ValueError(f"rule {match[1]} is mentioned, and the contract has no such rule")
        return f"[{match[1]}]({page}#{match[1]})"

    def linked(part: str) -> str:
        return _SECTION.sub(rf"[§\1]({page}#section-\1)", _MENTION.sub(link, part))

    ends = [0, *(end for match in _CODE.finditer(text) for end in match.span()), len(text)]
    parts = [text[start:end] for start, end in itertools.pairwise(ends)]
    return "".join(part if index % 2 else linked(part) for index, part in enumerate(parts))
