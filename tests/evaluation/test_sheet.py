"""Sample sheets show every pixel unsmoothed, in labelled rows."""

import numpy as np
import pytest
import torch

from morphogen.data import load_data
from morphogen.evaluation.sheet import FONT_SIZE, GAP, LINE_HEIGHT, MARGIN, ROW_GAP, TILE, sheet


def test_pictures_are_drawn_pixel_for_pixel():
    medium = load_data("digits").test.first(6).medium
    page = np.asarray(sheet({"": medium}).convert("L"))
    assert page.shape == (TILE + 2 * MARGIN, 6 * (TILE + GAP) - GAP + 2 * MARGIN)
    for i in range(6):
        left = MARGIN + i * (TILE + GAP)
        tile = page[MARGIN : MARGIN + TILE, left : left + TILE]
        small = tile.reshape(8, 8, 8, 8)
        assert (small == small[:, :1, :, :1]).all()  # no smoothing
        assert np.abs(small[:, 0, :, 0] - (medium[i, 0].numpy() + 1) * 127.5).max() <= 1


def test_pictures_are_wrapped_and_large_ones_are_not_resized():
    assert sheet({"": torch.zeros(45, 1, 8, 8)}).height == 3 * (TILE + GAP) - GAP + 2 * MARGIN
    assert sheet({"": torch.zeros(1, 3, 100, 100)}).width == 100 + 2 * MARGIN


def test_a_sheet_is_bounded_and_says_how_many_samples_there_are():
    row, some, many = (sheet({"": ["a 1, b 2"] * n}).height for n in (1, 100, 20_000))
    line = 2 * LINE_HEIGHT
    assert row == line + 2 * MARGIN and some == 100 * line + 2 * MARGIN and many == some + line
    tall = sheet({"": ["x" * 80 * 3000]}).height
    assert tall == (500 + 1) * line + 2 * MARGIN
    assert sheet({"": torch.zeros(3000, 1, 1, 1)}, 100).height == 10 * (TILE + GAP) - GAP + line + 2 * MARGIN


def test_labels_and_the_line_below_real_data_are_drawn():
    rows = {"real data": torch.ones(3, 1, 8, 8), "a family": torch.ones(3, 1, 8, 8)}
    page = np.asarray(sheet(rows).convert("L"))
    assert (page[:, MARGIN : MARGIN + 60] < 100).sum() > 50  # letters on an otherwise white sheet
    assert ((page > 200) & (page < 255)).any(0).sum() > page.shape[1] * 0.8  # one long faint line
    assert (np.asarray(sheet({"": torch.ones(3, 1, 8, 8)})) == 255).all()


def test_texts_are_drawn_in_a_fixed_width_font():
    one, two = sheet({"": ["abc" * 30]}), sheet({"": ["abc" * 30, "línea\n\0日本"]})
    assert two.height > one.height and (np.asarray(one.convert("L")) < 100).sum() > 500
    tokens = torch.tensor([list(b"abc" * 30)])
    assert (np.asarray(sheet({"": tokens})) == np.asarray(one)).all()


def test_empty_rows():
    with pytest.raises(ValueError, match="rows is empty"):
        sheet({})
    page = np.asarray(sheet({"a": [], "b": [""]}).convert("L"))
    no_pictures, no_text = TILE, max(2 * LINE_HEIGHT, FONT_SIZE)  # the heights of the two rows
    assert len(page) == 2 * MARGIN + no_pictures + ROW_GAP + ROW_GAP + no_text
    first, second = MARGIN, len(page) - MARGIN - no_text  # the tops of the rows
    labels, strips = np.split(page < 100, [page.shape[1] // 2], axis=1)
    for top, height in ((first, no_pictures), (second, no_text)):
        assert labels[top : top + height].any(), "a label is missing"
    assert not strips[first : first + no_pictures].any(), "a row without pictures has dark pixels"
    assert strips[second : second + no_text].any(), "the bar that marks an empty text is missing"
