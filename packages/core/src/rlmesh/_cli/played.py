"""What a command line plays: the model, the environments and the rule of success."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlmesh._cli.description import describe
from rlmesh._cli.models import dial_model, is_address, load_model
from rlmesh._cli.parameters import read_address
from rlmesh._cli.random_driver import connect
from rlmesh._cli.sources import UsageProblem, load, read_object
from rlmesh._cli.suite_file import read_suite
from rlmesh._transport.address import tls_for
from rlmesh.options import TLS

if TYPE_CHECKING:
    from rlmesh._evaluation.suite import Task

__all__ = ["ModelNamed", "endpoints", "success_arguments", "tasks_of"]


@dataclass(frozen=True)
class ModelNamed:
    """The MODEL of a command line.

    Attributes:
        name: `module:name`, "random" or the address of a served model.
        kwargs: JSON object with the arguments of a class.
        backend: Backend of its values; None: not given.
        token: Bearer token of a served model.
    """

    name: str
    kwargs: str = "{}"
    backend: str | None = None
    token: str = ""

    @property
    def load_arguments(self) -> dict[str, Any]:
        """Arguments that the model is made with, for the settings of a run."""
        return {} if is_address(self.name) else read_object(self.kwargs, "--model-kwargs")

    def opened(self, stack: contextlib.ExitStack, tls: TLS | None, timeout: float) -> Any:
        """Return the model, which `stack` closes if it is served.

        Raises:
            UsageProblem: If there is no such model or backend.
            RLMeshError: If a served model cannot be reached.
        """
        if not is_address(self.name):
            return load_model(self.name, self.kwargs, self.backend)
        own = tls_for(self.name, tls)
        return stack.enter_context(dial_model(self.name, self.backend, self.token, own, timeout))


def tasks_of(
    addresses: Sequence[str] | None, suite: Path | None, directory: Path | None = None
) -> dict[str, Task]:
    """Return the tasks of a suite by name; without a suite, one with an empty name.

    Args:
        addresses: Addresses of environments.
        suite: File of a suite.
        directory: Folder in which servers announce themselves.

    Raises:
        UsageProblem: If there is neither an address, a folder nor a suite, or a suite beside one of
            the others, or one is wrong.
    """
    if bool(addresses or directory) == (suite is not None):
        raise UsageProblem(
            "expected addresses of environments or --directory, or --suite with those of its tasks"
        )
    if suite is not None:
        return read_suite(suite)
    for address in addresses or ():
        read_address(address)
    from rlmesh._evaluation.suite import Task

    if directory is None:
        return {"": Task(addresses)}
    from rlmesh.endpoints import Directory

    return {"": Task([*(addresses or ()), Directory(directory)])}


def success_arguments(success: str, key: str | None) -> dict[str, Any]:
    """Return the arguments of the rule of success.

    Raises:
        UsageProblem: If there is no such rule or function.
    """
    from rlmesh._evaluation.success import success_rule

    rule = load(success) if ":" in success else success
    try:
        success_rule(rule, key)
    except (TypeError, ValueError) as error:
        raise UsageProblem(f"--success, --success-key: {error}") from None
    return {"success": rule, "success_key": key}


def endpoints(
    stack: contextlib.ExitStack,
    addresses: Sequence[Any],
    token: str,
    tls: TLS | None,
    timeout: float,
    validation: str,
) -> list[Any]:
    """Return the addresses to evaluate on, or clients for those that need certificates."""
    envs: list[Any] = []
    for address in addresses:
        own = tls_for(address, tls) if isinstance(address, str) else None
        if own is None:
            envs.append(address)
        else:
            description = describe(address, token, own, timeout)
            client = connect(
                description,
                token=token,
                tls=own,
                connect_timeout=timeout,
                validation=validation,
            )
            envs.append(stack.enter_context(client))
    return envs
