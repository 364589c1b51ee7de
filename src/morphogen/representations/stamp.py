"""Provenance of a picture (model, seed, ...) in a PNG text chunk, which survives copying and mailing.

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
    """The facts as compact ASCII JSON in a PNG chunk, for `Image.save(path, pnginfo=...)`."""
    chunk = PngInfo()
    chunk.add_text(KEY, json.dumps(facts, separators=(",", ":"), default=str))
    return chunk


def read_stamp(path: str | Path) -> dict[str, Any] | None:
    """The facts that `stamp` stored in a PNG; None if there are none."""
    with Image.open(path) as picture:
        facts = picture.info.get(KEY)
    return None if facts is None else json.loads(facts)
