"""Pictures.

Of any depth, mode, format and size, as cameras, scanners, microscopes and editors write them.
"""

import io
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
import torch
from PIL import Image, ImageCms

from morphogen.data import DataError, Dataset, load_data
from morphogen.data.masks import read_mask
from morphogen.data.picture_file import _register_heic, open_upright
from tests.cases import case, own_notes

RNG = np.random.default_rng(0)


def levels(data: Dataset) -> torch.Tensor:
    """The pictures of all parts as bytes."""
    return torch.cat([part.values for part in (data.train, data.valid, data.test)])


def save_all(folder: Path, pictures: np.ndarray, suffix: str = "png", **options: Any) -> Path:
    folder.mkdir(exist_ok=True)
    for i, values in enumerate(pictures):
        Image.fromarray(values).save(folder / f"{i:02d}.{suffix}", **options)
    return folder


def noise(n: int = 12, *shape: int) -> np.ndarray:
    return RNG.integers(0, 256, (n, *(shape or (8, 8))), dtype=np.uint8)


@case("float TIFF in [0, 1]", "scaled by 1: 0 is black, 1 is white", "Pillow#3159")
def test_floats_in_the_unit_interval(tmp_path: Path) -> None:
    values = RNG.random((12, 8, 8)).astype(np.float32)
    data = load_data(str(save_all(tmp_path, values, "tif")))
    assert sorted(levels(data).flatten().tolist()) == sorted((values * 255).round().flatten().tolist())
    assert any("floats: 1 is white" in note for note in data.notes)


@case("a float TIFF with NaN, and one with negative values, among forty", "skipped by name", "Pillow#3159")
def test_floats_that_are_no_brightness(tmp_path: Path) -> None:
    values = RNG.random((40, 8, 8)).astype(np.float32)
    values[0, 0, 0], values[1, 0, 0] = np.nan, -0.25
    notes = load_data(str(save_all(tmp_path, values, "tif"))).notes
    assert any("skipped 00.tif: has values that are not finite" in note for note in notes)
    assert any("skipped 01.tif: has negative values (down to -0.25)" in note for note in notes)


@case("floats of which all are negative", "one line with the first file", "Pillow#3159")
def test_a_folder_of_negative_floats(tmp_path: Path) -> None:
    save_all(tmp_path, RNG.random((9, 8, 8)).astype(np.float32) - 2, "tif")
    with pytest.raises(DataError, match=r"9 of 9 files cannot be used \(skipped 00.tif: has negative values"):
        load_data(str(tmp_path))


@case("12-bit pictures in 16-bit PNG, dark and bright", "one scale for all: 4095 is white")
def test_one_scale_for_the_folder(tmp_path: Path) -> None:
    values = np.stack([np.full((8, 8), 100 * (i + 1), np.uint16) for i in range(40)])
    data = load_data(str(save_all(tmp_path, values)))
    assert sorted(levels(data)[:, 0, 0, 0].tolist()) == [round(100 * (i + 1) * 255 / 4095) for i in range(40)]
    assert any("more than 8 bits: 4095 is white (the largest value is 4000)" in note for note in data.notes)


@case("16-bit pictures over the full range", "65535 is white")
def test_sixteen_bits(tmp_path: Path) -> None:
    values = RNG.integers(0, 65536, (12, 8, 8)).astype(np.uint16)
    data = load_data(str(save_all(tmp_path, values)))
    assert sorted(levels(data).flatten().tolist()) == sorted((values / 257).round().flatten().tolist())


@case("one 30 x 20 picture among forty of 8 x 8", "8 x 8 stay as they are; the other is resized, with a note")
def test_one_odd_size(tmp_path: Path) -> None:
    values = noise(40)
    save_all(tmp_path, values)
    Image.fromarray(noise(1, 20, 30)[0]).save(tmp_path / "odd.png")
    data = load_data(str(tmp_path))
    assert data.representation.shape == (1, 8, 8) and "1 of another size" in data.notes[0]
    kept = {picture.numpy().tobytes() for picture in levels(data)}
    assert {picture.tobytes() for picture in values} < kept


@case("grey PNG with a transparent value", "that value becomes white, in 8 and in 16 bits")
def test_grey_with_a_transparent_value(tmp_path: Path) -> None:
    ramp = np.arange(64, dtype=np.uint8).reshape(8, 8) * 3
    for name, values in (("shallow", ramp), ("deep", ramp.astype(np.uint16) * 300)):
        value = int(values[0, 0])
        Image.fromarray(values).save(tmp_path / f"{name}.png", transparency=value)
        read = np.asarray(open_upright(tmp_path / f"{name}.png"))
        assert read[0, 0] == 255 and (read.flatten()[1:] < 255).all()


@case("grey with alpha, and a palette with alpha", "transparent pixels become white")
def test_alpha_of_other_modes(tmp_path: Path) -> None:
    picture = noise(1, 8, 8, 4)[0]
    picture[:4, :, 3], picture[4:, :, 3] = 0, 255
    for mode in ("LA", "PA", "RGBA"):
        suffix = "tif" if mode == "PA" else "png"
        Image.fromarray(picture, "RGBA").convert(mode).save(tmp_path / f"{mode}.{suffix}")
        read = np.asarray(open_upright(tmp_path / f"{mode}.{suffix}"))
        assert (read[:4] == 255).all() and (read[4:] < 255).any()


@case("a picture in another colour space (ICC profile)", "converted to sRGB")
def test_colour_profiles(tmp_path: Path) -> None:
    lab = ImageCms.createProfile("LAB")
    rgb = Image.new("RGB", (8, 8), (200, 40, 90))
    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), lab, "RGB", "LAB")
    to_lab.apply(rgb).save(tmp_path / "lab.tif")
    read = np.asarray(open_upright(tmp_path / "lab.tif")).astype(int)
    assert np.abs(read - (200, 40, 90)).max() <= 3


@case("a picture with a damaged ICC profile", "read as sRGB")
def test_damaged_profiles(tmp_path: Path) -> None:
    values = noise(1, 8, 8, 3)[0]
    Image.fromarray(values).save(tmp_path / "a.png", icc_profile=b"no profile")
    assert (np.asarray(open_upright(tmp_path / "a.png")) == values).all()


@case("CMYK JPEG from a printer's folder", "RGB")
def test_cmyk(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), (200, 40, 90)).convert("CMYK").save(tmp_path / "a.jpg", quality=100)
    read = np.asarray(open_upright(tmp_path / "a.jpg")).astype(int)
    assert read.shape == (8, 8, 3) and np.abs(read - (200, 40, 90)).max() < 12


@case("animated GIF and WebP, TIFF of several pages", "the first frame, with a count")
def test_several_frames(tmp_path: Path) -> None:
    frames = [Image.fromarray(values) for values in noise(3)]
    save_all(tmp_path, noise())
    for suffix in ("gif", "tif"):
        frames[0].save(tmp_path / f"moving.{suffix}", save_all=True, append_images=frames[1:])
        assert (np.asarray(open_upright(tmp_path / f"moving.{suffix}")) == np.asarray(frames[0])).all()
    assert "2 files have several frames: the first of each is read" in load_data(str(tmp_path)).notes


@case("JPEG called `.png`, PNG without a suffix", "read by their content")
def test_suffixes_that_lie(tmp_path: Path) -> None:
    for i, values in enumerate(noise(12)):
        name = tmp_path / (f"{i}.png" if i % 2 else f"{i}")
        Image.fromarray(values).save(name, format="JPEG" if i % 2 else "PNG")
    data = load_data(str(tmp_path))
    assert len(levels(data)) == 12 and len(own_notes(data)) == 1


@case("a photograph that was cut short in copying", "skipped by name")
def test_truncated_files(tmp_path: Path) -> None:
    save_all(tmp_path, noise(30))
    for suffix in ("jpg", "png"):
        whole = io.BytesIO()
        Image.fromarray(noise(1, 64, 64, 3)[0]).save(whole, format={"jpg": "JPEG", "png": "PNG"}[suffix])
        (tmp_path / f"half.{suffix}").write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    notes = load_data(str(tmp_path)).notes
    assert {f"skipped half.{suffix}: broken or cut short" for suffix in ("jpg", "png")} < set(notes)


@case("a scan of 100 million pixels", "skipped by name, without a DecompressionBombWarning")
def test_no_warning_is_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    save_all(tmp_path, noise(20))
    Image.new("1", (10_000, 10_000)).save(tmp_path / "scan.png")
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        notes = load_data(str(tmp_path)).notes
    assert not shown and capfd.readouterr().err == ""
    assert any("skipped scan.png: 10000 x 10000 pixels, more than 64 million" in note for note in notes)


@case("HEIC from a telephone", "read with the extra `heic`; without it, the line says how to install it")
def test_heic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "IMG_0001.HEIC"
    pillow_heif.from_pillow(Image.new("RGB", (16, 16), (200, 40, 90))).save(path)
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "pillow_heif", None)
        _register_heic.cache_clear()
        assert "pip install 'morphogen[heic]'" in str(open_upright(path))
    _register_heic.cache_clear()
    read = np.asarray(open_upright(path)).astype(int)
    assert read.shape == (16, 16, 3) and np.abs(read - (200, 40, 90)).max() < 8


@case("AVIF", "read")
def test_avif(tmp_path: Path) -> None:
    Image.new("RGB", (16, 16), (200, 40, 90)).save(tmp_path / "a.avif")
    read = np.asarray(open_upright(tmp_path / "a.avif")).astype(int)
    assert read.shape == (16, 16, 3) and np.abs(read - (200, 40, 90)).max() < 8


def strokes(path: Path, alpha: np.ndarray, colour: int = 255) -> Path:
    layer = np.full((*alpha.shape, 4), colour, np.uint8)
    layer[..., 3] = alpha
    Image.fromarray(layer, "RGBA").save(path)
    return path


@case("a mask of white strokes on a transparent layer", "read by its alpha", "sd-webui-controlnet#3079")
def test_strokes_on_a_transparent_layer(tmp_path: Path) -> None:
    half = np.repeat([[0, 0, 0, 0, 255, 255, 255, 255]], 8, 0).astype(np.uint8)
    mask = read_mask(strokes(tmp_path / "mask.png", half), (1, 8, 8), [])
    assert mask.float().mean() == 0.5 and mask[:, 4:].all()


@case(
    "a photograph with a hole as the mask",
    "one line: what is to be white and what black",
    "sd-webui-controlnet#3079",
)
def test_a_photograph_is_no_mask(tmp_path: Path) -> None:
    layer = noise(1, 8, 8, 4)[0] // 2 + 64
    layer[..., 3] = np.repeat([[0, 0, 255, 255, 255, 255, 255, 255]], 8, 0)
    Image.fromarray(layer, "RGBA").save(tmp_path / "hole.png")
    with pytest.raises(DataError, match=r"hole\.png: a picture in colours is no mask; paint white where"):
        read_mask(tmp_path / "hole.png", (1, 8, 8), [])
    layer[..., :3] = layer[..., :1]
    Image.fromarray(layer, "RGBA").save(tmp_path / "hole.png")
    with pytest.raises(DataError, match=r"hole\.png: a picture with transparent parts is no mask"):
        read_mask(tmp_path / "hole.png", (1, 8, 8), [])


@case("the picture itself as its mask, clip art or a photograph", "refused: a picture in colours is no mask")
def test_a_picture_in_colours_is_no_mask(tmp_path: Path) -> None:
    koala = save_all(tmp_path, noise(1, 24, 24, 3)) / "00.png"
    with pytest.raises(
        DataError, match=r"00\.png: a picture in colours is no mask; paint white where to redraw"
    ):
        read_mask(koala, (3, 8, 8), [koala])


@case(
    "a mask that is white at the left and right edge alone, which are cropped",
    "one line with the central square in which to paint, not that there is no white",
)
def test_white_outside_of_what_is_kept(tmp_path: Path) -> None:
    light = np.zeros((20, 60), np.uint8)
    light[:, :15] = 255
    mask = save_all(tmp_path, light[None]) / "00.png"
    with pytest.raises(
        DataError, match=r"its white lies outside the central 20 x 20 pixels, .* within these$"
    ):
        read_mask(mask, (1, 8, 8), [mask])
    inverse = save_all(tmp_path / "inverse", 255 - light[None]) / "00.png"
    with pytest.raises(
        DataError, match=r"its black lies outside the central 20 x 20 pixels, .*nothing would be kept"
    ):
        read_mask(inverse, (1, 8, 8), [inverse])


@case("a mask of one thin line, for a run of 8 x 8", "one line: too thin at 8 x 8, paint it broader")
def test_a_thin_line(tmp_path: Path) -> None:
    light = np.zeros((80, 80), np.uint8)
    light[40] = 255
    mask = save_all(tmp_path, light[None]) / "00.png"
    with pytest.raises(DataError, match="its white is too thin to be seen at 8 x 8 pixels"):
        read_mask(mask, (1, 8, 8), [mask])


@case("a mask that is white, black or transparent everywhere", "one line: nothing would be kept, or redrawn")
def test_masks_that_are_the_same_everywhere(tmp_path: Path) -> None:
    full = np.full((8, 8), 255, np.uint8)
    for alpha, colour, why in (
        (full, 255, "nothing but white"),
        (full, 0, "no white"),
        (full * 0, 255, "no white"),
    ):
        with pytest.raises(DataError, match=why):
            read_mask(strokes(tmp_path / "mask.png", alpha, colour), (1, 8, 8), [])


@case("a mask of the photograph's size for a run of 8 x 8", "cropped and resized as the photograph")
def test_a_mask_of_the_size_of_the_photograph(tmp_path: Path) -> None:
    photo = save_all(tmp_path / "photos", noise(1, 60, 80)) / "00.png"
    light = np.zeros((60, 80), np.uint8)
    light[:, 40:] = 255
    Image.fromarray(light).save(tmp_path / "mask.png")
    assert torch.equal(read_mask(tmp_path / "mask.png", (1, 8, 8), [photo])[0], torch.arange(8) >= 4)


@case("a mask of another shape than the photograph", "one line with both sizes")
def test_a_mask_of_another_shape(tmp_path: Path) -> None:
    photo = save_all(tmp_path / "photos", noise(1, 60, 80)) / "00.png"
    with pytest.raises(DataError, match=r"mask\.png: 50 x 50 pixels, but .*00\.png has 80 x 60; paint"):
        read_mask(strokes(tmp_path / "mask.png", np.full((50, 50), 255, np.uint8)), (1, 8, 8), [photo])


@case("a folder of five pictures", "3 in train, 1 in valid, 1 in test; a note: figures on so few say little")
def test_a_handful_of_pictures(tmp_path: Path) -> None:
    for i, values in enumerate(noise(5)):
        Image.fromarray(values).save(tmp_path / f"{i}.png")
    note = "few examples: 3 in train, 1 in valid and 1 in test, of 5 in all; figures on so few say little"
    assert note in load_data(str(tmp_path)).notes


@case(
    "a broken picture among transparent ones, animations and pictures of one size",
    "the counts of notes are of the pictures that are read",
)
def test_counts_are_of_what_is_read(tmp_path: Path) -> None:
    save_all(tmp_path, noise(30, 16, 16, 4))
    whole = io.BytesIO()
    Image.fromarray(noise(1, 64, 64, 4)[0]).save(whole, format="PNG")
    (tmp_path / "half.png").write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    notes = load_data(str(tmp_path)).notes
    assert "30 pictures have transparency: what is transparent is white" in notes
    assert notes[0] == "16 x 16 pixels, not resized" and "skipped half.png: broken or cut short" in notes


@case("opaque pictures with an alpha channel, or a transparent value that no pixel has", "no note")
def test_opaque_pictures_with_alpha(tmp_path: Path) -> None:
    for i, values in enumerate(noise(30, 16, 16, 4)):
        values[..., 3] = 255
        picture = Image.fromarray(values)
        with_value = {"transparency": (0, 0, 0)} if i % 3 == 1 else {}
        picture = picture.convert("RGB") if with_value else picture.quantize() if i % 3 == 2 else picture
        picture.save(tmp_path / f"{i}.png", **with_value)
    deep = noise(1, 16, 16)[0].astype(np.uint16) * 256 + 1
    Image.fromarray(deep).save(tmp_path / "deep.png", transparency=2)
    assert not [note for note in load_data(str(tmp_path)).notes if "transparen" in note]
    Image.fromarray(deep).save(tmp_path / "deep.png", transparency=int(deep[3, 3]))
    notes = load_data(str(tmp_path)).notes
    assert "1 picture has transparency: what is transparent is white" in notes


@case("five scans of more than 64 million pixels among many pictures", "counted in one line, with the first")
def test_skipped_files_are_counted(tmp_path: Path) -> None:
    save_all(tmp_path, noise(60))
    for i in range(5):
        Image.new("1", (10_000, 10_000 + i)).save(tmp_path / f"scan{i}.png")
    (skipped,) = [note for note in load_data(str(tmp_path)).notes if "skipped" in note]
    assert skipped.startswith("skipped 5 files, such as scan0.png: 10000 x 10000 pixels, more than 64 mill")
