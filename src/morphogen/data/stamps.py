"""785 small pictures with an English sentence each: the stamps of Tux Paint, 2022.06.

Photographs and drawings of 12 to 1226 pixels, most with a transparent background, which becomes white, are
cropped to their central square and resized to 32 x 32. The classes are the folders of the package (animals,
food, town, ...). Stamps that are drawn as vectors are left out, and so are spoken captions and translations.
"""

__all__ = ["STAMPS_FILES", "load_stamps", "pictures_and_texts"]

import io
import zipfile
from pathlib import PurePosixPath

import torch

from morphogen.data.assemble import Labelled, assemble
from morphogen.data.cache import pinned
from morphogen.data.captioned import CaptionedPictures, captioned
from morphogen.data.pictures import SIDE, read_square, stack
from morphogen.data.translations import untranslated

STAMPS_FILES = {"stamps.zip": "a88c5380defdbeb6dad3d8793dbddf0211b5058f6b90fe7b9167bb2d092f677f"}


def load_stamps() -> CaptionedPictures:
    """The stamps that are pictures. Errors: DataError if they are not in the cache."""
    ((file, sha256),) = STAMPS_FILES.items()
    pictures, captions, names = [], [], []
    with zipfile.ZipFile(io.BytesIO(pinned("stamps", file, sha256))) as archive:
        for text in map(PurePosixPath, archive.namelist()):
            picture = str(text.with_suffix(".png"))
            if text.suffix != ".txt" or picture not in archive.NameToInfo:
                continue
            values = read_square(archive.read(picture), SIDE)
            caption = untranslated(archive.read(str(text)).decode("utf8", errors="replace")).text
            if not isinstance(values, str) and caption:
                pictures.append(values)
                captions.append(caption)
                names.append(text.parts[0])
    classes = tuple(sorted(set(names)))
    labels = torch.tensor([classes.index(name) for name in names])
    found: CaptionedPictures = captioned(
        assemble("stamps", Labelled(stack(pictures), labels, captions), classes)
    )
    return found


def pictures_and_texts(content: bytes) -> bytes:
    """The pictures and texts of an archive of the package, without its sounds: the same bytes anywhere."""
    kept = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(kept, "w") as small:
        for entry in archive.infolist():
            if entry.filename.endswith((".png", ".txt")):
                small.writestr(entry, archive.read(entry))
    return kept.getvalue()
