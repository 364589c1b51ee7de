"""Edits in a notebook."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import morphogen as mg
from morphogen.component import ConfigError
from tests.cases import case

pytestmark = pytest.mark.usefixtures("untyped")
U = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8)
LOWER = np.arange(64).reshape(8, 8) >= 32


@case("`mg.inference.Inpaint(mask)` of an array, a tensor or a PIL picture of two values", "the same mask")
def test_masks_of_any_kind() -> None:
    model = mg.build_system("ddpm", mg.load_data(U), size="tiny")
    x = mg.load_data(U).train.first(1).medium
    bytes_ = LOWER * np.uint8(255)
    expected = torch.from_numpy(LOWER)
    for mask in (
        LOWER, LOWER.astype(np.uint8), LOWER.astype(float), LOWER * 1, bytes_, LOWER.astype(np.uint16),
        torch.tensor(LOWER), torch.tensor(LOWER).long(), torch.tensor(bytes_), torch.tensor(LOWER).half(),
        Image.fromarray(bytes_), Image.fromarray(LOWER), LOWER.tolist(), LOWER[::-1][::-1],
    ):  # fmt: skip
        change = mg.inference.Inpaint(mask)
        assert change.mask.dtype == torch.bool and change.mask.equal(expected)
    edited = mg.inference.edit(model, x, change, n=1, sampler=mg.DDIM(steps=2)).tensor
    assert edited[:, :, :4].equal(x[:, :, :4]) and not edited[:, :, 4:].equal(x[:, :, 4:])


@case("a mask of more than two values, or `SDEdit('0.5')`", "one line; what it says can be typed")
def test_what_is_no_mask_is_one_line() -> None:
    grey: Any
    for grey in (U[0], torch.tensor(U[0]), U[0] / 255, Image.fromarray(U[0]), LOWER * 2 - 1, LOWER * 2):
        with pytest.raises(
            ConfigError, match="give True where to redraw, False where to keep, such"
        ) as error:
            mg.inference.Inpaint(grey)
        assert "\n" not in str(error.value)
        remedy = str(error.value).split("such as ")[1]
        assert mg.inference.Inpaint(eval(remedy, {"mask": grey, "np": np})).mask.any()  # noqa: S307
    for wrong in ("mask.png", None, {}, LOWER * np.nan):
        with pytest.raises(ConfigError, match=r"^pixels of the mask are "):
            mg.inference.Inpaint(wrong)
    for strength in ("0.5", None, float("nan")):
        with pytest.raises(ConfigError, match=r"^strength=.*: give a number"):
            mg.inference.SDEdit(strength)  # type: ignore[arg-type]
    assert mg.inference.SDEdit(np.float32(0.5)).strength == 0.5
