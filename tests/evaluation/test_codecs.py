"""Codecs are lossless, use the same rows as model likelihoods, and approach the entropy where it is known."""

import bz2
import gzip
import lzma
import math

import numpy as np
import pytest
import torch

from morphogen.data import load_data
from morphogen.data.dataset import Dataset, Pictures
from morphogen.evaluation import codecs as codecs_module
from morphogen.evaluation.codecs import (
    PICTURE_CODECS,
    Codec,
    codec_baselines,
    decode_image,
    encode_png,
    encode_webp,
)
from morphogen.evaluation.likelihood import evenly_spaced_indices
from morphogen.representations.pixels import Pixels


def dataset(values, levels=256):
    """A data set with these pictures as its test part."""
    values = torch.as_tensor(values, dtype=torch.uint8)
    part = Pictures(values, levels)
    return Dataset("made", "pictures", part, part, part, {}, Pixels(levels, tuple(values.shape[1:])), "")


def noise(n, channels, side, levels=256, seed=0):
    return np.random.default_rng(seed).integers(0, levels, (n, channels, side, side))


def bits(rows):
    return {row["system"]: row["likelihood"]["bits_per_dim"] for row in rows}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("encode", [encode_png, encode_webp])
def test_decoding_inverts_encoding(encode, channels):
    pixels = noise(1, channels, 30)[0].transpose(1, 2, 0).astype(np.uint8)
    decoded = decode_image(encode(pixels))
    assert decoded.dtype == np.uint8 and (decoded == pixels).all()  # WebP returns grey as three channels


@pytest.mark.parametrize("channels", [1, 3])
def test_a_constant_picture_takes_almost_no_bits(channels):
    result = codec_baselines(dataset(np.full((64, channels, 32, 32), 77)))
    assert list(bits(result)) == ["PNG", "WebP lossless"] and all(
        value < 0.04 for value in bits(result).values()
    )


@pytest.mark.parametrize("levels", [2, 17, 256])
@pytest.mark.parametrize("channels", [1, 3])
def test_noise_takes_at_least_its_entropy_and_little_more(levels, channels):
    """20 x 24 x 24 independent values: WebP is close to the entropy, matches and filters cost PNG more."""
    result = bits(codec_baselines(dataset(noise(20, channels, 24, levels), levels)))
    entropy = math.log2(levels)
    assert entropy * 0.99 <= result["WebP lossless"] <= entropy + 0.1
    assert entropy * 0.99 <= result["PNG"] <= entropy + 0.8


def test_a_png_with_few_levels_uses_a_palette():
    """Two levels take one bit per pixel, not eight; decoding returns the indices."""
    pixels = noise(1, 1, 64, 2)[0].transpose(1, 2, 0).astype(np.uint8)
    content = encode_png(pixels)
    assert len(content) < 64 * 64 / 4 and (decode_image(content) == pixels).all()


def test_rows_are_those_of_the_likelihood_and_a_sheet_has_no_interval():
    """Every third picture is noise and the others are blank, so the result depends on which rows are used."""
    values = noise(60, 1, 16)
    values[np.arange(60) % 3 > 0] = 0
    data = dataset(values)
    assert evenly_spaced_indices(60, 20).tolist() == list(range(0, 60, 3))
    some, every = codec_baselines(data, 20), codec_baselines(data)
    for a, b in zip(some, every, strict=True):
        assert a["likelihood"]["n"] == 20 and b["likelihood"]["n"] == 60
        assert a["likelihood"]["bits_per_dim"] == pytest.approx(3 * b["likelihood"]["bits_per_dim"], rel=0.1)
        assert (a["family"], a["likelihood"]["kind"], a["likelihood"]["measure"]) == (
            "codec",
            "exact",
            "mass",
        )
        assert (
            a["likelihood"]["low"] == a["likelihood"]["bits_per_dim"] == a["likelihood"]["high"]
            and "sheet" in a["how"]
        )


def test_the_smaller_of_individual_files_and_sheets_is_reported():
    """With different levels in each picture, separate code tables outweigh the cost of the headers."""
    generator = np.random.default_rng(0)
    values = np.stack(
        [
            generator.choice(256, 2 ** (i % 5))[generator.integers(0, 2 ** (i % 5), (1, 96, 96))]
            for i in range(5)
        ]
    )
    alone = [row for row in codec_baselines(dataset(values)) if row["how"] == "each picture alone"]
    assert alone and all(
        row["likelihood"]["low"] < row["likelihood"]["bits_per_dim"] < row["likelihood"]["high"]
        for row in alone
    )
    assert all("one sheet" in row["how"] for row in codec_baselines(load_data("digits"), 60))


@pytest.mark.parametrize("columns", [1, 3, 10, 99])
@pytest.mark.parametrize("side", [8, 40])
def test_sheets_contain_every_picture_once_and_respect_the_largest_side(columns, side, monkeypatch):
    monkeypatch.setattr(codecs_module, "MAX_SIDE", 100)
    pictures = noise(23, 3, side).transpose(0, 2, 3, 1).astype(np.uint8)
    tiles = []
    for sheet in codecs_module._sheets(pictures, columns):
        height, width, _ = sheet.shape
        assert max(height, width) <= 100
        tiles += [
            sheet[y : y + side, x : x + side] for y in range(0, height, side) for x in range(0, width, side)
        ]
    empty = [tile for tile in tiles if (tile == pictures[0, 0, 0]).all()]
    filled = [tile for tile in tiles if not (tile == pictures[0, 0, 0]).all()]
    assert np.array_equal(np.stack(filled), pictures) and len(empty) < columns


def test_digits_match_the_recorded_values():
    """254 held-out digits of 17 levels; versions of zlib and libwebp may differ by a percent."""
    assert bits(codec_baselines(load_data("digits"))) == pytest.approx(
        {"PNG": 3.30, "WebP lossless": 3.11}, rel=0.02
    )


def test_a_text_matches_the_standard_library(tmp_path):
    (tmp_path / "t.txt").write_text(
        "\n".join(f"{i} squared is {i * i}, and its cube is {i**3}" for i in range(2000))
    )
    data = load_data(str(tmp_path / "t.txt"))
    result = codec_baselines(data, 50)
    starts = data.test.starts[evenly_spaced_indices(len(data.test), 50)].tolist()
    text = b"".join(bytes(data.test.text[at : at + 64].tolist()) for at in sorted(starts))
    lengths = [
        len(gzip.compress(text, 9)),
        len(bz2.compress(text)),
        len(lzma.compress(text, lzma.FORMAT_ALONE, preset=9)),
    ]
    assert bits(result) == pytest.approx(
        dict(zip(("gzip", "bz2", "LZMA"), [8 * n / len(text) for n in lengths], strict=True)), rel=0.01
    )
    assert len(text) == 3200 and all(
        row["likelihood"]["n"] == 50 and row["how"] == "all windows in one file" for row in result
    )


@pytest.mark.parametrize(
    "corrupt", [lambda c: c[:-1], lambda c: (c // 2) * 2, lambda c: c[::-1], lambda c: c[:, :, :1] * 0]
)
def test_a_lossy_codec_raises(corrupt, monkeypatch):
    """PNG with a decoder that loses information."""
    lossy = Codec("PNG", PICTURE_CODECS[0].encode, lambda code: corrupt(decode_image(code)))
    monkeypatch.setattr(codecs_module, "PICTURE_CODECS", (lossy,))
    for channels in (1, 3):
        with pytest.raises(RuntimeError, match="PNG is not lossless"):
            codec_baselines(dataset(noise(4, channels, 8)))


def test_pictures_of_two_or_four_channels_have_no_codec():
    assert codec_baselines(dataset(noise(5, 2, 8))) == [] and codec_baselines(dataset(noise(5, 4, 8))) == []
