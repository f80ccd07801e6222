"""What a server sends: spaces (§11), observations (§12), self-describing values (§14), tags (§17).

Each rule has a check of its own, which fails for its own rule only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rlmesh._conformance.dynamic_rules import dynamic_problems, map_problems
from rlmesh._conformance.findings import Blocked, Failed, expect
from rlmesh._conformance.probe import Probe
from rlmesh._conformance.registry import Stage, check
from rlmesh._conformance.slab_reader import check_value
from rlmesh._conformance.slabs import BadValue
from rlmesh._conformance.space_rules import Problem, space_problems

BOTH = "env model"

_SPACES = {
    "S-1": "one kind",
    "S-2": "at most 24 levels",
    "S-3": "known dtypes",
    "S-5": "Boxes with two bounds of the right size",
    "S-6": "Boxes with low below high",
    "S-7": "Discretes whose values their dtype holds",
    "S-8": "MultiBinaries with a dimension",
    "S-9": "MultiDiscretes whose values their dtype holds",
    "S-10": "Texts with lengths in order and distinct characters",
    "S-11": "Dicts with distinct keys",
    "S-12": "Sequences with a space",
    "S-13": "Graphs with nodes that can be counted",
    "S-14": "OneOfs with an alternative",
    "S-16": "Boxes with the dtype's ends where they are unbounded",
}


def _contract_problems(probe: Probe) -> Iterator[Problem]:
    served = probe.described.contract if probe.dialect.name == "env" else probe.described.spec
    for name in ("observation_space", "action_space"):
        if served.HasField(name):
            yield from space_problems(getattr(served, name), name)


def _of_rule(rule: str, problems: Iterator[Problem]) -> None:
    """Raise `Failed` if one of the problems is of a rule, `Blocked` if there are others."""
    found = list(problems)
    for broken, path, words in found:
        if broken == rule:
            raise Failed(f"{rule} at {path}", words)
    if found:
        raise Blocked(f"{found[0][0]} is broken at {found[0][1]}")


def _add_space_check(rule: str, words: str) -> None:
    def run(probe: Probe) -> None:
        _of_rule(rule, _contract_problems(probe))

    run.__name__ = f"spaces_of_{rule.lower().replace('-', '_')}"
    run.__doc__ = f"Serve spaces with {words}."
    check(rule, peers=BOTH, stage=Stage.DESCRIBE)(run)


for _rule, _words in _SPACES.items():
    _add_space_check(_rule, _words)


@check("T-3", stage=Stage.DESCRIBE)
def contract_has_an_id(probe: Probe) -> None:
    """Serve a contract with an id."""
    expect(probe.contract.id, "EnvContract.id", "an empty one")


@check("T-3", stage=Stage.DESCRIBE)
def contract_has_spaces(probe: Probe) -> None:
    """Serve a contract with both spaces."""
    for name in ("observation_space", "action_space"):
        expect(probe.contract.HasField(name), name, "none")


@check("T-3", stage=Stage.DESCRIBE)
def contract_has_lanes(probe: Probe) -> None:
    """Serve a contract with `num_envs` of at least 1."""
    expect(probe.contract.num_envs >= 1, "num_envs 1 or more", probe.contract.num_envs)


@check("T-3", stage=Stage.DESCRIBE)
def exposed_names_are_distinct(probe: Probe) -> None:
    """Serve a contract with distinct names in `exposed`."""
    names = list(probe.contract.exposed)
    expect(len(set(names)) == len(names), "distinct names", names)


@check("L-1", "single", stage=Stage.DESCRIBE)
def single_contract_has_one_lane(probe: Probe) -> None:
    """Serve `num_envs` 1 and no autoreset mode if the contract is not a vector."""
    expect(probe.contract.num_envs <= 1, "num_envs 1", probe.contract.num_envs)
    mode = probe.contract.autoreset_mode
    expect(mode == 0, "no autoreset_mode", mode)


@check("E-8", peers=BOTH, stage=Stage.DESCRIBE)
def stored_version_is_one(probe: Probe) -> None:
    """Write the spec version into a contract or spec."""
    served = probe.described.contract if probe.dialect.name == "env" else probe.described.spec
    if served.spec_version:
        own = probe.described.server.spec_version
        expect(served.spec_version == own, own, served.spec_version)


@check("T-1", stage=Stage.DESCRIBE)
def tags_are_of_leaves(probe: Probe) -> None:
    """Serve tags with paths to leaves, and parts within them."""
    for name in ("observation", "action"):
        space = getattr(probe.contract, f"{name}_space")
        for tag in getattr(probe.contract.tags, name):
            leaf = _leaf_of(space, tag.path)
            expect(leaf is not None, f"a path to a leaf of the {name} space", tag.path)
            if not tag.HasField("offset"):
                expect(tag.length == 0, "no length without offset", tag.length)
            else:
                expect(tag.length >= 1, "a length of 1 or more", tag.length)


def _leaf_of(space: Any, path: Any) -> Any:
    for step in path:
        kind = space.WhichOneof("kind")
        if kind == "dict":
            found = [e.space for e in space.dict.entries if _matches(e, step)]
        elif kind in ("tuple", "one_of"):
            found = list(getattr(space, kind).spaces)[step.index :][:1]
        else:
            return None
        if not found:
            return None
        space = found[0]
    leafs = ("box", "discrete", "multi_binary", "multi_discrete", "text")
    return space if space.WhichOneof("kind") in leafs else None


def _matches(entry: Any, step: Any) -> bool:
    if entry.WhichOneof("key") == "name":
        return step.WhichOneof("segment") == "name" and bool(entry.name == step.name)
    return step.WhichOneof("segment") == "index" and bool(entry.index == step.index)


_DYNAMIC = {
    "D-1": "a kind",
    "D-2": "big integers in the fewest bytes, and no others",
    "D-4": "scalars of the size of their dtype",
    "D-5": "arrays with as many elements as their shape",
    "D-6": "maps with distinct keys",
    "D-7": "at most 24 levels",
}


def _sent_maps(probe: Probe) -> Iterator[Problem]:
    yield from map_problems(probe.contract.metadata, "metadata")
    session = probe.open()
    yield from map_problems(session.do("reset").info, "info")
    for _ in range(3):
        yield from map_problems(session.step().info, "info")
    if probe.lists("RENDER"):
        answer = session.ask("render")
        if answer.render.HasField("frame"):
            yield from dynamic_problems(answer.render.frame, "frame")


def _add_dynamic_check(rule: str, words: str) -> None:
    def run(probe: Probe) -> None:
        _of_rule(rule, _sent_maps(probe))

    run.__name__ = f"info_of_{rule.lower().replace('-', '_')}"
    run.__doc__ = f"Send in info, metadata and frames values with {words}."
    check(rule, peers="env")(run)


_VALUES = {
    "V-3": ("", "as many slabs as the space has"),
    "V-4": ("", "slabs of the exact size"),
    "V-7": ("", "bytes 0 and 1 as truth values"),
    "V-8": ("", "integers within their range"),
    "V-9": ("obs:text", "texts in UTF-8"),
    "V-10": ("obs:graph", "edge counts that agree with the flags"),
    "V-11": ("obs:graph", "edge links to nodes of the graph"),
    "V-12": ("obs:one_of", "indices of alternatives"),
    "V-15": ("obs:sequence", "no stack without a slab"),
}


def _observation_problems(probe: Probe) -> Iterator[Problem]:
    session = probe.open()
    batch = probe.contract.num_envs if probe.contract.vector else None
    for turn in range(4):
        part = session.step() if turn else session.do("reset")
        try:
            check_value(probe.contract.observation_space, part.observation, batch)
        except BadValue as bad:
            yield bad.rule, f"observation{bad.path}", str(bad)


def _add_value_check(rule: str, need: str, words: str) -> None:
    def run(probe: Probe) -> None:
        _of_rule(rule, _observation_problems(probe))

    run.__name__ = f"observations_of_{rule.lower().replace('-', '_')}"
    run.__doc__ = f"Send observations with {words}."
    check(rule, *filter(None, [need]))(run)


for _rule, (_need, _words) in _VALUES.items():
    _add_value_check(_rule, _need, _words)
for _rule, _words in _DYNAMIC.items():
    _add_dynamic_check(_rule, _words)
