"""Checks that endpoints serve the same environment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rlmesh.specs import EnvContract

__all__ = ["check_same", "common_contract"]


def common_contract(contracts: Sequence[tuple[str, EnvContract]]) -> EnvContract:
    """Return the contract of an environment that several endpoints serve.

    Args:
        contracts: Name and contract of each endpoint; at least one.

    Raises:
        ValueError: If they are different environments, because results would then depend on which
            endpoint plays an episode.
    """
    named = [contract for _, contract in contracts if _has_name(contract)]
    contract = named[0] if named else contracts[0][1]
    for name, other in contracts:
        check_same(contract, other, name)
    tagged = (other.tags for _, other in contracts if other.tags is not None)
    return replace(contract, tags=next(tagged, None))


def check_same(contract: EnvContract, other: EnvContract, name: str) -> None:
    """Check that an endpoint serves the environment of a contract.

    The id of a vector made without a Gymnasium spec is only its class, so that it is not compared.
    An environment without tags may be the same as one with tags.

    Raises:
        ValueError: If it serves another environment.
    """
    for part in ("id", "observation_space", "action_space", "tags"):
        one, two = getattr(contract, part), getattr(other, part)
        if part == "id" and not (_has_name(contract) and _has_name(other)):
            continue
        if one != two and not (part == "tags" and (one is None or two is None)):
            raise ValueError(
                f"expected endpoints of one environment, but the {part} of {name} is {two!r:.200} "
                f"instead of {one!r:.200}; evaluate each in a run of its own"
            )


def _has_name(contract: EnvContract) -> bool:
    """Return whether the contract's id names the environment."""
    return not contract.vector or contract.registration is not None
