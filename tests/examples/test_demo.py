"""The demo, as `make demo` runs it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

import rlmesh
from tests.processes import STARTED, finished, running, until
from tests.size import LONG

pytest.importorskip("gymnasium")
pytest.importorskip("rich")

DEMO = "examples/python/demo.py"
NAMES = f"import runpy; names = runpy.run_path({DEMO!r})"


SIZES = (
    {"EPISODES": 10, "ROUNDS": 4, "TRIED": 16, "ENDPOINTS": 4}
    if LONG
    else {"EPISODES": 3, "ROUNDS": 2, "TRIED": 12, "ENDPOINTS": 2}
)
"""The names of the demo that say how much it plays; in `make test-long` as they stand there."""


@pytest.mark.timeout(300)
def test_it_prints_seeded_episodes_and_leaves_no_server() -> None:
    smaller = f"{NAMES}; names['main'].__globals__.update({SIZES!r}); names['main']()"
    command = [DEMO] if LONG else ["-c", smaller]
    done = finished(command, timeout=240, PYTHONIOENCODING="utf-8")
    assert (done.returncode, done.stderr) == (0, "")
    rows = re.findall(r"^\W*(\d) \W+(\d+) \W+([\d.]+) \W+(truncated|terminated)", done.stdout, re.M)
    assert rows == [(str(seed), "500", "500.0", "truncated") for seed in range(SIZES["EPISODES"])]
    steps = 500 * SIZES["EPISODES"]
    assert re.search(rf"reward 500\.0 ± 0\.0, {steps} steps, \d+ steps a second", done.stdout)
    assert "episodes ━" not in done.stdout  # No bar without a terminal.
    trained = re.findall(r"training: mean reward ([\d.]+)", done.stdout)
    assert len(trained) == SIZES["ROUNDS"] and float(trained[-1]) > 2 * float(trained[0])
    at_once = rf"evaluated on {SIZES['ENDPOINTS']} endpoints at once: 20 seeds, reward ([\d.]+)"
    evaluated = re.search(at_once, done.stdout)
    assert evaluated is not None and float(evaluated[1]) > (300 if LONG else 100)
    address = re.search(r"served on (tcp://\S+) by", done.stdout)
    assert address is not None
    with pytest.raises(rlmesh.errors.ConnectError):
        rlmesh.RemoteEnv(address[1])


def test_it_shows_a_bar_in_a_terminal() -> None:
    ours, theirs = os.openpty()
    # The training and the evaluation show no bar.
    skipped = "names['main'].__globals__.update(dict.fromkeys(('train', 'evaluate'), print))"
    terminal = f"import os; [os.dup2({theirs}, n) for n in (1, 2)]"
    command = f"{terminal}; {NAMES}; {skipped}; names['main']()"
    shown: list[bytes] = []
    with running(
        ["-c", command], pass_fds=[theirs], fresh=True, TERM="xterm", PYTHONIOENCODING="utf-8"
    ) as demo:
        os.close(theirs)

        def ended() -> bool:
            try:
                shown.append(os.read(ours, 65536))
            except OSError:  # The terminal has no other end any more.
                return True
            return False

        until(ended, STARTED, demo)
        assert demo.stop() == 0
    os.close(ours)
    assert "10/10" in b"".join(shown).decode()


def test_it_says_when_the_server_does_not_start() -> None:
    done = finished(["-c", f"{NAMES}\nwith names['served']('NoSuchEnv-v0'): pass"], fresh=True)
    assert done.returncode == 1
    assert "NoSuchEnv" in done.stderr
    assert "the server did not start: see its output above" in done.stderr
    assert "Traceback" not in done.stderr


def test_it_says_when_an_episode_fails(tmp_path: Path) -> None:
    code = f"{NAMES}; names['main'].__globals__['predict'] = lambda observation: 7; names['main']()"
    done = finished(["-c", code], fresh=True)
    assert done.returncode == 1
    assert "the demo failed: " in done.stderr
    assert "action: expected an integer from 0 to 1, got 7" in done.stderr
    assert "Traceback" not in done.stderr


def test_its_server_is_stopped_when_it_is_interrupted() -> None:
    code = (
        f"{NAMES}\nwith names['served']('CartPole-v1') as address:\n"
        "    print(address)\n    raise KeyboardInterrupt"
    )
    done = finished(["-c", code], fresh=True)
    assert done.returncode != 0 and "KeyboardInterrupt" in done.stderr
    with pytest.raises(rlmesh.errors.ConnectError):
        rlmesh.RemoteEnv(done.stdout.strip())
