"""Images at the edges of what can be changed: two crops, no pixels, odd fills, and outputs."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from rlmesh import spaces
from rlmesh.adapters import (
    Adapter,
    ColorSpace,
    EnvTags,
    Feature,
    FeatureKind,
    ImageFit,
    ImageLayout,
    ImageTransform,
    ModelInput,
    ModelOutput,
    ModelSpec,
    Orientation,
    Resampler,
    TaggedLeaf,
    resolve,
)
from rlmesh.errors import AdapterError
from rlmesh.specs import EnvContract
from tests.cases import for_each

np = pytest.importorskip("numpy")
pytest.importorskip("PIL.Image")
BACKEND = pytest.importorskip("rlmesh_numpy").BACKEND

NOTHING = spaces.Dict({})


def image(layout: str = "hwc", color: str = "rgb", turns: int = 0) -> Feature:
    kinds = FeatureKind.IMAGE, ImageLayout(layout), ColorSpace(color)
    return Feature("image", *kinds, orientation=Orientation(turns))


def reader(shape: tuple[int, ...], *changes: ImageTransform, dtype: str = "uint8") -> Adapter:
    """An adapter of a model that reads one image with these changes."""
    space = spaces.Box(0, 255, shape, dtype)
    contract = EnvContract("e", space, NOTHING, tags=EnvTags((TaggedLeaf((), image()),)))
    spec = ModelSpec(inputs=(ModelInput("", image(), image=changes),))
    return resolve(contract, spec, backend=BACKEND)


def maker(env: Feature, model: Feature, shape: tuple[int, ...]) -> Adapter:
    """An adapter of a model that makes one image."""
    space = spaces.Box(0, 255, shape, "uint8")
    contract = EnvContract("e", NOTHING, space, tags=EnvTags((), (TaggedLeaf((), env),)))
    return resolve(contract, ModelSpec(outputs=(ModelOutput("", model),)), backend=BACKEND)


def test_the_second_crop_is_in_the_middle_of_the_first() -> None:
    """A-5: each crop has its own half of a difference, rounded down, above and left."""
    change = ImageTransform((1, 4), ImageFit.CROP, crop_area=0.64)
    picture = np.arange(75, dtype="u1").reshape(5, 5, 3)
    # 4 of 5 rows from row 0, and of these 1 from row 1; 4 of 5 columns from column 0.
    seen = reader(picture.shape, change)
    assert np.array_equal(seen.observe(picture, seen.episode()), picture[1:2, 0:4])


@for_each(
    "shape",
    [(0, 5, 3), (5, 0, 3), (0, 4, 5, 3)],
)
@for_each(
    "change",
    [ImageTransform((4, 4)), ImageTransform(crop_area=0.5), ImageTransform(jpeg_quality=9)],
)
def test_an_image_without_pixels_is_not_changed(
    shape: tuple[int, ...], change: ImageTransform
) -> None:
    with pytest.raises(AdapterError, match="expected an image with pixels to change"):
        reader(shape, change)


@for_each(
    "case",
    [(300, "uint8"), (-1, "uint8"), (0.5, "uint8"), (1e6, "float16")],
)
def test_a_fill_is_a_number_of_the_image(case: tuple[float, str]) -> None:
    number, dtype = case
    change = ImageTransform((8, 8), ImageFit.PAD, fill=(number,))
    with pytest.raises(AdapterError, match=f"a fill of numbers of {dtype}"):
        reader((4, 8, 3), change, dtype=dtype)


def test_a_fill_of_large_whole_numbers_is_exact() -> None:
    number = 2**31 - 1
    change = ImageTransform((8, 8), ImageFit.PAD, fill=(number,))
    seen = reader((4, 8, 3), change, dtype="int32")
    picture = seen.observe(np.zeros((4, 8, 3), "i4"), seen.episode())
    assert picture[0, 0].tolist() == [number] * 3


@for_each("layout", ["hwc", "chw"])
@for_each("turns", [1, 2, 3])
def test_an_output_is_turned_to_the_environments_orientation(layout: str, turns: int) -> None:
    picture = np.arange(72, dtype="u1").reshape(4, 6, 3)
    made: Any = np.rot90(picture, -turns)[..., ::-1]
    made = made if layout == "hwc" else np.moveaxis(made, -1, 0)
    adapter = maker(image(), image(layout, "bgr", turns), picture.shape)
    assert np.array_equal(adapter.act(made), picture)
    assert np.array_equal(adapter.act(np.stack([made, made]), 2)[1], picture)


def test_an_output_without_an_opacity_makes_no_rgba() -> None:
    with pytest.raises(AdapterError, match="color"):
        maker(image(color="rgba"), image(), (4, 6, 4))


def test_depth_of_16_bits_is_turned_in_every_library() -> None:
    depth = np.array([[1, 2, 3], [40_000, 5, 65_535]], "u2")
    tag = Feature("d", FeatureKind.IMAGE, ImageLayout.HW, orientation=Orientation(2))
    feature = Feature("d", FeatureKind.IMAGE, ImageLayout.HW)
    for library in ("numpy", "torch", "jax"):
        backend = pytest.importorskip(f"rlmesh_{library}").BACKEND
        contract = EnvContract(
            "e", spaces.Box(0, 65_535, (2, 3), "uint16"), spaces.Dict({}),
            tags=EnvTags((TaggedLeaf((), tag),)),
        )  # fmt: skip
        spec = ModelSpec(inputs=(ModelInput("", feature),))
        found = resolve(contract, spec, backend=backend).episode().observe(depth)
        np.testing.assert_array_equal(np.asarray(found), depth[::-1, ::-1])


@pytest.mark.parametrize(
    ("shape", "size"), [((1, 90_000), (2_700, 33)), ((90_000, 1), (33, 2_700))]
)
def test_a_long_image_takes_no_memory_in_between(
    shape: tuple[int, int], size: tuple[int, int]
) -> None:
    """Picked the wrong way round, rows and columns would take 2,700 times the memory."""
    picture = np.arange(270_000, dtype="u4").astype("u1").reshape(*shape, 3)
    adapter = reader(picture.shape, ImageTransform(size, resampler=Resampler.NEAREST)).episode()
    tracemalloc.start()
    try:
        found = adapter.observe(picture)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * picture.nbytes
    rows, columns = (
        [(2 * i + 1) * old // (2 * new) for i in range(new)] for old, new in zip(shape, size)
    )
    np.testing.assert_array_equal(found, picture[np.ix_(rows, columns)])


def test_an_image_that_is_too_long_for_a_jpeg_is_refused() -> None:
    with pytest.raises(AdapterError, match="at most 65500 pixels a side for a JPEG"):
        reader((1, 65_501, 3), ImageTransform(jpeg_quality=90))
