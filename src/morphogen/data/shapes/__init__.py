"""`shapes`: scenes of one to three objects with captions, a closed form for text to picture.

    scenes            objects, their attributes and relations: a keyed stream, with held-out pairs
    scene_pictures    their pictures of 32 x 32 pixels
    scene_captions    their captions in a grammar, and what a caption says
    scene_reader      which objects a picture shows

A scene is a function of (seed, part, row): nothing is stored, and any number of further ones can be drawn
(`SceneStream`). Training and validation have no held-out pair of shape and colour; every second scene of the
test part has one.
"""

__all__ = ["SceneStream", "load_shapes"]

from collections.abc import Iterator
from functools import cached_property

import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from morphogen.conditioning.caption import CAPTION, caption_bytes
from morphogen.contract import Batch
from morphogen.data.captioned import CaptionedPictures
from morphogen.data.dataset import Dataset, Examples
from morphogen.data.shapes.scene_captions import write_captions
from morphogen.data.shapes.scene_pictures import draw_pictures
from morphogen.data.shapes.scene_reader import SceneReader
from morphogen.data.shapes.scenes import HELD_OUT, SIDE, Scenes, draw_scenes
from morphogen.numerics.randomness import Rng
from morphogen.representations.pixels import Pixels

SIZES = {"train": 50_000, "valid": 2_000, "test": 2_000}
SEED = 0
LEARNED = 4_000  # captions from which a vocabulary is learned, which has all words
SHOWN = 64  # scenes that identify a stream


class SceneStream(Examples):
    """Scenes as a keyed stream: row i is a function of (seed, name, i).

    Arguments:
        name: of the part; scenes of different names are independent.
        n: number of scenes.
        seed: any integer.
        novel_every: one scene in so many has an object of a held-out pair; 0: none.
    """

    def __init__(self, name: str, n: int, seed: int = 0, novel_every: int = 0):
        self.name, self.n, self.seed, self.novel_every = name, n, seed, novel_every

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, indices: Int[Tensor, " b"]) -> Batch:
        scenes = self.scenes(indices)
        medium = draw_pictures(scenes) * (2 / 255) - 1
        return Batch(medium, {CAPTION: caption_bytes(self._captions(scenes, indices))})

    def scenes(self, indices: Int[Tensor, " b"]) -> Scenes:
        """The objects of rows."""
        every = self.novel_every
        novel = indices % every == every - 1 if every else torch.zeros(len(indices), dtype=torch.bool)
        return draw_scenes(Rng(self.seed, indices, ("shapes", self.name)), novel)

    def captions_of(self, indices: Int[Tensor, " b"]) -> list[str]:
        """The captions of rows."""
        return self._captions(self.scenes(indices), indices)

    @cached_property
    def captions(self) -> list[str]:
        """The captions of all rows."""
        return self.captions_of(torch.arange(self.n))

    def contents(self) -> Iterator[Shaped[Tensor, "..."]]:
        yield torch.tensor([self.n, self.seed, self.novel_every])
        first = self.first(SHOWN)
        yield from (first.medium, first.condition[CAPTION])

    def _captions(self, scenes: Scenes, indices: Int[Tensor, " b"]) -> list[str]:
        return write_captions(scenes, Rng(self.seed, indices, ("shapes", self.name, "caption")))


def load_shapes() -> CaptionedPictures:
    """50,000 scenes to train on and 4,000 others: half of the test part has held-out pairs."""
    every = {"train": 0, "valid": 0, "test": 2}
    parts = {name: SceneStream(name, n, SEED, every[name]) for name, n in SIZES.items()}
    pairs = ", ".join(f"{colour} {shape}" for shape, colour in HELD_OUT)
    sizes = ", ".join(f"{n} {name}" for name, n in SIZES.items())
    data = Dataset(
        "shapes", "pictures", parts["train"], parts["valid"], parts["test"], {}, Pixels(256, (3, SIDE, SIDE)),
        split=f"{sizes}, scenes drawn with seed {SEED}; every second one of test has one object of a "
        f"held-out pair ({pairs})",
        reader=SceneReader(),
    )  # fmt: skip
    texts = parts["train"].captions_of(torch.arange(LEARNED))
    return CaptionedPictures(data, texts, texts)
