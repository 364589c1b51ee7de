"""Rings: what the reader finds in real rings, in scenes and in noise."""

import torch

from morphogen.conditioning.caption import caption_texts
from morphogen.data import load_data
from morphogen.data.shapes.scenes import COLOURS
from morphogen.recipes.rings import COLOURS_SHOWN, draw_rings, read_rings, ring_captions, ring_pictures


def test_the_reader_finds_rings_and_their_colours_and_no_rings_in_scenes() -> None:
    index = torch.arange(60) % len(COLOURS)
    y = torch.linspace(9, 23, 60)
    is_ring, colour = read_rings(draw_rings(index, torch.linspace(4, 7, 60), torch.stack([y, 32 - y], 1)))
    assert is_ring.all() and torch.equal(colour, index)
    assert not read_rings(load_data("shapes").valid.first(200).medium)[0].any()
    assert not read_rings(torch.rand(20, 3, 32, 32) * 2 - 1)[0].any()
    assert not read_rings(torch.ones(2, 3, 32, 32))[0].any()


def test_pictures_are_a_function_of_the_seed_and_say_what_they_show() -> None:
    batch = ring_pictures(10, seed=3)
    assert torch.equal(batch.medium, ring_pictures(20, seed=3).medium[:10])
    assert caption_texts(batch.condition["caption"])[:2] == ["a red sks", "an orange sks"]
    is_ring, colour = read_rings(batch.medium)
    assert is_ring.all() and [list(COLOURS)[i] for i in colour.tolist()] == list(COLOURS_SHOWN) * 2
    assert ring_captions(["green"]) == ["a green sks"]
