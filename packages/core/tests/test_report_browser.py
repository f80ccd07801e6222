"""Pages of runs in a real browser: nothing is refused, nothing is too wide, charts are saved."""

from __future__ import annotations

import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from rlmesh.results import EpisodeEnd, EpisodeFailure, EpisodeResult, RunResult, Timing
from tests.chromium import DEADLINE, Chromium, chromium, find_chromium

PROGRAM = find_chromium()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(PROGRAM is None, reason="Chromium is not installed"),
]

LONG_WORD = "a_word_without_a_space_that_is_much_longer_than_a_telephone_is_wide_" * 3


def run_of(count: int, model: str) -> RunResult:
    episodes = []
    for i in range(count):
        failed = i % 7 == 3
        error = EpisodeFailure(f"diverged: {LONG_WORD}", "ValueError", traceback=LONG_WORD)
        episodes.append(
            EpisodeResult(
                index=i,
                seed=2**63 + i,
                reward=float(i * i % 17),
                steps=i,
                end=EpisodeEnd.ERROR if failed else EpisodeEnd.TERMINATED,
                success=None if failed else i % 3 == 0,
                timing=Timing(1.0, 0.5, 0.25, 0.125),
                endpoint=f"frames+unix:///run/{LONG_WORD}{i % 2}",
                task=("open the drawer", LONG_WORD)[i % 2],
                error=error if failed else None,
            )
        )
    facts = {LONG_WORD: LONG_WORD}
    return RunResult(tuple(episodes), "E", 100.0, model, metadata=facts, instruction=LONG_WORD)


def test_pages_in_a_browser(tmp_path: Path) -> None:
    """Start one browser: that takes longer than all that it is then asked."""
    assert PROGRAM is not None
    one, two = tmp_path / "one.html", tmp_path / "two.html"
    run_of(60, f"policy {LONG_WORD}").to_html(one)
    run_of(20, "new").to_html(two, compare=run_of(20, f"old {LONG_WORD}"))
    many = tmp_path / "many.html"
    runs = [run_of(30, f"model {i} {LONG_WORD if i == 3 else ''}") for i in range(8)]
    runs[0].to_html(many, compare=runs[1:])
    RunResult((), "E").to_html(tmp_path / "none.html")
    with chromium(PROGRAM, tmp_path / "profile") as browser:
        for path in (one, two, many, tmp_path / "none.html"):
            for width in (360, 1280, 3840):
                browser.open(path, width)
                browser.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
                assert browser.evaluate("document.documentElement.scrollWidth") <= width, path
        _check_colours(browser, one)
        for path in (one, many):
            _check_print(browser, path)
        _check_files(browser, one, tmp_path / "saved")
        assert browser.told == []


def _check_colours(browser: Chromium, page: Path) -> None:
    script = "getComputedStyle(document.body).backgroundColor"
    browser.open(page, 1280)
    light = browser.evaluate(script)
    browser.open(page, 1280, dark=True)
    assert browser.evaluate(script) != light


def _check_print(browser: Chromium, page: Path) -> None:
    browser.open(page, 1280)
    browser.call("Emulation.setEmulatedMedia", media="print")
    styles = "[...document.querySelectorAll('{}')].map(e => getComputedStyle(e).{})"
    assert set(browser.evaluate(styles.format("figure", "breakInside"))) == {"avoid"}
    assert set(browser.evaluate(styles.format("h2", "breakAfter"))) == {"avoid"}
    assert set(browser.evaluate(styles.format(".key", "printColorAdjust"))) == {"exact"}
    closed = browser.evaluate(styles.format("details:not([open])", "display"))
    assert closed and set(closed) == {"none"}
    browser.call("Emulation.setEmulatedMedia", media="")


def _check_files(browser: Chromium, page: Path, folder: Path) -> None:
    """Save each file of a page, and read the charts."""
    folder.mkdir()
    browser.open(page, 1280)
    place = {"behavior": "allow", "downloadPath": str(folder), "eventsEnabled": True}
    browser.call("Browser.setDownloadBehavior", **place)
    links = "[...document.querySelectorAll('a[download]')]"
    names = browser.evaluate(f"{links}.map(a => a.download)")
    for i in range(len(names)):  # A page may save one file at a time.
        browser.evaluate(f"{links}[{i}].click()")
        end = time.monotonic() + DEADLINE
        while browser.saved <= i:
            assert time.monotonic() < end, names[i]
            browser.evaluate("1")
            time.sleep(0.02)
    assert {path.name for path in folder.iterdir()} == set(names) and len(set(names)) == len(names)
    charts = [path for path in folder.iterdir() if path.suffix == ".svg"]
    assert len(charts) == 7 and (folder / "episodes.csv").stat().st_size
    for path in charts:
        assert ElementTree.fromstring(path.read_text()).tag == "{http://www.w3.org/2000/svg}svg"
