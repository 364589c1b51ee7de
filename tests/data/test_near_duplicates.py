"""Near-duplicate pictures are found after the usual changes, and unrelated or similar pictures are not."""

import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.nn import functional as F

from morphogen.data import load_data
from morphogen.data.near_duplicates import near_duplicates
from morphogen.data.splits import split


def scenes(n: int, side: int = 64, seed: int = 0) -> torch.Tensor:
    """Unrelated smooth pictures, uint8 [n, 3, side, side]."""
    cells = torch.rand(n, 3, 6, 6, generator=torch.Generator().manual_seed(seed))
    return (F.interpolate(cells, size=side, mode="bicubic").clamp(0, 1) * 255).round().byte()


PICTURES = scenes(40)


def to_image(picture: torch.Tensor) -> Image.Image:
    return Image.fromarray(picture.permute(1, 2, 0).numpy())


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file)


def resized(image: Image.Image, side: int) -> Image.Image:
    return image.resize((side, side), Image.Resampling.LANCZOS).resize(image.size, Image.Resampling.BICUBIC)


def cropped(image: Image.Image, corner: int) -> Image.Image:
    left, top, (width, height) = corner % 2, corner // 2, image.size
    return image.crop((left, top, left + width - 1, top + height - 1)).resize(image.size)


def brighter(image: Image.Image, percent: int) -> Image.Image:
    return image.point(lambda value: min(255, value * percent // 100))


CHANGES = st.one_of(
    st.tuples(st.just(jpeg), st.integers(50, 95)),
    st.tuples(st.just(resized), st.integers(32, 128)),
    st.tuples(st.just(cropped), st.integers(0, 3)),
    st.tuples(st.just(brighter), st.integers(85, 110)),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(CHANGES, min_size=1, max_size=2), st.integers(0, 39))
def test_a_changed_picture_is_in_the_group_of_the_original(changes, which):
    image = to_image(PICTURES[which])
    for change, amount in changes:
        image = change(image, amount)
    changed = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
    group = near_duplicates(torch.cat([PICTURES, changed]))
    assert group[-1] == group[which] and len(set(group)) == len(PICTURES)


@pytest.mark.parametrize("seed", range(3))
def test_unrelated_pictures_are_in_no_group(seed):
    """No pair of 1500: with 95 %, fewer than 3 in 1500 pictures."""
    assert len(set(near_duplicates(scenes(500, 32, seed)))) == 500


@pytest.mark.parametrize("name", ["digits", "mnist-5k"])
def test_similar_digits_are_not_near_duplicates(name):
    data = load_data(name)
    values = torch.cat([part.values for part in (data.train, data.valid, data.test)])
    assert len(set(near_duplicates(values, data.train.levels))) == len(values)
    assert not [note for note in data.notes if "near-duplicate" in note]


@pytest.mark.parametrize(
    ("name", "split_sha256"),
    [
        ("digits", "85a748d80ce287e7381ffa2aeb9e81174f7ff9730c0b6b8791294610e18cb29f"),
        ("mnist-5k", "7afc87caf1d5aec1d45a533ffc7ce51690a95ccb3a3488ceafc9c2d405f4e320"),
    ],
)
def test_the_splits_of_named_digits_have_not_changed(name, split_sha256):
    assert split_sha256 in load_data(name).split


def test_flat_pictures_and_a_sprite_in_every_position_are_no_groups():
    flat = torch.arange(0, 250, 5).byte()[:, None, None, None].expand(-1, 1, 16, 16).contiguous()
    assert len(set(near_duplicates(flat))) == len(flat)
    sprites = torch.zeros(24 * 24, 1, 32, 32).byte()
    for i, sprite in enumerate(sprites):
        sprite[0, i // 24 : i // 24 + 8, i % 24 : i % 24 + 8] = 255
    assert len(set(near_duplicates(sprites))) == len(sprites)


def test_the_groups_do_not_depend_on_the_order():
    values = torch.cat([PICTURES, PICTURES[:10] // 2 + 20, PICTURES[:5]])
    order = torch.randperm(len(values), generator=torch.Generator().manual_seed(0))
    one, other = near_duplicates(values), near_duplicates(values[order])
    assert len(set(one)) == 40 and (one[:10] == one[40:50]).all() and (one[:5] == one[50:]).all()
    assert len(set(zip(one[order], other, strict=True))) == 40


def test_a_folder_keeps_near_duplicates_in_one_part_and_says_so(tmp_path):
    for i, picture in enumerate(PICTURES):
        to_image(picture).save(tmp_path / f"{i}.png")
        if i < 12:
            jpeg(to_image(picture), 70).save(tmp_path / f"{i} copy.png")
    data = load_data(str(tmp_path))
    note = "24 of 52 pictures are near-duplicates of others (resized, re-encoded or slightly changed): "
    assert note + "each group is in one part" in data.notes and "near-duplicates together" in data.split
    parts = [part.values for part in (data.train, data.valid, data.test)]
    group = near_duplicates(torch.cat(parts))
    pieces = [set(piece.tolist()) for piece in np.split(group, np.cumsum([len(part) for part in parts])[:-1])]
    assert not (pieces[0] & pieces[1] or pieces[0] & pieces[2] or pieces[1] & pieces[2])


def test_an_own_split_is_kept_and_its_twins_are_counted(tmp_path):
    for part, rows in (("train", range(20)), ("test", range(20, 40))):
        (tmp_path / part).mkdir()
        for i in rows:
            to_image(PICTURES[i]).save(tmp_path / part / f"{i}.png")
    for i in range(6):
        brighter(to_image(PICTURES[i]), 90).save(tmp_path / "test" / f"{i}.png")
    data = load_data(str(tmp_path))
    assert len(data.test) == 26 and "the authors' own part" in data.split
    (note,) = [note for note in data.notes if "near-duplicate" in note]
    assert note.startswith("6 pictures of valid and test have a near-duplicate in train (resized, re-encoded")


def test_groups_are_assigned_by_their_least_hash_and_others_as_before():
    contents = [bytes([i]) for i in range(200)]
    alone, groups = split(contents), list(range(200))
    assert split(contents, (), groups) == alone
    groups[1:20] = [0] * 19
    made = split(contents, (), groups)
    assert (
        made.grouped == 20 and sum(set(range(20)) <= set(p) for p in (made.train, made.valid, made.test)) == 1
    )
    moved = set(alone.train) ^ set(made.train) | set(alone.test) ^ set(made.test)
    assert moved <= set(range(20))
    assert split(contents, (), [0] * 200) == alone, "a split needs three groups"
