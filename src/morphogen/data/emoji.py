"""3,786 named colour emoji of 32 x 32 pixels on white: Twemoji, from emoji-datasource-twitter 16.0.0.

The sprite sheet is a grid of cells of 34 pixels with a border of one pixel; emoji.json maps each emoji to its
cell. The classes are the ten categories of Unicode: six in ten pictures are of people, because a person comes
in up to 26 skin tones. The split is by the base picture of each emoji, so that all skin tones of an emoji are
in the same part: with a split by picture, most test pictures would have been seen in training in another
colour. 34 pictures occur twice (flags of islands, families); both copies are in the same part too.
"""

__all__ = ["EMOJI_FILES", "emoji_with", "load_emoji"]

import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image

from morphogen.data.assemble import Groups, Labelled, assemble
from morphogen.data.cache import pinned
from morphogen.data.dataset import Dataset

EMOJI_FILES = {
    "emoji.json": "1d602e65be88772bf8cc368ce16b855d719eeddbafe128d471b80203f494d29f",
    "sheet_twitter_32.png": "2767ef2e87cbfb6cc12ac46596c339549afaf0ae8771cf51100c8853f6bde632",
}
TONES = {
    "1F3FB": "light",
    "1F3FC": "medium-light",
    "1F3FD": "medium",
    "1F3FE": "medium-dark",
    "1F3FF": "dark",
}
CELL = 34


def load_emoji() -> Dataset:
    """The emoji; `captions` of each part holds their names."""
    return emoji_with("emoji", {})


def emoji_with(name: str, texts: Mapping[str, tuple[str, ...]]) -> Dataset:
    """The emoji with further captions.

    Arguments:
        name: of the data set.
        texts: captions by code, without FE0F; an emoji that they lack has its name alone.
    """
    table, sheet = (pinned("emoji", file, sha) for file, sha in EMOJI_FILES.items())
    entries = json.loads(table)
    with Image.open(io.BytesIO(sheet)) as image:
        white = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    pixels = np.asarray(white.convert("RGB"))
    classes = tuple(sorted({entry["category"] for entry in entries}))
    pictures, labels, keys = [], [], []
    captions: list[str | tuple[str, ...]] = []
    key_of: dict[bytes, bytes] = {}  # a picture that two emoji share has the key of the first of them
    for entry in entries:
        cells = list(_cells(entry, pixels))
        for code, caption, picture in cells:
            pictures.append(picture)
            labels.append(classes.index(entry["category"]))
            known = texts.get(code.replace("-FE0F", ""), ())
            captions.append(tuple(dict.fromkeys((*known, caption))) if texts else caption)
            keys.append(key_of.setdefault(picture.tobytes(), cells[0][2].tobytes()))
    values = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()
    groups = Groups(keys, "the first picture of each emoji, its skin tones with it")
    return assemble(name, Labelled(values, torch.tensor(labels), captions), classes, groups=groups)


def _cells(entry: dict[str, Any], pixels: np.ndarray) -> Iterator[tuple[str, str, np.ndarray]]:
    """Code, name and pixels of each variant of an emoji: the base picture first, then the skin tones."""
    for code, cell in [("", entry), *entry.get("skin_variations", {}).items()]:
        if cell["has_img_twitter"]:
            top, left = cell["sheet_y"] * CELL + 1, cell["sheet_x"] * CELL + 1
            tones = ", ".join(f"{TONES[tone]} skin tone" for tone in code.split("-") if tone)
            name = entry["name"].lower()
            picture = pixels[top : top + CELL - 2, left : left + CELL - 2]
            yield cell.get("unified", ""), f"{name}, {tones}" if tones else name, picture
