"""Whatever an environment puts into an info, its step arrives (D-8)."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import pytest
from hypothesis import given

from rlmesh._messages import env as m
from rlmesh._wire.env_codec import EnvWireCodec
from rlmesh.backends import NATIVE, ArrayBackend

pytest.importorskip("numpy")
any_infos: Any = importlib.import_module("tests.property.any_objects").any_infos
NUMPY: ArrayBackend = importlib.import_module("rlmesh_numpy").BACKEND


@pytest.mark.parametrize("backend", [NATIVE, NUMPY], ids=lambda backend: backend.name)
@given(info=any_infos())
def test_an_info_of_any_objects_is_read_as_it_is_written(
    backend: ArrayBackend, info: dict[Any, Any]
) -> None:
    done = m.StepDone(m.Encoded([]), reward=0.5, info=info)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frame = EnvWireCodec(backend).write_reply(1, done)
    for reader in (NATIVE, NUMPY):
        number, reply = EnvWireCodec(reader).read_reply(frame)
        assert isinstance(reply, m.StepDone) and (number, reply.reward) == (1, 0.5)
        assert len(reply.info) <= len(info) and bool(reply.info) == bool(info)
