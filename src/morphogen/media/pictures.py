"""Pictures: float [B, C, H, W] in [-1, 1], shown as they are and saved as PNG with their provenance.

    stamp({"system": "ddpm", "seed": 0, "index": 3})  ->  tEXt morphogen {"system":"ddpm","seed":0,"index":3}

The provenance (model, seed, ...) is in a PNG text chunk, which survives copying and mailing.
"""

__all__ = ["KEY", "PICTURES", "PictureMedium", "read_stamp", "stamp"]

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from morphogen.caller import option
from morphogen.component import ConfigError
from morphogen.lazy import lazy
from morphogen.media import Medium, ReadingOptions

KEY = "morphogen"


class PictureMedium(Medium):
    """Pictures: PIL images, from folders with one sub-folder per class, or flat."""

    name = "pictures"
    element = "subpixel"
    suffix = "png"
    suffixes = (
        *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff"),
        *(".heic", ".heif", ".avif", ".jp2", ".pgm", ".ppm", ".pbm", ".pnm", ".tga", ".ico"),
    )
    has_class_folders = True
    computed_conditions = ("sketch",)
    features = lazy("evaluation.features.picture_features")
    corruptions = lazy("evaluation.corruptions.picture_corruptions")
    holds = lazy("data.picture_arrays.holds_pictures")
    collect = lazy("data.picture_arrays.collect_pictures")
    given = lazy("data.picture_arrays.pictures_for")
    codecs = lazy("evaluation.codecs.picture_codecs")
    measure = lazy("evaluation.caption_fidelity.measure_captions")
    read_folder = lazy("data.pictures.load_folder")
    size_of = lazy("data.picture_file.size_of")
    common = lazy("data.pictures.COMMON")
    few = 300
    memorisable = 1000
    goals: ClassVar = {
        "quality": ("latent_diffusion", "ddpm", "gated_pixelcnn", "vae"),  # the first only of captions
        "likelihood": ("gated_pixelcnn", "realnvp", "mixture"),
        "speed": ("wgan_gp", "vae", "mixture"),
        "few": ("vae", "mixture"),
    }
    representatives = (
        *("mixture", "gated_pixelcnn", "vae", "realnvp", "wgan_gp", "ddpm", "latent_flow"),
        "latent_diffusion",  # of captioned pictures only
    )

    def save(self, path: Path, samples: Sequence[Any], records: Sequence[Mapping[str, Any]]) -> None:
        samples[0].save(path, pnginfo=stamp(records[0]))

    def preview(self, sample: Image.Image) -> Image.Image:
        return sample

    def confidence(self, path: Path) -> float:
        """A folder of files of no medium is taken for pictures; a single picture by its content, if any."""
        if path.is_dir():
            return max(0.01, super().confidence(path))
        return float(self.size_of(path) is not None) if path.stat().st_size else super().confidence(path)

    def read(self, path: Path, options: ReadingOptions) -> Any:
        return self.read_folder(path, options.resolution)

    def reading(self, representation: Any) -> Mapping[str, Any]:
        side = max(representation.shape[1:])
        return {"levels": representation.levels} | ({"resolution": side} if side > self.common else {})

    def check_comparable(self, model: Any, data: Any) -> None:
        """Errors: ConfigError for other levels in pictures of its size; others are refused by their shape."""
        own, found = model.source, data.source
        if own.levels != found.levels and own.shape == found.shape:
            raise ConfigError(
                f"the pictures have {found.levels} levels, the model is for {own.levels}: give pictures of "
                "its levels, or build a model of these, mg.build_system(name, mg.load_data(X))"
            )

    def describe(self, data: Any) -> tuple[str, str, int]:
        channels, height, width = data.representation.shape
        shape = f"{width} x {height} pixels, {'grey' if channels == 1 else 'colour'}"
        return shape, f"{data.representation.levels} levels", super().describe(data)[2]

    def warnings(self, data: Any, device: str) -> Iterator[str]:
        side = max(data.representation.shape[1:])
        if side < 8:
            few = f"{side} pixels per side are very few"
            yield f"{few}: there is little detail, and coarse scales are trivial"
        if side > 64 and device == "cpu":
            yield f"{side} pixels per side take hours on a CPU; try {option('resolution', 32)} first"


PICTURES = PictureMedium()


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
