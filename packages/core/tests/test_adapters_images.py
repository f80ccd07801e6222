"""Images: turned, cropped, resized and padded, equal to what Pillow and OpenCV make of them."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest

from rlmesh import spaces
from rlmesh.adapters import (
    Adapter,
    ColorSpace,
    Depth,
    DepthEncoding,
    EnvTags,
    Feature,
    FeatureKind,
    ImageFit,
    ImageLayout,
    ImageTransform,
    ModelInput,
    ModelSpec,
    Orientation,
    Resampler,
    TaggedLeaf,
    resolve,
)
from rlmesh.adapters._arrays import Arrays
from rlmesh.dtypes import DTYPES
from rlmesh.errors import AdapterError
from rlmesh.specs import EnvContract
from tests.cases import for_each

np = pytest.importorskip("numpy")
Image = pytest.importorskip("PIL.Image")
cv2 = pytest.importorskip("cv2")
numpy_backend = pytest.importorskip("rlmesh_numpy").BACKEND

HWC = Feature("image", FeatureKind.IMAGE, ImageLayout.HWC, ColorSpace.RGB)
NOTHING = spaces.Dict({})


def adapter_of(
    extents: tuple[int, ...], env: Feature, backend: Any = numpy_backend, **facts: Any
) -> Adapter:
    """An adapter between an environment of one image and a model of one image."""
    dtype = facts.pop("env_dtype", "uint8")
    ends = (0, 255) if dtype == "uint8" else (0, 1)
    space = spaces.Box(*ends, extents, dtype)
    contract = EnvContract("e", space, NOTHING, tags=EnvTags((TaggedLeaf((), env),)))
    port = ModelInput("", facts.pop("feature", env), **facts)
    return resolve(contract, ModelSpec(inputs=(port,)), backend=backend)


def picture(*shape: int) -> Any:
    return np.random.default_rng(7).integers(0, 256, shape, "u1")


def by_pillow(name: str) -> Callable[[Any, tuple[int, int]], Any]:
    def resized(image: Any, size: tuple[int, int]) -> Any:
        found = Image.fromarray(image).resize(size[::-1], getattr(Image.Resampling, name))
        return np.asarray(found)

    return resized


def by_opencv(name: str) -> Callable[[Any, tuple[int, int]], Any]:
    return lambda image, size: cv2.resize(image, size[::-1], interpolation=getattr(cv2, name))


ORACLES = {
    Resampler.PILLOW_BILINEAR: by_pillow("BILINEAR"),
    Resampler.PILLOW_BICUBIC: by_pillow("BICUBIC"),
    Resampler.PILLOW_LANCZOS: by_pillow("LANCZOS"),
    Resampler.PILLOW_BOX: by_pillow("BOX"),
    Resampler.OPENCV_LINEAR: by_opencv("INTER_LINEAR"),
    Resampler.OPENCV_AREA: by_opencv("INTER_AREA"),
    Resampler.OPENCV_CUBIC: by_opencv("INTER_CUBIC"),
}
SIZES = [((48, 64), (22, 22)), ((30, 20), (33, 71)), ((64, 48), (32, 24)), ((7, 5), (3, 9))]


@for_each("resampler", ORACLES)
def test_a_resized_image_is_the_librarys_to_the_pixel(resampler: Resampler) -> None:
    for source, size in SIZES:
        image = picture(*source, 3)
        adapter = adapter_of(image.shape, HWC, image=(ImageTransform(size, resampler=resampler),))
        np.testing.assert_array_equal(
            adapter.episode().observe(image), ORACLES[resampler](image, size), err_msg=str(size)
        )


@for_each("library", ("torch", "jax"))
def test_other_libraries_have_the_same_pixels_in_the_memory_of_the_cpu(library: str) -> None:
    module = pytest.importorskip(f"rlmesh_{library}")
    for resampler in ORACLES:
        for source, size in SIZES:
            image = picture(*source, 3)
            resized = (ImageTransform(size, resampler=resampler),)
            adapter = adapter_of(image.shape, HWC, module.BACKEND, image=resized)
            wanted = ORACLES[resampler](image, size)
            episode = adapter.episode()
            np.testing.assert_array_equal(np.asarray(episode.observe(image)), wanted)
            stacked = adapter.observe_batch(np.stack([image, image]), [episode, adapter.episode()])
            np.testing.assert_array_equal(np.asarray(stacked), np.stack([wanted, wanted]))


@for_each("library", ("torch", "jax"))
def test_on_other_devices_pixels_differ_by_one_shade_at_most(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = pytest.importorskip(f"rlmesh_{library}")
    monkeypatch.setattr(Arrays, "is_on_host", lambda self, array: False)
    for resampler in ORACLES:
        for source, size in SIZES:
            image = picture(*source, 3)
            adapter = adapter_of(
                image.shape, HWC, module.BACKEND, image=(ImageTransform(size, resampler=resampler),)
            )
            found = np.asarray(adapter.episode().observe(image)).astype(int)
            wanted = ORACLES[resampler](image, size).astype(int)
            assert found.shape == wanted.shape
            difference = np.abs(found - wanted)
            assert difference.max() <= 1, (resampler, source, size)
            assert (difference > 0).mean() < 0.2, (resampler, source, size)


@for_each("library", ("numpy", "torch", "jax"))
def test_the_nearest_pixel_has_the_middle_of_the_new_one(library: str) -> None:
    module = pytest.importorskip(f"rlmesh_{library}")
    image = picture(9, 8, 3)
    nearest = (ImageTransform((4, 16), resampler=Resampler.NEAREST),)
    found = adapter_of(image.shape, HWC, module.BACKEND, image=nearest).episode().observe(image)
    rows = [1, 3, 5, 7]  # Middles at 1.125, 3.375, 5.625 and 7.875.
    columns = [int((i + 0.5) * 8 / 16) for i in range(16)]
    np.testing.assert_array_equal(np.asarray(found), image[rows][:, columns])
    np.testing.assert_array_equal(np.asarray(found), by_pillow("NEAREST")(image, (4, 16)))


@for_each("dtype", ("uint8", "uint16", "float32"))
def test_each_channel_of_any_dtype_is_resized(dtype: str) -> None:
    env = Feature("image", FeatureKind.IMAGE, ImageLayout.HWC)
    image = picture(20, 30, 5).astype(dtype)
    for resampler in (Resampler.PILLOW_BILINEAR, Resampler.OPENCV_AREA):
        adapter = adapter_of(
            image.shape, env, env_dtype=dtype, image=(ImageTransform((9, 11), resampler=resampler),)
        )
        found = adapter.episode().observe(image)
        assert found.dtype == image.dtype and found.shape == (9, 11, 5)
        for channel in range(5):
            mode = image[..., channel] if dtype == "uint8" else image[..., channel].astype("f4")
            wanted = ORACLES[resampler](np.ascontiguousarray(mode), (9, 11))
            np.testing.assert_allclose(
                found[..., channel], wanted, atol=0.5 if dtype != "float32" else 1e-3
            )


def test_stacks_of_frames_pass_through() -> None:
    frames = picture(2, 4, 10, 12, 3)
    adapter = adapter_of(frames.shape, HWC, image=(ImageTransform((5, 6)),))
    found = adapter.episode().observe(frames)
    assert found.shape == (2, 4, 5, 6, 3)
    np.testing.assert_array_equal(found[1, 2], by_pillow("BILINEAR")(frames[1, 2], (5, 6)))


def test_a_letterbox_keeps_the_ratio_and_is_filled() -> None:
    image = picture(30, 60, 3)
    transform = ImageTransform((20, 20), ImageFit.PAD, fill=(9.0, 8.0, 7.0))
    found = adapter_of(image.shape, HWC, image=(transform,)).episode().observe(image)
    assert (found[:5] == [9, 8, 7]).all() and (found[15:] == [9, 8, 7]).all()
    np.testing.assert_array_equal(found[5:15], by_pillow("BILINEAR")(image, (10, 20)))


def test_a_crop_keeps_the_middle() -> None:
    image = picture(40, 60, 3)
    fit = ImageTransform((10, 10), ImageFit.CROP)
    found = adapter_of(image.shape, HWC, image=(fit,)).episode().observe(image)
    np.testing.assert_array_equal(found, by_pillow("BILINEAR")(image[:, 10:50], (10, 10)))
    share = ImageTransform(crop_area=0.25)
    found = adapter_of(image.shape, HWC, image=(share,)).episode().observe(image)
    np.testing.assert_array_equal(found, image[10:30, 15:45])


def test_a_jpeg_is_what_its_reader_sees() -> None:
    image = picture(16, 16, 3)
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=80)
    file.seek(0)
    wanted = np.asarray(Image.open(file))
    for library in ("numpy", "torch"):
        module = pytest.importorskip(f"rlmesh_{library}")
        transform = ImageTransform(jpeg_quality=80)
        adapter = adapter_of(image.shape, HWC, module.BACKEND, image=(transform,))
        np.testing.assert_array_equal(np.asarray(adapter.episode().observe(image)), wanted)


def test_changes_follow_one_another() -> None:
    image = picture(40, 50, 3)
    changes = (
        ImageTransform((20, 20), resampler=Resampler.PILLOW_LANCZOS),
        ImageTransform((20, 20), crop_area=0.81),
    )
    found = adapter_of(image.shape, HWC, image=changes).episode().observe(image)
    first = by_pillow("LANCZOS")(image, (20, 20))
    np.testing.assert_array_equal(found, by_pillow("BILINEAR")(first[1:19, 1:19], (20, 20)))


def turned(image: Any, orientation: Orientation) -> Any:
    """An upright image as it is stored in an orientation."""
    image = image[:, ::-1] if orientation.mirrored else image
    return np.rot90(image, -orientation.quarter_turns)


ORIENTATIONS = [Orientation(turns, mirrored) for turns in range(4) for mirrored in (False, True)]


@for_each("env", ORIENTATIONS)
def test_cameras_in_any_orientation(env: Orientation) -> None:
    upright = picture(4, 6, 3)
    for model in ORIENTATIONS:
        stored = np.ascontiguousarray(turned(upright, env))
        feature = Feature("image", FeatureKind.IMAGE, ImageLayout.HWC, orientation=model)
        tag = Feature("image", FeatureKind.IMAGE, ImageLayout.HWC, orientation=env)
        found = adapter_of(stored.shape, tag, feature=feature).episode().observe(stored)
        np.testing.assert_array_equal(found, turned(upright, model), err_msg=f"{env} {model}")


def test_layout_color_and_range_follow_the_new_size() -> None:
    image = picture(20, 20, 3)
    feature = Feature("image", FeatureKind.IMAGE, ImageLayout.CHW, ColorSpace.BGR, range=(0.0, 1.0))
    adapter = adapter_of(
        image.shape,
        HWC,
        feature=feature,
        dtype=DTYPES["float32"],
        shape=(3, 8, 8),
        image=(ImageTransform((8, 8)),),
    )
    found = adapter.episode().observe(image)
    wanted = by_pillow("BILINEAR")(image, (8, 8))[..., ::-1].transpose(2, 0, 1) / 255
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=1e-7)


def test_opacity_is_dropped() -> None:
    image = picture(3, 3, 4)
    tag = Feature("image", FeatureKind.IMAGE, ImageLayout.HWC, ColorSpace.RGBA)
    for color, wanted in ((ColorSpace.RGB, image[..., :3]), (ColorSpace.BGR, image[..., 2::-1])):
        feature = Feature("image", FeatureKind.IMAGE, ImageLayout.HWC, color)
        found = adapter_of(image.shape, tag, feature=feature).episode().observe(image)
        np.testing.assert_array_equal(found, wanted)


def test_frames_are_joined_on_the_channels() -> None:
    adapter = adapter_of((4, 4, 3), HWC, history=3, history_stride=2, history_joined=True)
    episode = adapter.episode()
    frames = [picture(4, 4, 3) + i for i in range(6)]
    seen = [episode.observe(frame) for frame in frames]
    assert seen[0].shape == (4, 4, 9)
    np.testing.assert_array_equal(seen[5], np.concatenate([frames[1], frames[3], frames[5]], -1))
    np.testing.assert_array_equal(seen[2], np.concatenate([frames[0], frames[0], frames[2]], -1))


NEAR, FAR = 0.1, 5.0


def written(distance: Any, encoding: DepthEncoding) -> Any:
    if encoding is DepthEncoding.LINEAR:
        return (distance - NEAR) / (FAR - NEAR)
    if encoding is DepthEncoding.Z_BUFFER:
        # OpenGL's projection: z_ndc = (f + n) / (f - n) - 2 f n / ((f - n) distance).
        ndc = (FAR + NEAR) / (FAR - NEAR) - 2 * FAR * NEAR / ((FAR - NEAR) * distance)
        return (ndc + 1) / 2
    return distance


@pytest.mark.parametrize("source", list(DepthEncoding)[1:])
def test_distances_in_any_encoding(source: DepthEncoding) -> None:
    distance = np.linspace(NEAR, FAR, 12).reshape(3, 4)
    for target in list(DepthEncoding)[1:]:
        tag, feature = (
            Feature(
                "depth",
                FeatureKind.IMAGE,
                ImageLayout.HW,
                ColorSpace.DEPTH,
                depth=Depth(NEAR, FAR, encoding),
            )
            for encoding in (source, target)
        )
        adapter = adapter_of((3, 4), tag, feature=feature, env_dtype="float64")
        found = adapter.episode().observe(written(distance, source))
        np.testing.assert_allclose(found, written(distance, target), atol=1e-12)


def test_distances_have_units_and_limits() -> None:
    tag = Feature("depth", FeatureKind.IMAGE, ImageLayout.HW, ColorSpace.DEPTH, unit="mm")
    feature = Feature(
        "depth", FeatureKind.IMAGE, ImageLayout.HW, ColorSpace.DEPTH, unit="m", depth=Depth(0.5, 2)
    )
    adapter = adapter_of((1, 4), tag, feature=feature, env_dtype="uint16", dtype=DTYPES["float32"])
    found = adapter.episode().observe(np.array([[100, 700, 1999, 9000]], "u2"))
    np.testing.assert_allclose(found, [[0.5, 0.7, 1.999, 2.0]], rtol=1e-6)


def problem_of(**facts: Any) -> str:
    with pytest.raises(AdapterError) as caught:
        adapter_of((10, 10, 3), HWC, **facts)
    return str(caught.value)


@pytest.mark.parametrize(
    ("transform", "words"),
    [
        (ImageTransform((20, 5), upscale=False), ("not made larger", "(20, 5)", "(10, 10)")),
        (ImageTransform((0, 5)), ("height and width",)),
        (ImageTransform(crop_area=1.5), ("crop_area", "1.5")),
        (ImageTransform(jpeg_quality=101), ("jpeg_quality", "101")),
        (ImageTransform((5, 5), fill=(1.0,)), ("fit pad",)),
        (ImageTransform((5, 5), ImageFit.PAD, fill=(1.0, 2.0)), ("one number or of 3",)),
    ],
)
def test_changes_that_cannot_be_made(transform: ImageTransform, words: tuple[str, ...]) -> None:
    text = problem_of(image=(transform,))
    assert "inputs['']" in text
    assert [word for word in words if word not in text] == []


def test_a_jpeg_needs_a_picture_of_bytes() -> None:
    tag = Feature("image", FeatureKind.IMAGE, ImageLayout.HWC)
    with pytest.raises(AdapterError, match="uint8 for a JPEG"):
        adapter_of((4, 4, 3), tag, env_dtype="float32", image=(ImageTransform(jpeg_quality=90),))


def test_a_crop_from_the_first_row_on_is_explained() -> None:
    crop = ImageTransform((2, 2), ImageFit.CROP)
    adapter = adapter_of((5, 4, 3), HWC, image=(crop,))
    assert "cropped to 4x4, resized to 2x2 by pillow_bilinear" in str(adapter.explain())
    words = "dropped: all but the middle 4x4 of 5x4"
    assert words in [one.message for one in adapter.advisories]
