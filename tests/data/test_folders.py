"""Folders of pictures: mixed sizes and colour modes, broken files, with and without classes."""

import builtins
import errno
import io
import os
import time

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from morphogen.data import DataError, load_data
from morphogen.data.pictures import check_resolution, read_as, read_square
from tests.cases import own_notes


def noise(n, *shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)


def fill(folder, n=30, *shape, seed=0):
    folder.mkdir(parents=True, exist_ok=True)
    for i, values in enumerate(noise(n, *(shape or (8, 8)), seed=seed)):
        Image.fromarray(values).save(folder / f"{i:03d}.png")


def all_rows(data):
    """The pictures and the labels of all parts."""
    parts = [part.first() for part in (data.train, data.valid, data.test)]
    medium = torch.cat([part.medium for part in parts])
    return medium, torch.cat([part.condition["label"] for part in parts]) if parts[0].condition else None


def test_subfolders_are_classes_in_alphabetical_order(tmp_path):
    for value, name in ((200, "b"), (10, "a")):
        (tmp_path / name).mkdir()
        for i in range(12):
            Image.new("L", (8, 8), value + i).save(tmp_path / name / f"{i}.png")
    data = load_data(str(tmp_path))
    medium, labels = all_rows(data)
    assert data.classes == ("a", "b") and data.representation.shape == (1, 8, 8)
    assert torch.equal(labels, (medium.mean((1, 2, 3)) > 0).long())


def test_a_flat_folder_has_no_labels(tmp_path):
    fill(tmp_path)
    data = load_data(str(tmp_path))
    assert data.classes == () and data.train.first().condition == {} and data.name == tmp_path.name


def test_pixels_are_unchanged_and_file_names_do_not_matter(tmp_path):
    fill(tmp_path / "one", 20, 8, 8, 3)
    (tmp_path / "two").mkdir()
    for i, path in enumerate(sorted((tmp_path / "one").iterdir())):
        path.with_name(path.name).rename(tmp_path / "two" / f"{19 - i:03d}.png")
    fill(tmp_path / "one", 20, 8, 8, 3)
    one, two = load_data(str(tmp_path / "one")), load_data(str(tmp_path / "two"))
    assert torch.equal(all_rows(one)[0], all_rows(two)[0]) and one.split == two.split
    pixels = ((all_rows(one)[0] + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    assert {picture.tobytes() for picture in pixels} == {picture.tobytes() for picture in noise(20, 8, 8, 3)}


def test_one_colour_picture_makes_all_pictures_rgb(tmp_path):
    fill(tmp_path, 20, 8, 8)
    assert load_data(str(tmp_path)).representation.shape == (1, 8, 8)
    Image.fromarray(noise(1, 8, 8, 3)[0]).save(tmp_path / "colour.png")
    data = load_data(str(tmp_path))
    assert data.representation.shape == (3, 8, 8)
    grey = (all_rows(data)[0] == all_rows(data)[0][:, :1]).flatten(1).all(1)
    assert grey.sum() == 20


@pytest.mark.parametrize(("resolution", "side"), [(None, 32), (16, 16)])
def test_mixed_sizes_are_centre_cropped(tmp_path, resolution, side):
    for i in range(20):
        wide = np.zeros((40 + i, 120, 3), np.uint8)
        wide[:, 60 - 20 - i : 60 + 20 + i] = (255, i, 0)  # only the middle square is red
        Image.fromarray(wide).save(tmp_path / f"{i}.png")
    data = load_data(str(tmp_path), resolution=resolution)
    medium, _ = all_rows(data)
    assert data.representation.shape == (3, side, side)
    assert medium[:, 0, :, side // 4 : -side // 4].min() > 0.99 and "central" in data.notes[0]


def test_transparent_pixels_become_white(tmp_path):
    values = noise(10, 8, 8, 4)
    values[:, :, :4, 3], values[:, :, 4:, 3] = 0, 255
    for i, picture in enumerate(values):
        Image.fromarray(picture).save(tmp_path / f"{i}.png")
    medium, _ = all_rows(load_data(str(tmp_path)))
    assert (medium[..., :4] == 1).all() and medium[..., 4:].std() > 0.3


def test_exif_orientation_is_applied(tmp_path):
    fill(tmp_path, 9, 8, 8)
    rotated = Image.new("L", (8, 8), 0)
    rotated.paste(255, (0, 0, 4, 8))  # white on the left
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees: left becomes top
    rotated.save(tmp_path / "photo.jpg", exif=exif, quality=100)
    upright = read_square(tmp_path / "photo.jpg", 8)
    assert upright[0, :3].min() > 200 and upright[0, 5:].max() < 55


def test_sixteen_bits_keep_their_range(tmp_path):
    Image.fromarray((np.arange(64, dtype=np.uint16) * 1024).reshape(8, 8)).save(tmp_path / "deep.png")
    values = read_square(tmp_path / "deep.png", 8)
    assert values.max() > 240 and len(np.unique(values)) > 60


def test_up_to_a_tenth_of_broken_files_is_skipped_and_listed(tmp_path):
    fill(tmp_path, 27)
    whole = (tmp_path / "000.png").read_bytes()
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.png").write_text("hello")
    data = load_data(str(tmp_path))
    assert len(all_rows(data)[0]) == 27
    assert [note.split(":")[0] for note in own_notes(data)[1:]] == ["skipped half.png", "skipped text.png"]
    for name in ("more", "others"):
        (tmp_path / f"{name}.png").write_text("hello")
    with pytest.raises(DataError, match="4 of 31 files cannot be used"):
        load_data(str(tmp_path))


def test_a_huge_picture_is_skipped_before_it_is_decoded(tmp_path):
    fill(tmp_path, 20)
    Image.new("1", (9000, 8000)).save(tmp_path / "huge.png")
    assert any("huge.png" in note and "64 million" in note for note in load_data(str(tmp_path)).notes)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_too_few_pictures_raise_one_line(tmp_path, n):
    if n:
        fill(tmp_path, n)
    with pytest.raises(DataError, match="empty" if n == 0 else "at least 3") as error:
        load_data(str(tmp_path))
    assert str(tmp_path) in str(error.value) and "\n" not in str(error.value)


def test_copies_of_one_picture_are_rejected(tmp_path):
    for i in range(10):
        Image.new("L", (8, 8), 7).save(tmp_path / f"{i}.png")
    with pytest.raises(DataError, match="1 distinct"):
        load_data(str(tmp_path))


def test_pictures_next_to_class_folders_are_rejected(tmp_path):
    fill(tmp_path / "a")
    fill(tmp_path, 1)
    with pytest.raises(DataError, match="next to the class folders"):
        load_data(str(tmp_path))


@pytest.mark.parametrize("resolution", [0, -3, 5000])
def test_an_invalid_resolution_is_rejected(tmp_path, resolution):
    with pytest.raises(DataError, match=f"resolution {resolution}"):
        load_data(str(tmp_path), resolution=resolution)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    head=st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"\xff\xd8\xff\xe0", b"BM", b"RIFF"]),
    rest=st.binary(max_size=80),
)
def test_arbitrary_bytes_give_a_picture_or_a_reason(tmp_path, head, rest):
    path = tmp_path / "arbitrary.png"
    path.write_bytes(head + rest)
    picture = read_square(path, 8)
    assert isinstance(picture, str) or picture.shape[1:] == (8, 8)


@pytest.mark.parametrize(
    ("resolution", "device", "rejected"),
    [(512, "cpu", True), (512, "cuda", False), (128, "cpu", False), (None, "cpu", False)],
)
def test_large_pictures_are_rejected_on_a_cpu(resolution, device, rejected):
    if not rejected:
        check_resolution(resolution, device)
        return
    with pytest.raises(DataError, match=r"resolution 512.*resolution=64"):
        check_resolution(resolution, device)


def test_photographs_of_512_pixels_are_resized_by_default(tmp_path):
    for i in range(12):
        Image.new("RGB", (512, 512), (i, 0, 200)).save(tmp_path / f"{i}.png")
    data = load_data(str(tmp_path))
    assert data.representation.shape == (3, 32, 32) and "resized to 32 x 32" in data.notes[0]


def test_decoding_a_jpeg_at_reduced_size_changes_pixels_by_a_few_levels(tmp_path):
    """A JPEG can be decoded at 1/2, 1/4 or 1/8 of its size; compared with decoding it at full size."""
    x, y = np.meshgrid(np.linspace(0, 6, 400), np.linspace(0, 4, 300))
    scene = np.stack([np.sin(x) + np.cos(y), np.sin(x * y), np.cos(x - y)], axis=2)
    photograph = Image.fromarray(np.uint8(255 * (scene - scene.min()) / np.ptp(scene)))
    photograph.save(tmp_path / "scene.jpg", quality=95)
    photograph.save(tmp_path / "scene.png")
    jpeg, png = (read_square(tmp_path / f"scene.{kind}", 32).astype(int) for kind in ("jpg", "png"))
    assert abs(jpeg - png).max() <= 6


def test_a_single_picture_is_rejected(tmp_path):
    fill(tmp_path, 1)
    with pytest.raises(DataError, match=r"000\.png: is a single picture; give a folder"):
        load_data(str(tmp_path / "000.png"))


def forbid(monkeypatch, path):
    """Make a path unreadable: by its mode, and for root, which may read it anyway, by patching `open`."""
    path.chmod(0)
    if os.access(path, os.R_OK):
        denied = PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        for module, name in ((os, "scandir"), (io, "open"), (builtins, "open"), (os, "listdir")):
            real = getattr(module, name)

            def checked(target, *args, real=real, **kwargs):
                if str(target) == str(path):
                    raise denied
                return real(target, *args, **kwargs)

            monkeypatch.setattr(module, name, checked)


def test_an_unreadable_class_folder_is_an_error(tmp_path, monkeypatch):
    fill(tmp_path / "a")
    fill(tmp_path / "b", seed=1)
    forbid(monkeypatch, tmp_path / "b")
    with pytest.raises(DataError, match=r"/b: Permission denied; check the path and its permissions"):
        load_data(str(tmp_path))


def test_an_unreadable_picture_is_skipped_with_its_reason(tmp_path, monkeypatch):
    fill(tmp_path, 20)
    forbid(monkeypatch, tmp_path / "003.png")
    assert own_notes(load_data(str(tmp_path)))[1:] == (
        "skipped 003.png: permission denied; change its permissions",
    )


def test_an_unreadable_text_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "poem.txt").write_text("line\n" * 400)
    forbid(monkeypatch, tmp_path / "poem.txt")
    with pytest.raises(DataError, match=r"poem\.txt: Permission denied; check"):
        load_data(str(tmp_path / "poem.txt"))


def test_photographs_of_mixed_sizes_in_two_classes_load_in_seconds(tmp_path):
    """300 files of camera and phone sizes; the bound is on CPU seconds, so other processes do not matter."""
    rng = np.random.default_rng(0)
    for name in ("cats", "dogs"):
        (tmp_path / name).mkdir()
    for k, size in enumerate([(1600, 1200), (900, 1200), (640, 480)]):
        picture = Image.fromarray(
            rng.integers(0, 256, (size[1] // 20, size[0] // 20, 3), dtype=np.uint8)
        ).resize(size)
        for i in range(100):
            picture.putpixel((size[0] // 2, size[1] // 2), (i, k, 0))
            picture.save(tmp_path / ("cats", "dogs")[i % 2] / f"{k}-{i}.jpg", quality=60)
    start = time.process_time()
    data = load_data(str(tmp_path))
    assert time.process_time() - start < 10
    assert data.classes == ("cats", "dogs") and data.representation.shape == (3, 32, 32)


def test_read_as_returns_the_pixels_or_fits_them_to_the_size(tmp_path):
    grey, coloured = noise(1, 6, 4)[0], noise(1, 6, 4, 3)[0]
    for name, values in (("grey", grey), ("coloured", coloured)):
        Image.fromarray(values).save(tmp_path / f"{name}.png")
    exif = Image.Exif()
    exif[274] = 6  # rotate by 90 degrees
    Image.fromarray(grey).save(tmp_path / "rotated.png", exif=exif)
    for name, shape, expected in (
        ("grey", (1, 6, 4), grey),
        ("grey", (3, 6, 4), grey),
        ("coloured", (3, 6, 4), coloured.transpose(2, 0, 1)),
        ("rotated", (1, 4, 6), np.rot90(grey, -1)),
    ):
        fitted = read_as(tmp_path / f"{name}.png", shape)
        assert (fitted.values.numpy() == expected).all() and fitted.note == ""
    fitted = read_as(tmp_path / "grey.png", (1, 4, 4))
    assert (
        (fitted.values.numpy() == grey[1:5]).all() and "cropped" in fitted.note and "to 4 x 4" in fitted.note
    )
    for name, shape, why in (("coloured", (1, 6, 4), "grey"), ("none", (1, 6, 4), "no such file")):
        with pytest.raises(DataError, match=why) as error:
            read_as(tmp_path / f"{name}.png", shape)
        assert f"{name}.png" in str(error.value) and "\n" not in str(error.value)
