"""The page of examples/browser, played by keys in a real browser, equal to Gymnasium."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import gymnasium
import numpy as np
import pytest

from tests.chromium import Chromium, chromium, find_chromium
from tests.faults import Proxy
from tests.node.programs import build_or_skip
from tests.processes import ROOT
from tools.node.package import PACKAGE, PROTO

pytest.importorskip("websockets")

PROGRAM = find_chromium()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("node"),
    pytest.mark.skipif(PROGRAM is None, reason="Chromium is not installed"),
]

SEED = 11


@contextmanager
def example(folder: Path, *arguments: str) -> Iterator[str]:
    """Serve the example, with the packages installed beside it; yield the address of the page."""
    build_or_skip()
    shutil.copytree(ROOT / "examples" / "browser", folder)
    modules = folder / "node_modules"
    (modules / "@rlmesh").mkdir(parents=True)
    for name, source in (("client", PACKAGE), ("proto", PROTO)):
        (modules / "@rlmesh" / name).symlink_to(source)
    (modules / "@bufbuild").symlink_to(PACKAGE / "node_modules" / "@bufbuild")
    command = [sys.executable, str(folder / "serve.py"), "--page-port", "0", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


def test_keys_play_the_environment(tmp_path: Path) -> None:
    """Start one browser: that takes longer than all that it is then asked."""
    assert PROGRAM is not None
    env = gymnasium.make("CartPole-v1", render_mode="rgb_array")
    observation, _ = env.reset(seed=SEED)
    with (
        example(tmp_path / "page", "--websocket-port", "0") as page,
        chromium(PROGRAM, tmp_path / "profile") as browser,
        ExitStack() as stack,
    ):
        authority = page.split("address=ws://")[1].split("/")[0]
        proxy = stack.enter_context(Proxy(f"frames://{authority}"))
        through = page.replace(authority, proxy.address.removeprefix("frames://"))
        browser.call("Page.navigate", url=f"{through}&seed={SEED}")
        browser.wait_until("document.getElementById('status')?.textContent.startsWith('Step 0')")
        assert browser.evaluate("document.getElementById('id').textContent") == "CartPole-v1"
        for at in range(40):
            action = at % 2
            if at % 5 == 3:
                proxy.cut_after(10)  # The answer to the step is lost, and comes after a resume.
            _press(browser, "ArrowRight" if action else "ArrowLeft")
            observation, _, terminated, truncated, _ = env.step(action)
            assert not truncated
            status = f"Step {at + 1}, reward {at + 1}"
            status += ", the episode is over" if terminated else ""
            browser.wait_until(f"document.getElementById('status').textContent === '{status}'")
            shown = browser.evaluate("document.getElementById('observation').textContent")
            assert np.array_equal(np.array(shown.split(), np.float32), observation)
            if terminated:
                break
        assert terminated
        assert proxy.broken >= 2
        pixels = browser.evaluate(
            "(() => { const c = document.getElementById('image');"
            " return [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
            ".reduce((sum, byte) => sum + byte, 0); })()"
        )
        image = env.render()
        assert isinstance(image, np.ndarray)
        assert pixels == int(image.sum()) + 255 * image.shape[0] * image.shape[1]
        _press(browser, "r")
        browser.wait_until("document.getElementById('status').textContent.startsWith('Step 0')")
        assert not [note for note in browser.told if "favicon" not in note]
        # A page of another origin has a client of the same code, and is refused.
        browser.call("Page.navigate", url=page.replace("127.0.0.1", "localhost", 1))
        browser.wait_until(
            "document.getElementById('status')?.textContent.includes('ConnectError')"
        )


def _press(browser: Chromium, key: str) -> None:
    for kind in ("keyDown", "keyUp"):
        browser.call("Input.dispatchKeyEvent", type=kind, key=key)
