"""Scenes are a keyed stream without held-out pairs, and their captions say what they are."""

import itertools
import time

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from morphogen.component import ConfigError
from morphogen.data.shapes.scene_captions import read_captions, write_captions
from morphogen.data.shapes.scene_pictures import draw_pictures
from morphogen.data.shapes.scenes import (
    COLOURS,
    HELD_OUT,
    OBJECTS,
    RADII,
    RELATIONS,
    SHAPES,
    SIDE,
    Scenes,
    draw_scenes,
    is_novel,
)
from morphogen.numerics.randomness import Rng

N = 3000
NOVEL = torch.arange(N) % 2 == 1


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    return draw_scenes(Rng(0, N), NOVEL)


def pairs(scenes: Scenes, row: int) -> list[tuple[str, str]]:
    """The shape and colour of each object of a scene."""
    objects = zip(scenes.shape[row].tolist(), scenes.colour[row].tolist(), strict=True)
    return [(SHAPES[shape], list(COLOURS)[colour]) for shape, colour in objects if shape >= 0]


def test_a_novel_scene_has_one_held_out_pair_and_others_have_none(scenes: Scenes) -> None:
    assert torch.equal(is_novel(scenes), NOVEL)
    for row in range(N):
        found = pairs(scenes, row)
        assert sum(pair in HELD_OUT for pair in found) == int(NOVEL[row])
        assert len(set(found)) == len(found)


def test_every_shape_and_colour_is_seen_in_other_pairs() -> None:
    seen = set(itertools.product(SHAPES, COLOURS)) - set(HELD_OUT)
    assert len(HELD_OUT) == 6 and len(seen) == 18
    assert {shape for shape, _ in seen} == set(SHAPES) and {colour for _, colour in seen} == set(COLOURS)


def test_objects_lie_apart_and_along_the_axis_of_their_relation(scenes: Scenes) -> None:
    radius = torch.tensor(RADII)[scenes.size]
    inside = (scenes.centre - radius[..., None] > 0.9) & (scenes.centre + radius[..., None] < SIDE - 0.9)
    assert inside.all(2)[scenes.present].all()
    for i, j in itertools.combinations(range(OBJECTS), 2):
        both = scenes.present[:, i] & scenes.present[:, j]
        gap = (scenes.centre[:, i] - scenes.centre[:, j]).abs().amax(1) - radius[:, i] - radius[:, j]
        assert gap[both].min() >= 1.99
    for j in range(1, OBJECTS):
        vector = (scenes.centre[:, j] - scenes.centre[:, 0]).abs()[scenes.present[:, j]]
        assert (vector.amax(1) - vector.amin(1)).min() >= 4
    counts = [int((scenes.relation == relation).sum()) for relation in range(len(RELATIONS))]
    assert min(counts) > 0.9 * max(counts)


def test_a_scene_depends_on_its_own_row_only(scenes: Scenes) -> None:
    rows = torch.tensor([7, 2, 2999])
    some = draw_scenes(Rng(0, rows), NOVEL[rows])
    for name in ("shape", "colour", "size", "relation", "centre"):
        assert torch.equal(getattr(some, name), getattr(scenes, name)[rows])
    written = write_captions(scenes, Rng(0, N, ("caption",)))
    assert write_captions(some, Rng(0, rows, ("caption",))) == [written[row] for row in rows]
    assert torch.equal(draw_pictures(some), draw_pictures(scenes)[rows])


def test_captions_say_what_the_scene_is(scenes: Scenes) -> None:
    written = write_captions(scenes, Rng(0, N, ("caption",)))
    said = read_captions(written)
    assert max(len(caption.split()) for caption in written) <= 24
    for row in range(N):
        found, names = pairs(scenes, row), pairs(said, row)
        order = [found.index(name) for name in names]
        assert sorted(order) == list(range(len(found))), written[row]
        for size, place in zip(said.size[row].tolist(), order, strict=False):
            assert size in (-1, scenes.size[row, place])
        relation = [one for one in scenes.relation[row].tolist() if one >= 0]
        expected = [relation[0] ^ 1] if order == [1, 0] else relation
        assert [one for one in said.relation[row].tolist() if one >= 0] == expected
    assert 0.2 < (said.size[said.present] < 0).float().mean() < 0.3


def test_paraphrases_of_one_scene_are_many_and_mean_the_same() -> None:
    one = draw_scenes(Rng(0, torch.tensor([3])), torch.tensor([False]))
    scene = Scenes(*(getattr(one, name).expand(500, *getattr(one, name).shape[1:]) for name in vars(one)))
    written = set(write_captions(scene, Rng(0, 500)))
    assert len(written) > 20
    said = read_captions(sorted(written))
    assert len({tuple(sorted(pairs(said, row))) for row in range(len(said))}) == 1


@pytest.mark.parametrize(
    ("caption", "message"),
    [
        ("a teal circle", r"no colour is called 'teal'; the colours are red, orange"),
        ("a red circel", r"no shape is called 'circel'; did you mean 'circle'\? the shapes are"),
        ("a tiny red circle", r"no size is called 'tiny'; the sizes are small, little"),
        ("", r"^caption '': '' is no object: write it like 'a small red circle'"),
        ("a red box near a blue box", r"is no object: write it like"),
        ("a red box above a red disc and over a red plus and below a blue box", r"4 objects: give 3"),
    ],
)
def test_other_captions_are_refused_in_one_line(caption: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        read_captions([caption])
    assert "\n" not in str(raised.value)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read_captions([text])
    except ConfigError as error:
        assert "\n" not in str(error)


@pytest.mark.slow
def test_two_thousand_scenes_take_less_than_a_second() -> None:
    rng, start = Rng(0, 2048), time.process_time()
    drawn = draw_scenes(rng, torch.zeros(2048, dtype=torch.bool))
    draw_pictures(drawn)
    write_captions(drawn, rng)
    assert time.process_time() - start < 1
