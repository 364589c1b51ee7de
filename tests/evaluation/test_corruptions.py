"""Corruptions keep what they promise to keep, change the rest, and are keyed by the seed."""

import torch

from morphogen.data import load_data
from morphogen.evaluation.corruptions import (
    column_corruptions,
    picture_corruptions,
    sound_corruptions,
    text_corruptions,
)
from morphogen.numerics.randomness import Rng
from morphogen.representations.text import Bytes, Characters

GENERATOR = torch.Generator().manual_seed(0)


def test_pictures_keep_their_pixels_and_noise_is_uniform():
    medium = torch.rand(40, 3, 9, 7, generator=GENERATOR)
    corrupted = picture_corruptions(medium, None, Rng(0, 40))
    noise, shuffled = corrupted["white noise"], corrupted["shuffled pixels"]
    assert noise.shape == shuffled.shape == medium.shape and not torch.equal(shuffled, medium)

    def colours(pictures):
        return [sorted(picture.flatten(1).T.tolist()) for picture in pictures]

    assert colours(shuffled) == colours(medium)  # whole pixels: the channels move together
    assert noise.amin() >= -1 and noise.amax() <= 1 and abs(noise.mean()) < 0.05
    again = picture_corruptions(medium[7:8], None, Rng(0, 40)[7:8])
    assert torch.equal(again["shuffled pixels"][0], shuffled[7])


def test_texts_keep_their_words():
    text = Bytes(40)
    lines = ["the cat sat on the mat with a green hat", "one two  three\nfour", "x"]
    medium = torch.nn.utils.rnn.pad_sequence(
        [text.tokenize(line) for line in lines], batch_first=True, padding_value=-1
    )
    shuffled = text.present(text_corruptions(medium, text, Rng(1, 3))["shuffled words"])
    assert [sorted(line.split()) for line in shuffled] != [line.split() for line in lines]
    assert sorted(" ".join(shuffled[1:]).split()) == sorted(" ".join(lines[1:]).split())
    assert sorted("".join(shuffled)) == sorted("".join(lines)) and shuffled[0] != lines[0]


def test_every_token_may_begin_a_word():
    text = Characters(" a", 6)
    medium = torch.tensor([text.ids("      ")])
    assert torch.equal(text_corruptions(medium, text, Rng(0, 1))["shuffled words"], medium)


def test_sounds_keep_their_power_and_spectrum():
    time = torch.arange(512) / 512
    medium = 0.2 * torch.sin(2 * torch.pi * time * torch.tensor([[8.0], [31.0]]) + 1)[:, None]
    medium[..., 256:] = 0
    corrupted = sound_corruptions(medium, None, Rng(0, 2))
    noise, surrogate = corrupted["white noise"], corrupted["random phases"]
    assert torch.allclose(
        noise.square().mean((1, 2)), medium.square().mean((1, 2)), rtol=0.3
    ) and not torch.allclose(surrogate, medium, atol=0.05)
    inner = slice(1, -1)  # the phases of the first and the last frequency are those of real numbers
    spectrum, expected = torch.fft.rfft(surrogate).abs(), torch.fft.rfft(medium).abs()
    assert torch.allclose(spectrum[..., inner], expected[..., inner], atol=1e-3)


def test_columns_keep_their_marginals_and_lose_their_dependence():
    x = torch.randn(500, 1, generator=GENERATOR)
    table = torch.cat([x, x, -x], 1).double()
    permuted = column_corruptions(table, None, Rng(0, 500))["permuted columns"]
    assert torch.equal(permuted.sort(0).values, table.sort(0).values)
    assert torch.corrcoef(permuted.T).fill_diagonal_(0).abs().max() < 0.15


def test_each_medium_has_corruptions():
    data = load_data("digits")
    medium = data.train.first(4).medium
    names = data.representation.medium.corruptions(medium, data.representation, Rng(0, 4))
    assert list(names) == ["white noise", "shuffled pixels"]
