"""Target: bytes of the answer of `Describe`, an environment's contract among them."""

from __future__ import annotations

import warnings

from rlmesh._wire.env_codec import EnvWireCodec
from rlmesh.errors import CodecError
from tests.fuzz.promises import check_refusal
from tests.fuzz.values import BACKENDS

__all__ = ["run"]


def run(data: bytes) -> None:
    """A CodecError, or a contract that is written as it was read."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the (tags|reward_range) of")
        _run(data)


def _run(data: bytes) -> None:
    for backend in BACKENDS:
        frames = EnvWireCodec(backend)
        try:
            description = frames.read_description(data)
        except CodecError as error:
            check_refusal(error)
            continue
        contract = description[1]
        repr(contract)
        assert 1 <= contract.num_envs <= 65_536
        again = frames.write_description(*description)
        assert frames.write_description(*frames.read_description(again)) == again
