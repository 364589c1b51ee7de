"""What made a picture, inside the picture: a PNG text chunk under one key, which copies and mails keep.

stamp({"system": "ddpm", "seed": 0, "index": 3})  ->  tEXt morphogen {"system":"ddpm","seed":0,"index":3}
"""

__all__ = ["KEY", "read_stamp", "stamp"]

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

KEY = "morphogen"


def stamp(facts: Mapping[str, Any]) -> PngInfo:
    """For `Image.save(path, pnginfo=...)`: the facts as compact JSON in ASCII."""
    chunk = PngInfo()
    chunk.add_text(KEY, json.dumps(facts, separators=(",", ":"), default=str))
    return chunk


def read_stamp(path: str | Path) -> dict[str, Any] | None:
    """The facts in a PNG; None: it carries none."""
    with Image.open(path) as picture:
        found = picture.info.get(KEY)
    return None if found is None else json.loads(found)
