"""Reports as JSON, JUnit and HTML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

from rlmesh._conformance.findings import Status
from rlmesh._conformance.report_text import outcome_lines, summary
from rlmesh._conformance.runner import Report
from rlmesh._reporting.markup import element, written
from rlmesh._reporting.parts import scrolled
from rlmesh._reporting.style import STYLE
from rlmesh._version import __version__

__all__ = ["html_page", "json_facts", "junit_xml"]


def json_facts(report: Report) -> dict[str, Any]:
    """Return a report in the form of JSON."""
    return {
        "subject": report.subject,
        "peer": report.peer,
        "implementation": report.implementation,
        "kit": __version__,
        "passed": not report.failures,
        "counts": {s.value: report.count(s) for s in Status if report.count(s)},
        "checks": [
            {
                "check": outcome.check,
                "rule": outcome.rule,
                "title": outcome.title,
                "status": outcome.status.value,
                "expected": outcome.expected,
                "seen": outcome.seen,
                "seconds": round(outcome.seconds, 4),
                "exchange": [
                    {"connection": number, "sender": sender, "hex": shown}
                    for number, sender, shown in outcome.exchange
                ],
            }
            for outcome in report.outcomes
        ],
    }


def junit_xml(reports: Sequence[Report]) -> str:
    """Return reports in the form of JUnit: a suite for each peer, a case for each check."""
    root = ElementTree.Element("testsuites")
    for report in reports:
        failing = report.failures
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=_xml(f"rlmesh check {report.subject}"),
            tests=str(len(report.outcomes)),
            failures=str(len(failing)),
        )
        for outcome in report.outcomes:
            case = ElementTree.SubElement(
                suite,
                "testcase",
                classname=f"{report.peer}.{outcome.rule}",
                name=outcome.check,
                time=f"{outcome.seconds:.4f}",
            )
            head, *evidence = outcome_lines(outcome)
            if outcome in failing:
                made = ElementTree.SubElement(case, "failure", message=_xml(head))
                made.text = _xml("\n".join(evidence))
            elif outcome.status is not Status.PASSED:
                words = f"{outcome.status.value}: {outcome.seen}"
                ElementTree.SubElement(case, "skipped", message=_xml(words))
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True)


def _xml(text: str) -> str:
    """Return a text without the characters that XML does not have."""
    return "".join(c for c in text if c in "\t\n" or (c >= " " and c not in "\ufffe\uffff"))


_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def html_page(reports: Sequence[Report]) -> str:
    """Return reports as a page that loads nothing."""
    parts = []
    for report in reports:
        rows = [
            (o.rule, o.check, o.status.value, o.title, f"{1000 * o.seconds:.0f}")
            for o in report.outcomes
        ]
        evidence = [
            element("pre", "\n".join(outcome_lines(outcome))) for outcome in report.failures
        ]
        parts += [
            element("h2", summary(report)),
            element("p", report.implementation, class_="note"),
            *evidence,
            scrolled(("rule", "check", "status", "what the rule demands", "ms"), rows),
        ]
    title = "Conformance of " + ", ".join(report.subject for report in reports)
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("title", title),
        element("style", STYLE),
    )
    footer = element("footer", f"Made by rlmesh {__version__}.")
    main = element("main", element("h1", title), *parts, footer, class_="rlmesh")
    html = element("html", head, element("body", main, class_="rlmesh-page"), lang="en")
    return f"<!DOCTYPE html>\n{written(html)}\n"
