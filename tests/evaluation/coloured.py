"""Captioned pictures of 8 x 8 pixels, a coloured square in a corner, and CLIP trained on them in seconds."""

import torch
from torch import Tensor

import morphogen as mg
from morphogen.conditioning.caption import Captions, caption_bytes
from morphogen.contract import Batch
from morphogen.numerics.randomness import Rng
from morphogen.representations.pixels import Pixels
from morphogen.representations.text import Bytes
from morphogen.systems.clip import clip
from morphogen.training import train

COLOURS = {
    "red": (1, -1, -1),
    "green": (-1, 1, -1),
    "blue": (-1, -1, 1),
    "yellow": (1, 1, -1),
    "white": (1, 1, 1),
}
CORNERS = {"top left": (0, 0), "top right": (0, 4), "bottom left": (4, 0), "bottom right": (4, 4)}
TEMPLATES = "a {colour} square at the {corner}", "{corner}: {colour}", "{colour} in the {corner} corner"
ALL = [(colour, corner) for colour in COLOURS for corner in CORNERS]
SIZE = 8


def scene(colour: str, corner: str, noise: Tensor) -> Tensor:
    """A square of 4 x 4 pixels in a corner on black, with noise [3, 8, 8] of a quarter of the range."""
    picture, (top, left) = torch.full((3, SIZE, SIZE), -1.0), CORNERS[corner]
    picture[:, top : top + 4, left : left + 4] = torch.tensor(COLOURS[colour], dtype=torch.float)[
        :, None, None
    ]
    return ((8 * (picture + 0.5 * (noise - 0.5)).clamp(-1, 1)).round() / 8).clamp(-1, 1)


def coloured(n: int, seed: int = 0) -> tuple[Batch, list[tuple[str, str]], list[str]]:
    """Captioned pictures, the colour and the corner of each, and their captions."""
    rng = Rng(seed, n)
    what = [ALL[i] for i in rng.fork("what").integers(len(ALL)).tolist()]
    templates, noise = (
        rng.fork("template").integers(len(TEMPLATES)).tolist(),
        rng.fork("noise").uniform(3, 8, 8),
    )
    captions = [
        TEMPLATES[template].format(colour=colour, corner=corner)
        for template, (colour, corner) in zip(templates, what, strict=True)
    ]
    pictures = torch.stack([scene(*each, noise[i]) for i, each in enumerate(what)])
    return Batch(pictures, {"caption": caption_bytes(captions)}), what, captions


def untrained_clip() -> mg.Model:
    """CLIP of size tiny."""
    torch.manual_seed(0)
    return clip(Pixels(17, (3, SIZE, SIZE)), Captions(Bytes(40)), "tiny").eval()


def trained_clip(examples: Batch, steps: int) -> mg.Model:
    """CLIP of size tiny, trained on captioned pictures."""
    train(model := untrained_clip(), examples, steps=steps, device="cpu", precision="fp32")
    return model.eval()
