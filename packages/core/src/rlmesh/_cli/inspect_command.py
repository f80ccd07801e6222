"""`rlmesh inspect`: the contract or spec of an endpoint, as a tree."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from rich.text import Text
from rich.tree import Tree

from rlmesh._cli.console import reporting
from rlmesh._cli.description import Description, ModelDescription, describe_any
from rlmesh._cli.logs import begin_log
from rlmesh._cli.parameters import (
    Address,
    Authority,
    Certificate,
    Debug,
    Json,
    Key,
    LogFormat,
    LogLevel,
    Timeout,
    Token,
    read_address,
    tls_of,
)
from rlmesh._cli.space_facts import plain, space_facts, space_words
from rlmesh._reporting.words import escape_control_chars
from rlmesh.adapters import TaggedLeaf
from rlmesh.dtypes import DType
from rlmesh.spaces import Space
from rlmesh.specs import EnvContract, ModelSpec, PeerInfo, SessionTerms

__all__ = ["description_facts", "description_tree", "inspect"]

_UNSAID: tuple[Any, ...] = (None, [], "", "unspecified")

_IN_WORDS = frozenset(
    (
        "id",
        "observation_space",
        "action_space",
        "num_envs",
        "vector",
        "autoreset_mode",
        "render_mode",
        "render_modes",
        "render_fps",
        "metadata",
        "tags",
        "registration",
        "exposed",
        "reward_range",
        "spec_version",
    )
)
"""Fields of a contract that the tree has words of its own for; others have their name and value."""


def inspect(
    address: Address,
    token: Token = "",
    tls_authority: Authority = None,
    tls_certificate: Certificate = None,
    tls_key: Key = None,
    connect_timeout: Timeout = 10.0,
    json: Json = False,
    debug: Debug = False,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
) -> None:
    """Show what an endpoint serves, as a tree: an environment's contract, or a model's spec."""
    with reporting("inspect", json=json, debug=debug) as reporter:
        begin_log(log_level, log_format, "warning")
        tls = tls_of(tls_authority, tls_certificate, tls_key)
        description = describe_any(read_address(address), token, tls, connect_timeout)
        if reporter.json:
            reporter.document(description_facts(description))
        else:
            reporter.out.print(description_tree(description))


def description_facts(description: Description | ModelDescription) -> dict[str, Any]:
    """Return a description in the form of JSON."""
    if isinstance(description, ModelDescription):
        served = {"model": _facts(description.model)}
    else:
        served = {"contract": _facts(description.contract)}
    return {
        "address": description.address,
        **served,
        "server": {name: _fact(value) for name, value in vars(description.server).items()},
        "terms": dict(vars(description.terms)),
    }


def _facts(described: Any) -> dict[str, Any]:
    """Return the specified fields of a contract, spec or tag."""
    # Of a tag or an input, what is as it usually is would hide what is not.
    usual = type(described).__module__.startswith("rlmesh.adapters.")
    facts = {
        field.name: _fact(getattr(described, field.name))
        for field in fields(described)
        if not (usual and getattr(described, field.name) == field.default)
    }
    return {name: value for name, value in facts.items() if value not in _UNSAID}


def _fact(value: Any) -> Any:
    if isinstance(value, Space):
        return space_facts(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, frozenset):
        return sorted(_fact(item) for item in value)
    if isinstance(value, tuple):
        return [_fact(item) for item in value]
    if isinstance(value, DType):
        return str(value)
    if is_dataclass(value):
        return _facts(value)
    return plain(value)


def description_tree(description: Description | ModelDescription) -> Tree:
    """Return a description as a rich tree."""
    if isinstance(description, ModelDescription):
        tree = Tree(_label(description.model.id, f"model at {description.address}"))
        _add_model(tree, description.model)
    else:
        tree = Tree(_label(description.contract.id, f"at {description.address}"))
        _add_contract(tree, description.contract)
    _add_server(tree, description.server, description.terms)
    return tree


def _add_contract(tree: Tree, contract: EnvContract) -> None:
    observation, action = (
        (contract.tags.observation, contract.tags.action) if contract.tags else ((), ())
    )
    _add_space(tree, "observation", contract.observation_space, (), observation)
    _add_space(tree, "action", contract.action_space, (), action)
    for name, words in _contract_words(contract):
        tree.add(_label(name, words))
    if contract.metadata:
        _add_facts(tree.add(_label("metadata")), contract.metadata)


def _add_model(tree: Tree, model: ModelSpec) -> None:
    tree.add(_label("forms", ", ".join(form.value for form in model.predict_forms)))
    tree.add(_label("adaptation", model.adaptation.value))
    for name, features in (("inputs", model.inputs), ("outputs", model.outputs)):
        if features:
            node = tree.add(_label(name))
            for feature in features:
                _add_facts(node.add(_label(feature.name or "the whole")), _named(feature))
    for name, space in (
        ("observation", model.observation_space),
        ("action", model.action_space),
    ):
        if space is not None:
            _add_space(tree, name, space, (), ())
    if model.chunk_length:
        tree.add(_label("chunk length", str(model.chunk_length)))
    if model.stateful:
        tree.add(_label("stateful", "predictions depend on earlier observations"))
    if model.spec_version:
        tree.add(_label("spec", model.spec_version))
    if model.metadata:
        _add_facts(tree.add(_label("metadata")), model.metadata)


def _named(feature: Any) -> dict[str, Any]:
    """Return the specified fields of an input or output, except its name."""
    facts = _facts(feature)
    return {**facts.pop("feature"), **{k: v for k, v in facts.items() if k != "name"}}


def _add_server(tree: Tree, server: PeerInfo, terms: SessionTerms) -> None:
    node = tree.add(_label("server", f"{server.implementation} {server.name}".strip()))
    node.add(_label("spec", f"{server.spec_version} {server.spec_digest[:12]}".strip()))
    if server.software:
        versions = (f"{name} {version}" for name, version in sorted(server.software.items()))
        node.add(_label("software", ", ".join(versions)))
    node.add(_label("capabilities", ", ".join(sorted(c.value for c in server.capabilities))))
    if server.extensions:
        node.add(_label("extensions", ", ".join(server.extensions)))
    _add_facts(node.add(_label("terms")), vars(terms))


def _contract_words(contract: EnvContract) -> list[tuple[str, str]]:
    """Return a contract's facts besides its spaces and metadata, as pairs of name and text."""
    words: list[tuple[str, str]] = []
    if contract.vector:
        mode = contract.autoreset_mode.value if contract.autoreset_mode else "not specified"
        words.append(("vector", f"{contract.num_envs} lanes, autoreset {mode}"))
    modes = f"; could be {', '.join(contract.render_modes)}" if contract.render_modes else ""
    fps = "" if contract.render_fps is None else f", {contract.render_fps:g} images a second"
    words.append(("render mode", f"{contract.render_mode or 'none'}{fps}{modes}"))
    if contract.reward_range is not None:
        low, high = contract.reward_range
        words.append(("reward", f"from {low:g} to {high:g}"))
    if contract.registration is not None:
        entries = [f"{k}={v!r}" for k, v in vars(contract.registration).items() if v]
        words.append(("registration", ", ".join(entries)))
    if contract.exposed:
        words.append(("exposed", ", ".join(contract.exposed)))
    if contract.tags and contract.tags.labels:
        words.append(("labels", ", ".join(contract.tags.labels)))
    if contract.spec_version:
        words.append(("spec", contract.spec_version))
    others = {name: fact for name, fact in _facts(contract).items() if name not in _IN_WORDS}
    words.extend((name, str(fact)) for name, fact in others.items())
    return words


def _add_space(
    parent: Tree,
    name: str,
    space: Space[Any],
    path: tuple[str | int, ...],
    tags: tuple[TaggedLeaf, ...],
) -> None:
    node = parent.add(_label(name, space_words(space)))
    for tag in tags:
        if tag.path == path:
            node.add(_label("tag", _tag_words(tag), style="green"))
    for key, child in space.children:
        _add_space(node, str(key), child, (*path, key), tags)


def _tag_words(tag: TaggedLeaf) -> str:
    words = [f"{k}={v}" for k, v in _facts(tag.feature).items() if k != "role"]
    part = "" if tag.offset is None else f"elements {tag.offset} to {tag.offset + tag.length - 1}"
    return ", ".join(filter(None, (tag.feature.role, part, *words)))


def _add_facts(node: Tree, facts: Any) -> None:
    for name, value in facts.items():
        text = f"{value:g}" if isinstance(value, float) else f"{value!r:.200}"
        node.add(_label(str(name), text))


def _label(name: str, words: str = "", style: str = "bold cyan") -> Text:
    """Return a line of the tree, as Text because a peer's text must not be read as markup."""
    text = Text(escape_control_chars(name), style)
    return text.append(f"  {escape_control_chars(words)}", "default not bold") if words else text
