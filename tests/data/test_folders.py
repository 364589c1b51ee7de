"""Folders of pictures as people have them: mixed sizes and modes, broken files, classes or none."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from morphogen.data import DataError, load
from morphogen.data.pictures import _read


def noise(n, *shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)


def fill(folder, n=30, *shape, seed=0):
    folder.mkdir(parents=True, exist_ok=True)
    for i, values in enumerate(noise(n, *(shape or (8, 8)), seed=seed)):
        Image.fromarray(values).save(folder / f"{i:03d}.png")


def everything(data):
    parts = [part.first() for part in (data.train, data.valid, data.test)]
    return torch.cat([part.medium for part in parts]), None if parts[0].condition is None else torch.cat([p.condition for p in parts])


def test_subfolders_are_classes_in_the_order_of_their_names(tmp_path):
    for value, name in ((200, "b"), (10, "a")):
        (tmp_path / name).mkdir()
        for i in range(12):
            Image.new("L", (8, 8), value + i).save(tmp_path / name / f"{i}.png")
    data = load(str(tmp_path))
    medium, labels = everything(data)
    assert data.classes == ("a", "b") and data.representation.shape == (1, 8, 8)
    assert torch.equal(labels, (medium.mean((1, 2, 3)) > 0).long())


def test_a_flat_folder_has_no_labels(tmp_path):
    fill(tmp_path)
    data = load(str(tmp_path))
    assert data.classes == () and data.train.first().condition is None and data.name == tmp_path.name


def test_pixels_come_through_unchanged_and_names_do_not_matter(tmp_path):
    fill(tmp_path / "one", 20, 8, 8, 3)
    (tmp_path / "two").mkdir()
    for i, path in enumerate(sorted((tmp_path / "one").iterdir())):
        path.with_name(path.name).rename(tmp_path / "two" / f"{19 - i:03d}.png")
    fill(tmp_path / "one", 20, 8, 8, 3)
    one, two = load(str(tmp_path / "one")), load(str(tmp_path / "two"))
    assert torch.equal(everything(one)[0], everything(two)[0]) and one.split == two.split
    got = {m.tobytes() for m in ((everything(one)[0] + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()}
    assert got == {v.tobytes() for v in noise(20, 8, 8, 3)}


def test_one_colour_picture_makes_all_colour(tmp_path):
    fill(tmp_path, 20, 8, 8)
    assert load(str(tmp_path)).representation.shape == (1, 8, 8)
    Image.fromarray(noise(1, 8, 8, 3)[0]).save(tmp_path / "colour.png")
    data = load(str(tmp_path))
    assert data.representation.shape == (3, 8, 8)
    grey = (everything(data)[0] == everything(data)[0][:, :1]).flatten(1).all(1)
    assert grey.sum() == 20


@pytest.mark.parametrize(("resolution", "side"), [(None, 32), (16, 16)])
def test_mixed_sizes_are_cut_from_the_middle(tmp_path, resolution, side):
    for i in range(20):
        wide = np.zeros((40 + i, 120, 3), np.uint8)
        wide[:, 60 - 20 - i : 60 + 20 + i] = (255, i, 0)  # only the middle square is red
        Image.fromarray(wide).save(tmp_path / f"{i}.png")
    data = load(str(tmp_path), resolution=resolution)
    medium, _ = everything(data)
    assert data.representation.shape == (3, side, side)
    assert medium[:, 0, :, side // 4 : -side // 4].min() > 0.99 and "middle" in data.notes[0]


def test_transparent_parts_are_white(tmp_path):
    values = noise(10, 8, 8, 4)
    values[:, :, :4, 3], values[:, :, 4:, 3] = 0, 255
    for i, picture in enumerate(values):
        Image.fromarray(picture).save(tmp_path / f"{i}.png")
    medium, _ = everything(load(str(tmp_path)))
    assert (medium[..., :4] == 1).all() and medium[..., 4:].std() > 0.3


def test_a_camera_held_upright(tmp_path):
    fill(tmp_path, 9, 8, 8)
    lying = Image.new("L", (8, 8), 0)
    lying.paste(255, (0, 0, 4, 8))  # white on the left
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees: left becomes top
    lying.save(tmp_path / "photo.jpg", exif=exif, quality=100)
    upright = _read(tmp_path / "photo.jpg", 8)
    assert upright[0, :3].min() > 200 and upright[0, 5:].max() < 55


def test_sixteen_bits_keep_their_range(tmp_path):
    Image.fromarray((np.arange(64, dtype=np.uint16) * 1024).reshape(8, 8)).save(tmp_path / "deep.png")
    values = _read(tmp_path / "deep.png", 8)
    assert values.max() > 240 and len(np.unique(values)) > 60


def test_a_tenth_of_broken_files_is_skipped_and_listed_more_is_refused(tmp_path):
    fill(tmp_path, 27)
    whole = (tmp_path / "000.png").read_bytes()
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "empty.png").write_bytes(b"")
    data = load(str(tmp_path))
    assert len(everything(data)[0]) == 27
    assert sorted(note.split(":")[0] for note in data.notes[1:]) == ["skipped empty.png", "skipped half.png", "skipped notes.txt"]
    (tmp_path / "more.txt").write_text("hello")
    with pytest.raises(DataError, match="4 of 31 files cannot be used"):
        load(str(tmp_path))


def test_a_huge_picture_is_refused_before_it_is_decoded(tmp_path):
    fill(tmp_path, 20)
    Image.new("1", (5000, 4000)).save(tmp_path / "huge.png")
    assert any("huge.png" in note and "16 million" in note for note in load(str(tmp_path)).notes)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_too_few_pictures_end_in_one_line(tmp_path, n):
    if n:
        fill(tmp_path, n)
    with pytest.raises(DataError, match="empty" if n == 0 else "at least 3") as refused:
        load(str(tmp_path))
    assert str(tmp_path) in str(refused.value) and "\n" not in str(refused.value)


def test_the_same_picture_many_times_is_refused(tmp_path):
    for i in range(10):
        Image.new("L", (8, 8), 7).save(tmp_path / f"{i}.png")
    with pytest.raises(DataError, match="1 distinct"):
        load(str(tmp_path))


def test_pictures_beside_class_folders_are_refused(tmp_path):
    fill(tmp_path / "a")
    fill(tmp_path, 1)
    with pytest.raises(DataError, match="beside the folders"):
        load(str(tmp_path))


@pytest.mark.parametrize("resolution", [0, -3, 5000])
def test_a_senseless_resolution_is_refused(tmp_path, resolution):
    with pytest.raises(DataError, match=f"resolution {resolution}"):
        load(str(tmp_path), resolution=resolution)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(head=st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"\xff\xd8\xff\xe0", b"BM", b"RIFF"]), rest=st.binary(max_size=80))
def test_wild_bytes_are_a_picture_or_a_reason_never_a_crash(tmp_path, head, rest):
    path = tmp_path / "wild.png"
    path.write_bytes(head + rest)
    read = _read(path, 8)
    assert isinstance(read, str) or read.shape[1:] == (8, 8)
