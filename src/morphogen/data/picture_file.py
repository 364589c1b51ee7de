"""One picture file as 8 bits of grey or RGB: upright, in sRGB, on white where it is transparent.

    16 bits, floats     value / white, where white is one number for a whole folder (see `survey`)
    colour profiles     converted to sRGB with LittleCMS; CMYK and LAB too
    several frames      the first

Pillow reads the formats; HEIC needs the extra "heic". A file is recognised by its content, not its suffix.
"""

__all__ = ["EACH", "Survey", "White", "open_upright", "size_of", "survey"]

import io
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

Source = Path | bytes

LARGEST = 64_000_000  # pixels per file, checked before decoding: a small file must not fill the memory
WHITE = (255, 1023, 4095, 16383, 65535)  # usual values of white in pictures of more than 8 bits
UNIT = 16  # floats below it are on the scale 0 to 1: on that of 0 to 255 they would be black
VECTOR = "a vector picture (SVG): convert it to PNG"
TOO_LARGE = f"more than {LARGEST // 1_000_000} million pixels; make it smaller"
HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
AVIF = (b"avif", b"avis")


class White(NamedTuple):
    """The value of white in pictures of more than 8 bits, and of floats; None: chosen for each picture."""

    integers: int | None = None
    floats: int | None = None


EACH = White()


class Facts(NamedTuple):
    """What the header of a picture says, and whether any of its pixels is transparent."""

    size: tuple[int, int]
    is_animated: bool
    is_transparent: bool


@dataclass(frozen=True)
class Survey:
    """What the pictures of a data set have in common.

    Arguments:
        facts: of the pictures by their place among the files, of those whose header can be read.
        white: the smallest usual value that none of the pictures exceeds.
        scales: notes on the pictures of more than 8 bits.
    """

    facts: Mapping[int, Facts]
    white: White = EACH
    scales: tuple[str, ...] = ()

    def of(self, places: Iterable[int]) -> "Survey":
        """That of some of the files, such as those that were read."""
        return replace(self, facts={place: self.facts[place] for place in places if place in self.facts})

    @property
    def sizes(self) -> Counter[tuple[int, int]]:
        """How many pictures have each width and height."""
        return Counter(fact.size for fact in self.facts.values())

    @property
    def notes(self) -> tuple[str, ...]:
        """Facts for the user."""
        transparent = sum(fact.is_transparent for fact in self.facts.values())
        animated = sum(fact.is_animated for fact in self.facts.values())
        notes = list(self.scales)
        if transparent:
            have = "pictures have" if transparent > 1 else "picture has"
            notes.append(f"{transparent} {have} transparency: what is transparent is white")
        if animated:
            have = "files have" if animated > 1 else "file has"
            notes.append(f"{animated} {have} several frames: the first of each is read")
        return tuple(notes)


def survey(sources: Iterable[Source]) -> Survey:
    """The sizes and the common scale of the pictures among some files."""
    facts: dict[int, Facts] = {}
    largest: dict[bool, float] = {}  # by whether the values are floats
    for place, source in enumerate(sources):
        with suppress(Exception), _quiet(), _open(source) as image:
            is_animated = image.format != "MPO" and getattr(image, "is_animated", False)
            facts[place] = Facts(image.size, is_animated, False)
            if _is_deep(image) and image.width * image.height <= LARGEST:
                values = _checked(image)
                is_float = values.dtype.kind == "f"
                largest[is_float] = max(largest.get(is_float, 0), float(values.max()))
            facts[place] = facts[place]._replace(is_transparent=_is_transparent(image))
    white, scales = EACH, []
    for is_float, value in largest.items():
        top = _white(value, is_float)
        white = white._replace(**{"floats" if is_float else "integers": top})
        kind = "floats" if is_float else "more than 8 bits"
        scales.append(f"pictures of {kind}: {top} is white (the largest value is {value:.6g})")
    return Survey(facts, white, tuple(scales))


def size_of(source: Source) -> tuple[int, int] | None:
    """Width and height from the header of a file (or its content), without decoding; None: not a picture."""
    try:
        with _quiet(), _open(source) as image:
            return image.size
    except Exception:
        return None


def open_upright(
    source: Source, draft: tuple[int, int] | None = None, white: White = EACH, ground: str = "white"
) -> Image.Image | str:
    """The picture in its EXIF orientation, "L" if it is grey, else "RGB"; or why it cannot be read.

    Arguments:
        source: a file or its content.
        draft: a format that can be decoded at a reduced size is decoded at the smallest size not below it.
        white: the value of white.
        ground: colour behind transparent pixels; "": they are kept, and the mode is "LA" or "RGBA".
    """
    try:
        with _quiet(), _open(source) as image:
            if image.width * image.height > LARGEST:
                return f"{image.width} x {image.height} pixels, {TOO_LARGE}"
            if draft is not None:
                image.draft(None, draft)
            image.load()
            upright: Image.Image = image
            with suppress(Exception):  # broken EXIF data: the picture is as it is
                upright = ImageOps.exif_transpose(image)
            return _flatten(_deep(upright, white) if _is_deep(upright) else upright, ground)
    except Image.DecompressionBombError:
        return TOO_LARGE
    except PermissionError:
        return "permission denied; change its permissions"
    except _Unreadable as error:
        return str(error)
    except UnidentifiedImageError:
        return VECTOR if _is_svg(source) else "not a picture that Pillow can read"
    except (
        Exception
    ) as error:  # Pillow raises OSError, SyntaxError, ValueError, struct.error, ... on broken files
        return "broken or cut short" if isinstance(error, OSError) else f"broken ({type(error).__name__})"


def _is_svg(source: Source) -> bool:
    head = source[:1024] if isinstance(source, bytes) else source.read_bytes()[:1024]
    return b"<svg" in head.lower()


class _Unreadable(ValueError):
    """Why a picture cannot be read, in words."""


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings of Pillow: what is wrong with a file is said once, in a note."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _open(source: Source) -> Image.Image:
    """Errors: what Pillow raises; `_Unreadable` for a format that needs another package."""
    try:
        return Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)
    except UnidentifiedImageError:
        head = source[:12] if isinstance(source, bytes) else _head(source)
        if head[4:8] != b"ftyp" or head[8:] not in HEIC + AVIF:
            raise
        if head[8:] in AVIF:
            raise _Unreadable("AVIF needs Pillow 11.3: pip install -U pillow") from None
        if not _register_heic():
            raise _Unreadable("HEIC needs the extra `heic`: pip install 'morphogen[heic]'") from None
        return Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(12)


@cache
def _register_heic() -> bool:
    """Whether Pillow can read HEIC from now on."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True


def _is_deep(image: Image.Image) -> bool:
    return image.mode.startswith(("I", "F"))


def _is_transparent(image: Image.Image) -> bool:
    """Whether any pixel is transparent, and not only could be: most pictures with alpha are opaque."""
    if not image.has_transparency_data or image.width * image.height > LARGEST:
        return False
    if _is_deep(image):
        return bool((np.asarray(image) == image.info["transparency"]).any())
    alpha = image if "A" in image.getbands() else image.convert("RGBA")
    return bool((np.asarray(alpha.getchannel("A")) < 255).any())


def _checked(image: Image.Image) -> np.ndarray:
    """The values of a picture of more than 8 bits. Errors: `_Unreadable` for values without a brightness."""
    values = np.asarray(image)
    if not np.isfinite(values).all():
        raise _Unreadable("has values that are not finite (NaN or infinity)")
    if values.min() < 0:
        raise _Unreadable(f"has negative values (down to {values.min():.4g}); shift them so that black is 0")
    if values.max() > WHITE[-1]:
        raise _Unreadable(f"has values up to {values.max():.6g}; scale them so that white is {WHITE[-1]}")
    return values


def _white(largest: float, is_float: bool) -> int:
    """The smallest usual value of white that is not below the largest value."""
    return 1 if is_float and largest < UNIT else next(value for value in WHITE if largest <= value)


def _deep(image: Image.Image, white: White) -> Image.Image:
    """A picture of more than 8 bits as one of 8; a transparent value becomes white."""
    values = _checked(image)
    is_float = values.dtype.kind == "f"
    given = white.floats if is_float else white.integers
    top = _white(float(values.max()), is_float) if given is None else given
    if values.max() > top:
        raise _Unreadable(f"has values up to {values.max():.6g}, but {top} is white; scale them to it")
    grey = (values.astype(np.float64) * (255 / top)).round().astype(np.uint8)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey[values == transparent] = 255
    return Image.fromarray(grey)


def _flatten(image: Image.Image, ground: str) -> Image.Image:
    """The picture in sRGB, as "L" if it is grey, else "RGB", with transparent pixels on the ground."""
    alpha = None
    if image.has_transparency_data:
        with_alpha = image.convert("RGBA")
        alpha = with_alpha.getchannel("A")
        colour = with_alpha.convert("RGB")
        colour.info = dict(image.info)
    else:
        colour = image if image.mode in ("L", "RGB", "CMYK", "LAB") else _plain(image)
    colour = _in_srgb(colour)
    if alpha is not None and ground:
        colour = Image.composite(colour, Image.new(colour.mode, colour.size, ground), alpha)
    if colour.mode == "RGB":
        rgb = np.asarray(colour)
        if (rgb == rgb[:, :, :1]).all():
            colour = Image.fromarray(rgb[:, :, 0])
    if alpha is not None and not ground:
        colour.putalpha(alpha)
    return colour


def _plain(image: Image.Image) -> Image.Image:
    plain = image.convert("L" if image.mode == "1" else "RGB")
    plain.info = dict(image.info)
    return plain


def _in_srgb(image: Image.Image) -> Image.Image:
    """The colours of the picture's profile as sRGB; without a usable profile they are taken for sRGB."""
    with suppress(KeyError, ImageCms.PyCMSError, ImportError, OSError, TypeError, ValueError):
        if image.mode == "LAB":
            source = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        else:
            source = ImageCms.getOpenProfile(io.BytesIO(image.info["icc_profile"]))
        if image.mode == "LAB" or "srgb" not in ImageCms.getProfileDescription(source).lower():
            to_srgb = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), image.mode, "RGB")
            image = to_srgb.apply(image).convert("L" if image.mode == "L" else "RGB")
    return image if image.mode in ("L", "RGB") else image.convert("RGB")
