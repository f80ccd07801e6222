"""The output of commands: images, spaces, progress; and the episodes that they count."""

from __future__ import annotations

import io
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("rich")
pytest.importorskip("typer")

from rich.console import Console

from rlmesh import Tensor
from rlmesh import spaces as s
from rlmesh._cli.description import Description, ModelDescription
from rlmesh._cli.inspect_command import description_facts, description_tree
from rlmesh._cli.pixels import HalfBlocks, ansi_text, draws_frames, is_frame
from rlmesh._cli.progress import EvaluationProgress
from rlmesh._cli.random_driver import RandomDriver
from rlmesh._cli.space_facts import plain, space_facts, space_words
from rlmesh.adapters import (
    EnvTags,
    Feature,
    FeatureKind,
    MinMax,
    ModelInput,
    ModelOutput,
    ModelSpec,
    PredictForm,
    TaggedLeaf,
)
from rlmesh.dtypes import dtype
from rlmesh.results import EpisodeEnd, EpisodeResult
from rlmesh.specs import AutoresetMode, Capability, EnvContract, PeerInfo, SessionTerms

BLACK, WHITE, RED = (0, 0, 0), (255, 255, 255), (255, 0, 0)


def frame(rows: list[list[tuple[int, int, int]]]) -> Tensor:
    return Tensor(
        bytes(c for row in rows for p in row for c in p), "uint8", (len(rows), len(rows[0]), 3)
    )


def drawn(thing: Any, width: int = 80, color: str | None = None) -> str:
    text = io.StringIO()
    Console(
        file=text,
        width=width,
        force_terminal=color is not None,
        color_system=color,
        legacy_windows=False,
    ).print(thing)
    return text.getvalue()


# Frames.


def test_a_small_frame_is_drawn_pixel_by_pixel() -> None:
    pixels = [[BLACK, WHITE, RED], [RED, BLACK, RED]]
    assert HalfBlocks(frame(pixels), rows=10).pixels(80) == pixels
    text = drawn(HalfBlocks(frame(pixels), rows=10), color="truecolor")
    assert text.count("\u2580") == 3 and text.count("\n") == 1
    assert "38;2;0;0;0;48;2;255;0;0m\u2580" in text


@pytest.mark.parametrize(
    ("columns", "rows", "shape"), [(8, 99, (4, 8)), (99, 3, (6, 12)), (1, 1, (2, 1))]
)
def test_a_large_frame_is_scaled_to_its_room(
    columns: int, rows: int, shape: tuple[int, int]
) -> None:
    pixels = HalfBlocks(Tensor(bytes(range(256)) * 24, "uint8", (32, 64, 3)), rows).pixels(columns)
    assert (len(pixels), len(pixels[0])) == shape


def test_scaling_is_a_mean_lest_a_line_vanish() -> None:
    striped = frame([[WHITE, BLACK] * 4] * 8)
    assert HalfBlocks(striped, rows=2).pixels(4) == [[(127, 127, 127)] * 4] * 4


@pytest.mark.parametrize(
    ("value", "is_one"),
    [
        (frame([[BLACK]]), True),
        (Tensor(bytes(4), "uint8", (1, 1, 4)), False),
        (Tensor(bytes(12), "float32", (1, 1, 3)), False),
        (Tensor(b"", "uint8", (0, 5, 3)), False),
        ("ansi", False),
        (None, False),
    ],
)
def test_what_is_a_frame(value: object, is_one: bool) -> None:
    assert is_frame(value) is is_one


@pytest.mark.parametrize(
    ("encoding", "settings", "draws"),
    [
        ("utf-8", {"color_system": "truecolor"}, True),
        ("ascii", {"color_system": "truecolor"}, False),
        ("utf-8", {"color_system": "truecolor", "no_color": True}, False),
        ("utf-8", {"color_system": None}, False),
    ],
)
def test_frames_are_drawn_where_a_terminal_can_show_them(
    encoding: str, settings: dict[str, Any], draws: bool
) -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    assert draws_frames(Console(file=file, force_terminal=True, **settings)) is draws


def test_a_frame_of_text_keeps_its_colours_and_nothing_worse() -> None:
    text = ansi_text("S\x1b[41mF\x1b[0m\nHole\x1b]0;title\x07\x1b[2J")
    assert text.plain == "SF\nHole\\x1b]0;title\\x07\\x1b[2J"
    assert [(span.start, span.end, span.style.bgcolor.number) for span in text.spans] == [(1, 2, 1)]


# Spaces and contracts.

NESTED = s.Dict(
    {
        "image": s.Box(0, 255, (4, 4, 3), "uint8"),
        "arm": s.Tuple(
            [s.Box([-1.0, float("-inf")], [1.0, 2.5], dtype="float64"), s.Discrete(3, start=-1)]
        ),
        "words": s.Text(5),
        "many": s.Sequence(s.MultiBinary(2), stack=True),
        "graph": s.Graph(s.Box(0, 1, (2,)), s.Discrete(4)),
        "either": s.OneOf([s.Discrete(2), s.MultiDiscrete([2, 3])]),
    }
)


def test_a_space_as_facts() -> None:
    facts = space_facts(NESTED)
    parts = facts["spaces"]
    assert facts["kind"] == "dict" and list(parts) == [
        "image",
        "arm",
        "words",
        "many",
        "graph",
        "either",
    ]
    assert parts["image"] == {
        "kind": "box",
        "shape": [4, 4, 3],
        "dtype": "uint8",
        "low": 0,
        "high": 255,
    }
    assert parts["arm"]["spaces"][0]["low"] == [-1.0, float("-inf")]
    assert parts["arm"]["spaces"][1] == {
        "kind": "discrete",
        "shape": [],
        "dtype": "int64",
        "n": 3,
        "start": -1,
    }
    assert (
        parts["many"]["stack"] is True and parts["many"]["feature_space"]["kind"] == "multi_binary"
    )
    assert parts["graph"]["nodes"]["kind"] == "box" and parts["graph"]["edges"]["n"] == 4
    assert parts["either"]["spaces"][1]["nvec"] == [2, 3]


@pytest.mark.parametrize(
    ("space", "words"),
    [
        (s.Box(0, 255, (4, 4, 3), "uint8"), "Box uint8 (4, 4, 3) from 0 to 255"),
        (s.Box([-1, 0], [1, 2]), "Box float32 (2,) from [-1, 0] to [1, 2]"),
        (s.Box([0.0] * 9, list(range(9))), "Box float32 (9,) from 0 to [0 … 8]"),
        (s.Box(0, 1, (0,)), "Box float32 (0,) from [] to []"),
        (s.Discrete(3, start=-1), "Discrete int64 from -1 to 1"),
        (s.MultiDiscrete([2, 3]), "MultiDiscrete int64 (2,), [2, 3] choices from 0"),
        (s.MultiBinary(2), "MultiBinary 2"),
        (s.MultiBinary([2]), "MultiBinary (2,)"),
        (s.Text(5, charset="ab"), "Text of 1 to 5 characters out of 2: 'ab'"),
        (s.Sequence(s.Discrete(2), stack=True), "Sequence, stacked"),
        (s.Dict({}), "Dict"),
    ],
)
def test_a_space_in_words(space: s.Space[Any], words: str) -> None:
    assert space_words(space) == words


def description() -> Description:
    tags = EnvTags(
        observation=(
            TaggedLeaf(("image",), Feature("image/primary", FeatureKind.IMAGE)),
            TaggedLeaf(("arm", 0), Feature("state/gripper", unit="m"), offset=1, length=1),
        ),
        labels=("robot:panda",),
    )
    contract = EnvContract(
        "Arm[red]\x1b[2J",
        NESTED,
        s.Discrete(2),
        num_envs=4,
        vector=True,
        autoreset_mode=AutoresetMode.SAME_STEP,
        metadata={"floor": Tensor.of([1, 2], "int8"), "note": "[bold]"},
        tags=tags,
        exposed=("get_instruction",),
    )
    server = PeerInfo("1.0.0", "ab" * 32, "rlmesh/1", frozenset({Capability.RENDER}), "host")
    return Description("tcp://here:1", server, contract, SessionTerms(30.0, 4, 0.0))


def test_a_contract_as_a_tree() -> None:
    text = drawn(description_tree(description()), width=200)
    assert "\x1b" not in text and "Arm[red]\\x1b[2J  at tcp://here:1" in text
    for words in (
        "image  Box uint8 (4, 4, 3) from 0 to 255",
        "tag  image/primary, kind=image",
        "tag  state/gripper, elements 1 to 1, unit=m",
        "vector  4 lanes, autoreset SameStep",
        "exposed  get_instruction",
        "labels  robot:panda",
        "note  '[bold]'",
        "capabilities  render",
        "grace_period  30",
    ):
        assert words in text
    depth = {line.strip("│├└─ ").split("  ")[0]: line.find("──") for line in text.splitlines()}
    assert depth["observation"] < depth["arm"] < depth["0"]


def test_a_contract_as_facts() -> None:
    facts = description_facts(description())
    contract = facts["contract"]
    assert contract["autoreset_mode"] == "SameStep" and contract["num_envs"] == 4
    assert contract["metadata"] == {"floor": [1, 2], "note": "[bold]"}
    assert contract["tags"]["observation"][1] == {
        "path": ["arm", 0],
        "feature": {"role": "state/gripper", "unit": "m"},
        "offset": 1,
        "length": 1,
    }
    assert facts["server"]["capabilities"] == ["render"]
    assert facts["terms"] == {"grace_period": 30.0, "max_message_bytes": 4, "idle_timeout": 0.0}


def test_a_model_as_a_tree_and_as_facts() -> None:
    model = ModelSpec(
        id="policy",
        inputs=(
            ModelInput(
                "camera",
                Feature("image/primary", FeatureKind.IMAGE),
                dtype=dtype("uint8"),
                shape=(4, 4, 3),
                normalization=MinMax((0.0,), (255.0,)),
            ),
        ),
        outputs=(ModelOutput("", Feature("action/arm")),),
        predict_forms=(PredictForm.SINGLE, PredictForm.CHUNK),
        chunk_length=8,
        action_space=s.Discrete(2),
    )
    told = description()
    described = ModelDescription("tcp://here:2", told.server, model, told.terms)
    text = drawn(description_tree(described), width=200)
    for words in (
        "policy  model at tcp://here:2",
        "forms  single, chunk",
        "camera",
        "role  'image/primary'",
        "shape  [4, 4, 3]",
        "the whole",
        "chunk length  8",
        "action  Discrete int64 from 0 to 1",
    ):
        assert words in text
    facts = description_facts(described)["model"]
    assert facts["inputs"] == [
        {
            "name": "camera",
            "feature": {"role": "image/primary", "kind": "image"},
            "dtype": "uint8",
            "shape": [4, 4, 3],
            "normalization": {"low": [0.0], "high": [255.0]},
        }
    ]
    assert facts["predict_forms"] == ["single", "chunk"] and facts["action_space"]["n"] == 2


def test_what_json_does_not_have_is_its_repr() -> None:
    assert plain({1: (b"x", None, True)}) == {"1": ["b'x'", None, True]}


# Episodes.


class Lanes:
    """A vector with lane i ending its episodes after i + 2 steps, in any autoreset mode."""

    def __init__(self, mode: AutoresetMode | None, lanes: int) -> None:
        vector = mode is not None
        self.env_contract = EnvContract(
            "Lanes", s.Discrete(9), s.Discrete(5), lanes, vector, autoreset_mode=mode
        )
        self.mode = mode
        self.resets: list[Any] = []
        self.counts = [0] * lanes
        self.over = [False] * lanes

    def reset(self, seed: Any = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self.resets.append((seed, options))
        mask = (options or {}).get("reset_mask", [True] * len(self.counts))
        self.counts = [0 if m else c for c, m in zip(self.counts, mask)]
        self.over = [False] * len(self.counts)
        return None, {}

    def step(self, action: Any) -> Any:
        if self.mode is None:
            done = next(self._lanes())
            return None, 1.0, done, False, {}
        flags = list(self._lanes())
        rewards = [
            0.0 if n == 0 and self.mode is AutoresetMode.NEXT_STEP else 1.0 for n in self.counts
        ]
        return None, rewards, flags, [False] * len(flags), {"a": action}

    def _lanes(self) -> Iterator[bool]:
        for lane in range(len(self.counts)):
            if self.over[lane] and self.mode is AutoresetMode.NEXT_STEP:
                self.over[lane], self.counts[lane] = False, 0
                yield False
                continue
            assert not self.over[lane]
            self.counts[lane] += 1
            done = self.counts[lane] == lane + 2
            self.over[lane] = done and self.mode is not AutoresetMode.SAME_STEP
            if done and self.mode is AutoresetMode.SAME_STEP:
                self.counts[lane] = 0
            yield done


@pytest.mark.parametrize("mode", [None, *AutoresetMode])
def test_episodes_are_counted_as_the_lanes_play_them(mode: AutoresetMode | None) -> None:
    env = Lanes(mode, 1 if mode is None else 3)
    driver = RandomDriver(env, seed=7)
    while len(driver.finished) < 6:
        driver.reset() if driver.must_reset else driver.step(driver.action())
    assert all(e.steps == e.reward == e.lane + 2 and e.terminated for e in driver.finished)
    assert {e.lane for e in driver.finished} == set(range(env.env_contract.num_envs))
    if mode is None:
        assert [e.seed for e in driver.finished] == [7, 8, 9, 10, 11, 12]
    elif mode is not AutoresetMode.DISABLED:
        assert env.resets == [(7, None)]
    else:
        assert env.resets[:2] == [(7, None), (None, {"reset_mask": [True, False, False]})]


def test_a_seed_draws_the_same_actions() -> None:
    first, second, other = (RandomDriver(Lanes(None, 1), seed) for seed in (3, 3, 4))
    draws = [[driver.action() for _ in range(20)] for driver in (first, second, other)]
    assert draws[0] == draws[1] != draws[2]


# Progress.


def episode(index: int, success: bool | None) -> Any:
    end = EpisodeEnd.TERMINATED
    return SimpleNamespace(
        result=EpisodeResult(
            index=index, seed=index, reward=1.0, steps=50, end=end, success=success
        )
    )


def test_progress_tells_episodes_steps_and_success() -> None:
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=120, color_system=None)
    with EvaluationProgress(console, 5) as progress:
        progress.on_run_start(SimpleNamespace(finished=(episode(0, None).result,)))
        for index, success in enumerate((None, True, False), start=1):
            progress.on_episode_end(episode(index, success))
    assert progress.ended == 4 and "steps/s" in progress.words and "success 50%" in progress.words
    assert "4/5" in text.getvalue() and "ETA" in text.getvalue()


def test_progress_is_quiet_where_there_is_no_terminal() -> None:
    text = io.StringIO()
    with EvaluationProgress(Console(file=text, force_terminal=False), 2) as progress:
        progress.on_episode_end(episode(0, True))
    assert text.getvalue() == ""
