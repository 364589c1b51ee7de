r"""Corruptions that a person notices at once, to test whether a feature space does too.

    pictures    white noise; the picture's own pixels, shuffled
    text        the text's own words, shuffled
    sound       white noise as loud as the sound; its spectrum with random phases
    columns     every column permuted among the rows, independently of the others

Each maps a batch of the medium to one of the same shape, with simpler statistics kept (the histogram, the
words, the power spectrum, the marginal distributions), so that a space that sees only those is found out.

Reference for the phases: Testing for nonlinearity in time series: the method of surrogate data, Theiler,
Eubank, Longtin, Galdrikian & Farmer, 1992.
"""

__all__ = ["column_corruptions", "picture_corruptions", "sound_corruptions", "text_corruptions"]

import math
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from morphogen.numerics.randomness import Rng

Corrupted = Mapping[str, Shaped[Tensor, "n ..."]]


def picture_corruptions(medium: Float[Tensor, "n c h w"], representation: Any, rng: Rng) -> Corrupted:
    """Uniform white noise, and pictures whose pixels are shuffled."""
    noise = 2 * rng.fork("noise").uniform(*medium.shape[1:]) - 1
    flat = medium.flatten(2)
    order = rng.fork("shuffle").uniform(flat.shape[2]).argsort(1)[:, None].expand_as(flat)
    return {"white noise": noise, "shuffled pixels": flat.gather(2, order).view_as(medium)}


def text_corruptions(medium: Int[Tensor, "n t"], representation: Any, rng: Rng) -> Corrupted:
    """Texts whose words are shuffled; a word is a token that spells a space, and those up to the next."""
    begins = torch.tensor([piece[:1].isspace() for piece in representation.pieces])
    keys, rows = rng.fork("words").uniform(medium.shape[1] + 1), []
    for row, key in zip(medium, keys, strict=True):
        valid = int((row >= 0).sum()) - (representation.end is not None and representation.end in row)
        word = begins[row[:valid]].long().cumsum(0)
        order = key[word].argsort(stable=True)
        rows.append(torch.cat([row[:valid][order], row[valid:]]))
    return {"shuffled words": torch.stack(rows)}


def sound_corruptions(medium: Float[Tensor, "n 1 t"], representation: Any, rng: Rng) -> Corrupted:
    """White noise of equal energy, and sounds with random phases, whose power spectra are the sounds' own."""
    loudness = medium.square().mean((1, 2), keepdim=True).sqrt()
    noise = loudness * rng.fork("noise").normal(*medium.shape[1:])
    spectrum = torch.fft.rfft(medium)
    phases = 2 * math.pi * rng.fork("phases").uniform(*spectrum.shape[1:])
    surrogate = torch.fft.irfft(torch.polar(spectrum.abs(), phases), medium.shape[2])
    return {"white noise": noise.clamp(-1, 1), "random phases": surrogate.clamp(-1, 1)}


def column_corruptions(medium: Shaped[Tensor, "n ..."], representation: Any, rng: Rng) -> Corrupted:
    """Rows whose columns are permuted independently: right one by one, wrong together."""
    flat = medium.flatten(1)
    order = rng.fork("columns").uniform(flat.shape[1]).argsort(0)
    return {"permuted columns": flat.gather(0, order).view_as(medium)}
