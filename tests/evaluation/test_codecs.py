"""Codecs: lossless, on the rows that models are measured on, and near the entropy where that is known."""

import bz2
import gzip
import lzma
import math

import numpy as np
import pytest
import torch

from morphogen.data import load
from morphogen.data.dataset import Dataset, Pictures
from morphogen.evaluation import codecs as page
from morphogen.evaluation.codecs import PICTURE_CODECS, Codec, codecs, png, unpack, webp
from morphogen.evaluation.likelihood import spread
from morphogen.representations.pixels import Pixels


def of(values, levels=256):
    """A data set whose test part are these pictures."""
    values = torch.as_tensor(values, dtype=torch.uint8)
    part = Pictures(values, levels)
    return Dataset("made", "pictures", part, part, part, (), Pixels(levels, tuple(values.shape[1:])), "")


def noise(n, channels, side, levels=256, seed=0):
    return np.random.default_rng(seed).integers(0, levels, (n, channels, side, side))


def bits(rows):
    return {row["system"]: row["likelihood"]["bits_per_dim"] for row in rows}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("encode", [png, webp])
def test_what_is_coded_comes_back(encode, channels):
    pixels = noise(1, channels, 30)[0].transpose(1, 2, 0).astype(np.uint8)
    back = unpack(encode(pixels))
    assert back.dtype == np.uint8 and (back == pixels).all()  # a grey WebP: three equal channels


@pytest.mark.parametrize("channels", [1, 3])
def test_a_constant_costs_next_to_nothing(channels):
    found = codecs(of(np.full((64, channels, 32, 32), 77)))
    assert list(bits(found)) == ["PNG", "WebP lossless"] and all(value < 0.04 for value in bits(found).values())


@pytest.mark.parametrize("levels", [2, 17, 256])
@pytest.mark.parametrize("channels", [1, 3])
def test_noise_costs_its_entropy_and_never_less(levels, channels):
    """20 x 24 x 24 independent symbols. WebP codes letters near their entropy; matches, and filters in colour, cost PNG more."""
    found = bits(codecs(of(noise(20, channels, 24, levels), levels)))
    least = math.log2(levels)
    assert least * 0.99 <= found["WebP lossless"] <= least + 0.1 and least * 0.99 <= found["PNG"] <= least + 0.8


def test_a_png_of_few_levels_is_packed():
    """Two levels are a bit a pixel, not eight: the palette is the better PNG, and comes back as indices."""
    pixels = noise(1, 1, 64, 2)[0].transpose(1, 2, 0).astype(np.uint8)
    assert len(png(pixels)) < 64 * 64 / 4 and (unpack(png(pixels)) == pixels).all()


def test_rows_are_those_of_the_likelihood_and_the_interval_says_what_it_is():
    """Every third picture is noise, the others are blank: which rows are coded shows in the figure."""
    values = noise(60, 1, 16)
    values[np.arange(60) % 3 > 0] = 0
    data = of(values)
    assert spread(60, 20).tolist() == list(range(0, 60, 3))
    some, every = codecs(data, 20), codecs(data)
    for a, b in zip(some, every, strict=True):
        assert a["likelihood"]["n"] == 20 and b["likelihood"]["n"] == 60
        assert a["likelihood"]["bits_per_dim"] == pytest.approx(3 * b["likelihood"]["bits_per_dim"], rel=0.1)
        assert (a["family"], a["likelihood"]["kind"], a["likelihood"]["measure"]) == ("codec", "exact", "mass")
        assert a["likelihood"]["low"] == a["likelihood"]["bits_per_dim"] == a["likelihood"]["high"] and "sheet" in a["how"]


def test_the_better_of_alone_and_together_is_reported():
    """Noise of another number of levels in each picture: one table of letters for all is dear, headers are cheap."""
    generator = np.random.default_rng(0)
    values = np.stack([generator.choice(256, 2 ** (i % 5))[generator.integers(0, 2 ** (i % 5), (1, 96, 96))] for i in range(5)])
    alone = [row for row in codecs(of(values)) if row["how"] == "each picture alone"]
    assert alone and all(row["likelihood"]["low"] < row["likelihood"]["bits_per_dim"] < row["likelihood"]["high"] for row in alone)
    assert all("one sheet" in row["how"] for row in codecs(load("digits"), 60))


@pytest.mark.parametrize("columns", [1, 3, 10, 99])
@pytest.mark.parametrize("side", [8, 40])
def test_sheets_hold_every_pixel_once_and_no_side_is_too_long(columns, side, monkeypatch):
    monkeypatch.setattr(page, "SIDE", 100)
    pictures = noise(23, 3, side).transpose(0, 2, 3, 1).astype(np.uint8)
    found = []
    for sheet in page._sheets(pictures, columns):
        height, width, _ = sheet.shape
        assert max(height, width) <= 100
        found += [sheet[y : y + side, x : x + side] for y in range(0, height, side) for x in range(0, width, side)]
    ground = [tile for tile in found if (tile == pictures[0, 0, 0]).all()]
    held = [tile for tile in found if not (tile == pictures[0, 0, 0]).all()]
    assert np.array_equal(np.stack(held), pictures) and len(ground) < columns


def test_digits_cost_what_was_measured():
    """254 held-out digits of 17 levels; Pillow's zlib and libwebp may change by a percent."""
    assert bits(codecs(load("digits"))) == pytest.approx({"PNG": 3.30, "WebP lossless": 3.11}, rel=0.02)


def test_a_text_costs_what_the_standard_library_needs(tmp_path):
    (tmp_path / "t.txt").write_text("\n".join(f"{i} squared is {i * i}, and its cube is {i**3}" for i in range(2000)))
    data = load(str(tmp_path / "t.txt"))
    found = codecs(data, 50)
    starts = data.test.starts[spread(len(data.test), 50)].tolist()
    text = b"".join(bytes(data.test.text[at : at + 64].tolist()) for at in sorted(starts))
    lengths = [len(gzip.compress(text, 9)), len(bz2.compress(text)), len(lzma.compress(text, lzma.FORMAT_ALONE, preset=9))]
    assert bits(found) == pytest.approx(dict(zip(("gzip", "bz2", "LZMA"), [8 * n / len(text) for n in lengths], strict=True)), rel=0.01)
    assert len(text) == 3200 and all(row["likelihood"]["n"] == 50 and row["how"] == "all windows in one file" for row in found)


@pytest.mark.parametrize("break_it", [lambda c: c[:-1], lambda c: (c // 2) * 2, lambda c: c[::-1], lambda c: c[:, :, :1] * 0])
def test_a_codec_that_loses_something_is_refused(break_it, monkeypatch):
    """A mutant of PNG for each way to lose."""
    broken = Codec("PNG", PICTURE_CODECS[0].encode, lambda code: break_it(unpack(code)))
    monkeypatch.setattr(page, "PICTURE_CODECS", (broken,))
    for channels in (1, 3):
        with pytest.raises(RuntimeError, match="PNG is not lossless"):
            codecs(of(noise(4, channels, 8)))


def test_what_has_no_codec_has_no_row():
    assert codecs(of(noise(5, 2, 8))) == [] and codecs(of(noise(5, 4, 8))) == []
