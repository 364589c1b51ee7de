"""3,786 emoji of 32 x 32 in colour on white, with their names: Twemoji's drawings, as emoji-datasource-twitter 16.0.0 lays them out.

The sheet is a grid of cells of 34 pixels with a border of one; emoji.json says which cell is whose. Classes are the ten categories
of Unicode: six in ten pictures are of people, because each person comes in up to 26 skin tones. The split is by the first picture of
each emoji, so that one emoji's skin tones stand together: with each picture on its own, most of a test part would have been seen in
training but for a colour. 34 pictures are drawn twice (flags of islands, families); the copies stand together too.
"""

__all__ = ["EMOJI_FILES", "load_emoji"]

import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image

from morphogen.data.assemble import Labelled, Together, by_content
from morphogen.data.cache import pinned
from morphogen.data.dataset import Dataset

EMOJI_FILES = {
    "emoji.json": "1d602e65be88772bf8cc368ce16b855d719eeddbafe128d471b80203f494d29f",
    "sheet_twitter_32.png": "2767ef2e87cbfb6cc12ac46596c339549afaf0ae8771cf51100c8853f6bde632",
}
TONES = {"1F3FB": "light", "1F3FC": "medium-light", "1F3FD": "medium", "1F3FE": "medium-dark", "1F3FF": "dark"}
CELL = 34


def load_emoji() -> Dataset:
    """The emoji; `captions` of each part says in words what a row shows."""
    table, sheet = (pinned("emoji", file, sha) for file, sha in EMOJI_FILES.items())
    entries = json.loads(table)
    with Image.open(io.BytesIO(sheet)) as image:
        white = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    pixels = np.asarray(white.convert("RGB"))
    classes = tuple(sorted({entry["category"] for entry in entries}))
    pictures, labels, captions, keys = [], [], [], []
    first: dict[bytes, bytes] = {}  # a picture that two emoji share has the key of the emoji that comes first
    for entry in entries:
        cells = list(_cells(entry, pixels))
        for caption, picture in cells:
            pictures.append(picture)
            labels.append(classes.index(entry["category"]))
            captions.append(caption)
            keys.append(first.setdefault(picture.tobytes(), cells[0][1].tobytes()))
    values = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()
    together = Together(keys, "the first picture of each emoji, its skin tones with it")
    return by_content("emoji", Labelled(values, torch.tensor(labels), captions), classes, together=together)


def _cells(entry: dict[str, Any], pixels: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """What each cell of one emoji shows, and its 32 x 32 pixels: the plain one, then its skin tones."""
    for code, cell in [("", entry), *entry.get("skin_variations", {}).items()]:
        if cell["has_img_twitter"]:
            top, left = cell["sheet_y"] * CELL + 1, cell["sheet_x"] * CELL + 1
            tones = ", ".join(f"{TONES[tone]} skin tone" for tone in code.split("-") if tone)
            name = entry["name"].lower()
            yield f"{name}, {tones}" if tones else name, pixels[top : top + CELL - 2, left : left + CELL - 2]
