"""Values that only vectors have: rewards and flags of lanes, masks, final observations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlmesh._codec.base import are_bools
from rlmesh._messages import env as m
from rlmesh.backends import ArrayBackend, Buffer, Leaf
from rlmesh.dtypes import dtype
from rlmesh.errors import CodecError, InvalidValueError

__all__ = ["FINAL_KEY", "FINAL_MASK_KEY", "LaneIO", "batch_words"]

FINAL_KEY = "final_obs"
"""Info key of Gymnasium's last observations (autoreset SAME_STEP)."""

FINAL_MASK_KEY = "_final_obs"
"""Info key of the mask of lanes that have one."""

_FLAGS = ("terminated", "truncated", "reset_mask", "lane_mask", FINAL_MASK_KEY)


class LaneIO:
    """Slabs of a vector's rewards, flags and masks.

    Args:
        backend: Backend of the vector's arrays.
        num_envs: Number of lanes.
    """

    def __init__(self, backend: ArrayBackend, num_envs: int) -> None:
        self._backend = backend
        self._num_envs = num_envs
        self._leaves = {
            "reward": Leaf("reward", dtype("float64"), (num_envs,)),
            **{name: Leaf(name, dtype("bool"), (num_envs,)) for name in _FLAGS},
        }

    def outcomes(self, rewards: Any, terminated: Any, truncated: Any) -> m.LaneOutcomes:
        """Return rewards and flags as slabs.

        Raises:
            InvalidValueError: If one does not have an element for each lane.
        """
        return m.LaneOutcomes(
            self._slab(rewards, "reward"),
            self._slab(terminated, "terminated"),
            self._slab(truncated, "truncated"),
        )

    def _slab(self, values: Any, name: str) -> Buffer:
        backend, leaf = self._backend, self._leaves[name]
        exact = backend.exact_bytes(values, leaf, False)
        if exact is not None:
            return exact
        return backend.to_bytes(backend.as_leaf(values, leaf, None))

    def checked(self, rewards: Any, terminated: Any, truncated: Any) -> tuple[Any, Any, Any]:
        """Return what a vector of this process returned as a client would receive it.

        Raises:
            InvalidValueError: If one does not have an element for each lane.
        """
        try:
            return self.arrays(self.outcomes(rewards, terminated, truncated))
        except InvalidValueError as error:
            error.side = "observation"
            raise

    def arrays(self, outcomes: m.LaneOutcomes) -> tuple[Any, Any, Any]:
        """Return rewards (float64) and flags (bool) as arrays that own their memory.

        Raises:
            CodecError: If one does not have an element for each lane, or a flag is not 0 or 1.
        """
        return (
            self._array(outcomes.rewards, "reward"),
            self._flags(outcomes.terminated, "terminated"),
            self._flags(outcomes.truncated, "truncated"),
        )

    def _flags(self, slab: Buffer, path: str) -> Any:
        flags = bytes(slab)  # What is checked must be what is made: see `SlabReader`.
        if not are_bools(flags):
            strange = flags.translate(None, b"\0\1")[0]
            raise CodecError.of_rule("G-5", "flags of 0 or 1", str(strange), path=path)
        return self._array(flags, path)

    def _array(self, slab: Buffer, name: str) -> Any:
        leaf = self._leaves[name]
        if len(slab) != leaf.nbytes:
            expected = f"{leaf.nbytes} bytes, for {self._num_envs} lanes"
            raise CodecError.of_rule("V-4", expected, str(len(slab)), path=name)
        return self._backend.from_bytes(slab, leaf, None, copy=True)

    def mask_slab(self, mask: Any) -> bytes:
        """Return a mask of lanes as a slab."""
        return bytes(self._slab(mask, "reset_mask"))

    def mask_array(self, mask: bytes, path: str) -> Any:
        """Return a mask of lanes as a bool array.

        Raises:
            CodecError: If it does not have a byte for each lane, or a byte is not 0 or 1.
        """
        return self._flags(mask, path)

    def check_lanes(self, reset: m.Reset, seeds: str, mask: str) -> None:
        """Check that seeds and mask have one element for each lane.

        Args:
            reset: The request.
            seeds: Name of the seeds, for the error.
            mask: Name of the mask, for the error.

        Raises:
            InvalidValueError: If one of them has not.
        """
        for name, lanes in ((seeds, reset.lane_seeds), (mask, reset.lane_mask or None)):
            if lanes is not None and len(lanes) != self._num_envs:
                raise InvalidValueError(name, f"one a lane ({self._num_envs})", str(len(lanes)))

    def check_rendered(self, render: m.Render, *, vector: bool) -> None:
        """Check the lanes that are to be drawn.

        Raises:
            InvalidValueError: If they are not distinct lanes of a vector.
        """
        lanes, lane_count = render.lanes, self._num_envs if vector else 0
        if len(set(lanes)) != len(lanes) or any(not 0 <= lane < lane_count for lane in lanes):
            expected = (
                f"distinct lanes below {lane_count}" if vector else "none for a single environment"
            )
            raise InvalidValueError("lanes", expected, f"{lanes[:8]}")

    def split_final(
        self, info: Mapping[Any, Any]
    ) -> tuple[bytes, list[Any] | None, Mapping[Any, Any]]:
        """Return mask and list of a vector's last observations, and the rest of its info."""
        if FINAL_KEY not in info or FINAL_MASK_KEY not in info:
            return b"", None, info
        mask = self.mask_slab(info[FINAL_MASK_KEY])
        values = info[FINAL_KEY]
        final = [values[lane] for lane, here in enumerate(mask) if here]
        rest = {k: v for k, v in info.items() if k not in (FINAL_KEY, FINAL_MASK_KEY)}
        return mask, final, rest


def batch_words(size: int | None) -> str:
    """Return the form of a value in words."""
    return "one value" if size is None else f"a batch of {size}"
